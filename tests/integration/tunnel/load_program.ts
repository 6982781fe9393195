import { IoredisClient } from "../clients/ioredis.ts";
import { Load } from "../../live/load.ts";

/**
 * `load_program.ts HOST PORT` writes through an address with ioredis until SIGTERM. Prints "flows"
 * or "stalls" ten times a second: whether every writer had a write acknowledged in the last second.
 */
const [host, port] = Deno.args;
const stopped = new Promise<void>((resolve) => Deno.addSignalListener("SIGTERM", resolve));
const options = { host: host!, port: Number(port), protocol: 3, throughOutages: true } as const;
const client = await IoredisClient.connect(options);
const load = new Load("ioredis", client);
const timer = setInterval(() => {
  console.log(load.flowsSince(performance.now() - 1000) ? "flows" : "stalls");
}, 100);
await stopped;
clearInterval(timer);
await load.stop();
console.log(`${load.hung.length} writes without an answer`);
client.leave();
