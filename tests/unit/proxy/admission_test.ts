import { assertEquals } from "@std/assert";
import { parseAddressRange } from "../../../src/platform/address_range.ts";
import { LogThrottle } from "../../../src/platform/log_throttle.ts";
import type { TcpConnection } from "../../../src/platform/net.ts";
import { Admission } from "../../../src/proxy/admission.ts";
import { Balancers } from "../../../src/proxy/balancers.ts";
import { SharedCounters } from "../../../src/proxy/counters.ts";
import { Statistics } from "../../../src/proxy/statistics.ts";
import { toLatin1 } from "../../../src/resp/bytes.ts";
import { Logged } from "../../support/logged.ts";

/** A connection that was accepted from a host, and what is written to it. */
class Accepted {
  readonly localAddr: Deno.NetAddr = { transport: "tcp", hostname: "10.0.0.1", port: 8000 };
  readonly remoteAddr: Deno.NetAddr;
  written = "";
  readonly closed = Promise.withResolvers<void>();

  constructor(hostname: string) {
    this.remoteAddr = { transport: "tcp", hostname, port: 40000 };
  }

  write(bytes: Uint8Array): Promise<number> {
    this.written += toLatin1(bytes);
    return Promise.resolve(bytes.length);
  }

  close(): void {
    this.closed.resolve();
  }
}

const TOO_MANY = "-ERR max number of clients reached\r\n";

const BALANCER = "10.0.0.7";
const OTHER = "192.0.2.1";

Deno.test("refused connections are closed and do not count", async () => {
  using _logged = new Logged();
  const options = { versions: "any" as const, from: [parseAddressRange(BALANCER)] };
  const balancers = new Balancers(options, new LogThrottle());
  const [counters, statistics] = [new SharedCounters(), new Statistics()];
  const admission = new Admission({ balancers, maxConnections: 1 }, counters, statistics);
  const admit = async (host: string, speaksTls = false) => {
    const client = new Accepted(host);
    const isAdmitted = admission.admit(client as unknown as TcpConnection, speaksTls);
    if (!isAdmitted) await client.closed.promise;
    return [isAdmitted, client.written, counters.sessions.value];
  };
  assertEquals(await admit(OTHER), [false, "", 0]);
  assertEquals(await admit(BALANCER), [true, "", 1]);
  assertEquals(await admit(BALANCER), [false, TOO_MANY, 1]);
  assertEquals(await admit(BALANCER, true), [false, "", 1]);
  assertEquals(await admit(OTHER), [false, "", 1]);
  admission.release();
  assertEquals(await admit(BALANCER), [true, "", 1]);
  assertEquals(statistics.refused, { max_connections: 2, not_from_balancer: 2 });
});
