import { assert, assertEquals, assertRejects } from "@std/assert";
import { parseHostPort } from "../../src/platform/address.ts";
import { type NodeDialer, OwnAddressError } from "../../src/cluster/node_dialer.ts";
import type { NatEntry } from "../../src/nat/nat_table.ts";
import { isLocalAddress } from "../../src/platform/net.ts";
import { dialerWith } from "../support/dialer.ts";

/** An address of this machine that is not loopback, if it has one. */
const MACHINE = Deno.networkInterfaces()
  .filter(({ address, family }) => family === "IPv4" && !address.startsWith("127."))
  .slice(0, 1).map(({ address }) => `${address}:8000`);

const NAMES: Record<string, string[]> = {
  "nat.example": ["198.51.100.7"],
  "inside.example": ["198.51.100.99", "127.0.0.1"],
};

/** A proxy with port 8000 only: listen host, public host, its own addresses, and others. */
const PROXIES: [listen: string, publicHost: string, own: string[], others: string[]][] = [
  [
    "",
    "198.51.100.7",
    [
      ...["127.0.0.1:8000", "127.5.5.5:8000", "[::1]:8000", "inside.example:8000"],
      ...["198.51.100.7:8000", ...MACHINE],
    ],
    ["127.0.0.1:8001", "192.0.2.7:8000", "198.51.100.7:7000", "unknown.example:8000"],
  ],
  [
    "127.0.0.1",
    "127.0.0.1",
    ["127.0.0.1:8000", "inside.example:8000"],
    ["127.0.0.2:8000", "[::1]:8000", ...MACHINE],
  ],
  ["localhost", "127.0.0.1", ["127.0.0.1:8000", "[::1]:8000"], ["127.0.0.2:8000"]],
  ["inside.example", "127.0.0.1", ["127.0.0.1:8000"], ["127.0.0.2:8000"]],
  // Inside the network, the public name may be another proxy's; a public address is not.
  ["127.0.0.1", "nat.example", ["198.51.100.7:8000"], ["nat.example:8000"]],
  // No gateway forwards loopback addresses.
  ["127.0.0.2", "127.0.0.1", ["127.0.0.2:8000"], ["127.0.0.1:8000"]],
];

/** Checks which addresses are the proxy's own, and that these are not dialled. */
async function assertOwn(
  dialer: NodeDialer,
  own: readonly string[],
  others: readonly string[],
): Promise<void> {
  for (const address of others) {
    assertEquals(await dialer.isOwn(parseHostPort(address)), false, address);
  }
  for (const address of own) {
    assertEquals(await dialer.isOwn(parseHostPort(address)), true, address);
    await assertRejects(
      () => dialer.dial(parseHostPort(address), new AbortController()),
      OwnAddressError,
      `${address} is a port of this proxy; check cluster-announce-ip`,
    );
  }
}

for (const [host, publicHost, own, others] of PROXIES) {
  Deno.test(`the own addresses of a proxy that listens at '${host}' and is public as ${publicHost}`, async () => {
    const dialer = dialerWith(
      { listen: { host, port: 8000 }, publicHost },
      { atPort: (port) => port === 8000 ? {} as NatEntry : undefined },
      (host) => Promise.resolve(NAMES[host] ?? []),
    );
    await assertOwn(dialer, own, others);
  });
}

Deno.test("a public port belongs to the public host, that of a listener to the machine", async () => {
  const dialer = dialerWith(
    {
      listen: { host: "127.0.0.1", port: 8000 },
      publicHost: "198.51.100.7",
      firstPublicPort: 31000,
      otherViews: [{
        name: "inside",
        listen: { host: "127.0.0.2", port: 9000 },
        publicHost: "198.51.100.8",
      }],
    },
    { atPort: (port) => port === 8000 ? {} as NatEntry : undefined },
  );
  const own = ["127.0.0.1:8000", "198.51.100.7:31000", "127.0.0.2:9000", "198.51.100.8:9000"];
  const others = ["127.0.0.1:31000", "198.51.100.7:8000", "127.0.0.1:9000", "198.51.100.8:8000"];
  await assertOwn(dialer, own, others);
});

