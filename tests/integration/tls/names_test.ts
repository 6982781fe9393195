import { assertEquals } from "@std/assert";
import { RedisCluster } from "../../support/cluster.ts";
import { NatProcess } from "../../support/nat_process.ts";
import { findFreePorts } from "../../support/ports.ts";
import { WireClient } from "../../support/wire.ts";
import { TlsDirectory } from "../../support/tls_directory.ts";

/** What nodes announce beside their address, and the names in their certificate. */
const CASES: Record<string, { hostname?: string; names: string[] }> = {
  "the name in --cluster-addr": { names: ["localhost"] },
  "the host name that they announce": {
    hostname: "nodes.example",
    // The proxy reaches them first by the other name.
    names: ["localhost", "nodes.example"],
  },
  "their address": { hostname: "nodes.example", names: ["127.0.0.1"] },
};

for (const [what, { hostname, names }] of Object.entries(CASES)) {
  Deno.test(`nodes may show a certificate for ${what}`, async () => {
    await using directory = await TlsDirectory.create();
    directory.issue("nodes", { names });
    const first = findFreePorts(4);
    await using cluster = await RedisCluster.start({
      primaries: 2,
      replicasEach: 0,
      tls: "both",
      // The address of localhost.
      places: [0, 1].map((index) => ({
        host: "127.0.0.1",
        port: first + index,
        tlsPort: first + 2 + index,
      })),
      directives: {
        "tls-ca-cert-file": directory.at("ca.crt"),
        "tls-cert-file": directory.at("nodes.crt"),
        "tls-key-file": directory.at("nodes.key"),
        "tls-auth-clients": "no",
        ...hostname !== undefined && { "cluster-announce-hostname": hostname },
      },
    });
    const ports = cluster.nodes.map(({ tlsPort }) => tlsPort!);
    await using nat = await new NatProcess([
      `--cluster-addr=${ports.map((port) => `localhost:${port}`).join(",")}`,
      "--listen-addr=127.0.0.1:0",
      "--cluster-tls",
      `--cluster-tls-ca-cert-file=${directory.at("ca.crt")}`,
    ]).ready();
    for (const port of ports) {
      using client = await WireClient.connect("127.0.0.1", nat.portOf({ host: "127.0.0.1", port }));
      assertEquals(await client.ask("PING"), { type: "+", text: "PONG" });
    }
  });
}
