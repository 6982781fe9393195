import { findFreePorts } from "../support/ports.ts";
import { missing, Program } from "../support/program.ts";
import { seededRandom, testSeed } from "../support/random.ts";
import { until } from "../support/until.ts";
import { change, type ChangeName } from "./changes.ts";
import { LiveScene, testLive } from "./scene.ts";

const CHANGES: readonly ChangeName[] = [
  ...["two primaries more, and a rebalance", "a failover"] as const,
  ...["a primary at another address", "a dead primary"] as const,
];

/** A primary that is restarted must not come back empty. */
const cluster = { directives: { appendonly: "yes" } };

const at = { host: "127.0.0.1", port: findFreePorts(1) };

const login = { username: "ann", password: "secret" };

const seed = testSeed();

testLive("clients follow changes through a SOCKS5 proxy, and its death", async (t) => {
  console.log(`TEST_SEED=${seed}`);
  const random = seededRandom(seed);
  await using first = await startSocks();
  const config = { via: { protocol: "socks5", at, login } as const };
  await using scene = await LiveScene.start({ cluster, config });
  for (const name of CHANGES) {
    await t.step(name, async () => {
      const primaryDies = name === "a dead primary";
      await scene.withstand(name, () => change(scene.cluster, random, [name]), { primaryDies });
    });
  }
  await t.step("the SOCKS5 proxy dies and comes back", async () => {
    await using stack = new AsyncDisposableStack();
    await scene.withstand("a dead SOCKS5 proxy", async () => {
      await first.kill();
      stack.use(await startSocks());
    });
  });
}, await missing("microsocks"));

/** Starts microsocks until the block ends. */
async function startSocks(): Promise<Program> {
  const options = ["-i", at.host, "-p", `${at.port}`, "-u", login.username, "-P", login.password];
  const program = new Program(["microsocks", ...options]);
  await until("microsocks listens", async () => {
    (await Deno.connect({ hostname: at.host, port: at.port })).close();
    return true;
  });
  return program;
}
