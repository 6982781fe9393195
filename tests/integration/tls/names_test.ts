import { assertEquals } from "@std/assert";
import { RedisCluster } from "../../support/cluster.ts";
import { NatProcess } from "../../support/nat_process.ts";
import { findFreePorts } from "../../support/ports.ts";
import { WireClient } from "../../support/wire.ts";
import { TlsDirectory } from "../../support/tls_directory.ts";

/** Nodes that announce their IP address and a host name, under a certificate for `names`. */
async function startNamed(directory: TlsDirectory, names: readonly string[]) {
  directory.issue("nodes", { names });
  const first = findFreePorts(4);
  return await RedisCluster.start({
    replicasEach: 0,
    primaries: 2,
    tls: "both",
    // The address of the name by which the proxy reaches them first.
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
    },
    directivesOf: (index) => ({ "cluster-announce-hostname": `n${index}.nodes.example` }),
  });
}

const NAMES: Record<string, string[]> = {
  "the host names": ["localhost", "*.nodes.example"],
  "the address": ["127.0.0.1"],
};

for (const [what, names] of Object.entries(NAMES)) {
  Deno.test(`nodes may show a certificate for ${what} by which they are known`, async () => {
    await using directory = await TlsDirectory.create();
    await using cluster = await startNamed(directory, names);
    await using nat = await NatProcess.serve(
      { host: "localhost", port: cluster.nodes[0]!.tlsPort! },
      ["--cluster-tls", `--cluster-tls-ca-cert-file=${directory.at("ca.crt")}`],
    );
    for (const { host, tlsPort } of cluster.nodes) {
      using client = await WireClient.connect("127.0.0.1", nat.portOf({ host, port: tlsPort! }));
      assertEquals(await client.ask("PING"), { type: "+", text: "PONG" });
    }
  });
}
