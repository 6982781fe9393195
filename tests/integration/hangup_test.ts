import { assertEquals } from "@std/assert";
import { NatProcess } from "../support/nat_process.ts";
import { withTls } from "../support/tls.ts";
import { TlsDirectory } from "../support/tls_directory.ts";
import { unless } from "../support/unless.ts";

/** Nothing listens there, so the program waits. */
const WAITING = ["--cluster-addr=127.0.0.1:1", "--start-timeout=0", "--public-host=127.0.0.1"];

Deno.test({
  name: "SIGHUP reads the files of TLS at once",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using directory = await TlsDirectory.create("one", "two");
    await using nat = new NatProcess([
      ...WAITING,
      `--tls-cert-file=${directory.at("one.crt")}`,
      `--tls-key-file=${directory.at("one.key")}`,
    ]);
    await nat.untilLogged(/Waiting for the cluster/);
    nat.signal("SIGHUP");
    await nat.untilLogged(/INFO .*The files of --tls-cert-file, --tls-key-file have not changed/);
    Deno.renameSync(directory.at("two.crt"), directory.at("one.crt"));
    nat.signal("SIGHUP");
    await nat.untilLogged(/WARN .*Cannot use --tls-key-file .*; the previous certificates stay/);
    Deno.renameSync(directory.at("two.key"), directory.at("one.key"));
    await nat.untilLogged(/INFO .*New connections use the changed files of --tls-cert-file, --tls/);
    nat.signal("SIGTERM");
    assertEquals((await nat.ended()).code, 0);
  },
});

/** Flags without files of TLS, and what SIGHUP does with them. */
const HARMLESS: [flags: string[], logged: RegExp][] = [
  [[], /INFO .*Received SIGHUP; there are no files of TLS or public ports to read/],
  [["--cluster-tls"], /INFO .*Received SIGHUP; there are no files of TLS or public ports to read/],
  [["--public-ports-file=none"], /WARN .*Cannot read the file of --public-ports-file: /],
];

const HAS_FILES = withTls("either", "there are files");

Deno.test(unless(
  Deno.build.os === "windows" ? "Windows has no SIGHUP" : HAS_FILES,
  "SIGHUP is harmless without files of TLS",
  async () => {
    for (const [flags, logged] of HARMLESS) {
      await using nat = new NatProcess([...WAITING, ...flags]);
      await nat.untilLogged(/Waiting for the cluster/);
      nat.signal("SIGHUP");
      await nat.untilLogged(logged);
      nat.signal("SIGTERM");
      assertEquals((await nat.ended()).code, 0);
    }
  },
));

/** Starts a program on a terminal of its own; its stderr is that of script(1) all the same. */
const ON_TERMINAL = [
  ...["sh", "-c", 'WORDS="$*" exec script --quiet --command "$COMMAND" /dev/null 3>&2', "sh"],
];

Deno.test(unless(
  Deno.build.os === "linux" ? HAS_FILES : "only Linux has this script(1)",
  "the program ends when its terminal is gone, but not at another SIGHUP",
  async () => {
    const env = { COMMAND: "echo Process $$ >&3; exec $WORDS 2>&3" };
    await using nat = new NatProcess(WAITING, { before: ON_TERMINAL, env });
    await nat.untilLogged(/Waiting for the cluster/);
    const [, pid] = await nat.untilLogged(/^Process (\d+)$/m);
    Deno.kill(Number(pid), "SIGHUP");
    await nat.untilLogged(/Received SIGHUP; there are no files of TLS or public ports to read/);
    nat.signal("SIGKILL");
    try {
      // It has the same stderr, so that ends with it.
      const { stderr } = await nat.ended();
      assertEquals(stderr.match(/Received SIGHUP/g)?.length, 1, stderr);
    } catch (error) {
      Deno.kill(Number(pid), "SIGKILL");
      throw error;
    }
  },
));
