import { assertEquals } from "@std/assert";
import { type MeasuredProgram, metricsOf } from "../../../src/http/metrics.ts";
import { Statistics } from "../../../src/proxy/statistics.ts";
import type { ProxyStatus } from "../../../src/proxy/status.ts";
import { statusFor, twoViews, viewsFrom } from "../../support/proxy_status.ts";
import { idOf, line, TableScene } from "../../support/views.ts";

const PROGRAM: MeasuredProgram = {
  about: { version: "1.2.3" },
  options: { captureLimitBytes: 1000, maxConnections: Infinity },
  certificates: [],
};

/** The samples of a metric, without its prefix. */
function samples(text: string, name: string): string[] {
  const prefix = `redis_cluster_nat_${name}`;
  return text.split("\n").filter((line) =>
    line.startsWith(`${prefix}{`) || line.startsWith(`${prefix} `)
  )
    .map((line) => line.slice(prefix.length));
}

Deno.test("a node is shown at its public port", () => {
  const lines = [
    "a 10.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-99",
    line("b", "10.0.0.2:7000", "slave"),
  ];
  const status = statusFor(lines, {
    views: viewsFrom(9000),
    discovery: { successes: 3, failures: 2, lastSuccessAtMs: undefined, problem: undefined },
    stateOf: ({ id }) => ({ status: id === idOf("b") ? "failed" : "up", sinceMs: 0 }),
  });
  const text = metricsOf(PROGRAM, status);
  assertEquals(samples(text, "node_up"), [
    '{port="9000",view="default"} 1',
    '{port="9001",view="default"} 0',
  ]);
  assertEquals(samples(text, "client_connections"), [
    '{port="9000",view="default"} 0',
    '{port="9001",view="default"} 0',
  ]);
  assertEquals(
    samples(text, "node_info")[1],
    `{port="9001",view="default",id="${idOf("b")}",` +
      'role="replica",address="10.0.0.2:7000"} 1',
  );
  assertEquals(samples(text, "nodes"), ['{role="primary"} 1', '{role="replica"} 1']);
  assertEquals(samples(text, "discovery_runs_total"), [
    '{result="success"} 3',
    '{result="failure"} 2',
  ]);
});

Deno.test("a node is shown at its public port in each view, with what was counted there", () => {
  const statistics = new Statistics();
  statistics.at({ view: "vpn", port: 7000 }).accepted = 3;
  const status = statusFor(["a 10.0.0.1:7000@17000 myself,master - 0 0 1 connected"], {
    views: twoViews(),
    reports: [{ thread: 1, lagMs: 0, statistics, problems: [] }],
  });
  const text = metricsOf(PROGRAM, status);
  assertEquals(samples(text, "node_up"), [
    '{port="8000",view="default"} 1',
    '{port="7000",view="vpn"} 1',
  ]);
  assertEquals(samples(text, "client_connections_accepted_total").sort(), [
    '{port="7000",view="vpn"} 3',
    '{port="8000",view="default"} 0',
  ]);
});

Deno.test("the sharing of ports is shown if ports are shared", () => {
  const names = ["up", "waiting_nodes", "corrections_total"];
  const shown = (sharedPorts: ProxyStatus["sharedPorts"]) => {
    const lines = ["a 10.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-99"];
    const text = metricsOf(PROGRAM, statusFor(lines, { sharedPorts }));
    return names.flatMap((name) => samples(text, `shared_ports_${name}`));
  };
  assertEquals(shown(undefined), []);
  assertEquals(shown({ problem: undefined, waiting: 0, corrections: 3 }), [" 1", " 0", " 3"]);
  assertEquals(shown({ problem: "no", waiting: 2, corrections: 0 }), [" 0", " 2", " 0"]);
});

Deno.test("before the proxy is created there are metrics of the program alone", () => {
  const text = metricsOf(PROGRAM, undefined);
  assertEquals(samples(text, "build_info"), [
    `{version="1.2.3",commit="",runtime="deno ${Deno.version.deno}"} 1`,
  ]);
  assertEquals(samples(text, "node_up"), []);
});

Deno.test("before the cluster has answered, the number of its slots is not known", () => {
  const status = statusFor([], { natTable: new TableScene().natTable });
  assertEquals(samples(metricsOf(PROGRAM, status), "slots_covered"), []);
});

Deno.test("of the certificates in one file, the first that expires counts", () => {
  const certificate = (source: string, validUntilMs: number) => ({
    name: "CN=a",
    file: { source, path: "a.crt" },
    validFromMs: 0,
    validUntilMs,
  });
  const certificates = [
    certificate("--tls-cert-file", 9000),
    certificate("--tls-cert-file", 2000),
    certificate("TLS_CA_CERT_FILE", 3000),
  ];
  const text = metricsOf({ ...PROGRAM, certificates }, undefined);
  assertEquals(samples(text, "tls_certificate_not_after_timestamp_seconds"), [
    '{option="--tls-cert-file"} 2',
    '{option="TLS_CA_CERT_FILE"} 3',
  ]);
});
