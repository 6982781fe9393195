import { assert } from "@std/assert";
import { StatusServer } from "../../../src/http/status_server.ts";
import { listen } from "../../../src/platform/net.ts";
import { PROGRAM, statusWith } from "../../support/shown_program.ts";

Deno.test("the page and the metrics are not made again for each who asks", async (t) => {
  let made = 0;
  const listener = listen("127.0.0.1", 0);
  const server = new StatusServer("127.0.0.1", [listener], {
    ...PROGRAM,
    get certificates() {
      made++;
      return [];
    },
    proxy: {
      map: "",
      whyNotReady: () => Promise.resolve(undefined),
      status: () => Promise.resolve(statusWith()),
    },
  });
  try {
    for (const path of ["/", "/metrics"]) {
      await t.step(path, async () => {
        made = 0;
        const url = `http://127.0.0.1:${listener.addr.port}${path}`;
        const clients = Array.from({ length: 10 }, async () => await (await fetch(url)).text());
        await Promise.all(clients);
        assert(made < clients.length, `made ${made} times`);
      });
    }
  } finally {
    await server.close();
  }
});