Deno.test("an address that is dialled at a port of the proxy is its own", async () => {
  const dialer = dialerWith(
    {
      listen: { host: "127.0.0.1", port: 8000 },
      publicHost: "198.51.100.7",
      dialMap: [{ node: { host: "10.0.0.5" }, dialled: { host: "127.0.0.1", port: 8000 } }],
    },
    { atPort: (port) => port === 8000 ? {} as NatEntry : undefined },
  );
  await assertOwn(dialer, ["10.0.0.5:7000", "127.0.0.1:8000"], ["10.0.0.6:7000"]);
});

Deno.test("the public IP address of a proxy is its own, whatever its public name resolves to", async () => {
  const dialer = dialerWith(
    { listen: { host: "127.0.0.1", port: 8000 }, publicHost: "nat.example", publicIp: "192.0.2.8" },
    { atPort: (port) => port === 8000 ? {} as NatEntry : undefined },
    (host) => Promise.resolve(NAMES[host] ?? []),
  );
  const own = ["192.0.2.8:8000", "198.51.100.7:8000"];
  await assertOwn(dialer, own, ["192.0.2.8:8001", "192.0.2.9:8000"]);
});

Deno.test("the addresses of this machine are distinguished from others", () => {
  for (const { address } of Deno.networkInterfaces()) {
    if (!address.startsWith("fe80:")) assertEquals(isLocalAddress(address), true, address);
  }
  for (const address of ["192.0.2.7", "8.8.8.8", "2001:db8::1"]) {
    assertEquals(isLocalAddress(address), false, address);
  }
});

/** A dialer at a public name, every lookup of which has this result; `looked` lists the lookups. */
function publicDialer(found: Promise<string[]>): { dialer: NodeDialer; looked: string[] } {
  const looked: string[] = [];
  const dialer = dialerWith(
    { listen: { host: "", port: 8000 }, publicHost: "nat.example" },
    { atPort: () => ({}) as NatEntry },
    (host) => {
      looked.push(host);
      return found;
    },
  );
  return { dialer, looked };
}

Deno.test("a public name that does not resolve is looked up once, with a short wait", async () => {
  const { dialer, looked } = publicDialer(new Promise(() => {}));
  const startMs = performance.now();
  for (let times = 0; times < 2; times++) {
    assertEquals(await dialer.isOwn({ host: "192.0.2.7", port: 8000 }), false);
  }
  assertEquals(looked, ["nat.example"]);
  assert(performance.now() - startMs < 1500);
});

/** Counts listening sockets, or refuses them as if no file descriptor were left. */
function watchListening(refuse = () => false): Disposable & { readonly count: number } {
  const { listen } = Deno;
  let count = 0;
  const watched = (options: Deno.TcpListenOptions) => {
    count++;
    if (refuse()) throw new Error("Too many open files (os error 24)");
    return listen(options);
  };
  Object.assign(Deno, { listen: watched });
  return {
    get count() {
      return count;
    },
    [Symbol.dispose]: () => Object.assign(Deno, { listen }),
  };
}

Deno.test("all clients of a host share one check of whether it is the proxy", async () => {
  const { dialer, looked } = publicDialer(Promise.resolve(["192.0.2.7"]));
  using listening = watchListening();
  const hosts = ["192.0.2.7", "node.example"];
  for (let times = 0; times < 3; times++) {
    const own = await Promise.all(hosts.map((host) => dialer.isOwn({ host, port: 8000 })));
    assertEquals(own, [true, false]);
  }
  assertEquals([looked.toSorted(), listening.count], [["nat.example", "node.example"], 2]);
});

Deno.test("a check that had no file descriptor is repeated", async () => {
  const dialer = dialerWith(
    { listen: { host: "", port: 8000 }, publicHost: "127.0.0.1" },
    { atPort: () => ({}) as NatEntry },
  );
  let isExhausted = true;
  using _listening = watchListening(() => isExhausted);
  const address = { host: "192.0.2.7", port: 8000 };
  await assertRejects(() => dialer.isOwn(address), Error, "Too many open files");
  isExhausted = false;
  assertEquals(await dialer.isOwn(address), false);
});
