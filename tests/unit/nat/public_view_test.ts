import { assertEquals } from "@std/assert";
import { createViews, PublicView, type PublicViewOptions } from "../../../src/nat/public_view.ts";

const PLAIN: PublicViewOptions = {
  name: "default",
  listen: { host: "", port: 8000 },
  publicHost: "nat.example",
};

/** Ports of rows, and of the listener and the public port of each in a view. */
const PORTS: Record<string, [options: Partial<PublicViewOptions>, ports: string]> = {
  "the ports of the listeners are public": [{}, "8000=8000:8000 8063=8063:8063 9000=9000:9000"],
  "public ports are in step with the first": [
    { firstPublicPort: 31000 },
    "8000=8000:31000 8063=8063:31063 9000=9000:32000",
  ],
  "a lower first public port": [{ firstPublicPort: 1 }, "8000=8000:1 8001=8001:2"],
  "a listed public port is not in step": [
    { publicPorts: [{ listen: 8001, public: 443 }, { listen: 8002, public: 8004 }] },
    "8000=8000:8000 8001=8001:443 8002=8002:8004 8003=8003:8003",
  ],
  "a listed port beside a first one": [
    { firstPublicPort: 18000, publicPorts: [{ listen: 8001, public: 443 }] },
    "8000=8000:18000 8001=8001:443 8002=8002:18002",
  ],
  "a row without a port has none": [{ firstPublicPort: 31000 }, "0=0:0"],
};

/** Each row's port with those of a view, in the form of `PORTS`. */
function portsOf(view: PublicView, rows: readonly number[]): string {
  return rows.map((row) => `${row}=${view.listenPort(row)}:${view.publicPort(row)}`).join(" ");
}

function rowsOf(ports: string): number[] {
  return ports.split(" ").map((port) => parseInt(port));
}

function assertInverse(view: PublicView, rows: readonly number[]): void {
  for (const row of rows.filter((row) => row > 0)) {
    assertEquals(view.rowAtListener(view.listenPort(row)), row);
    assertEquals(view.rowAtPublic(view.publicPort(row)!), row);
  }
}

for (const [name, [options, ports]] of Object.entries(PORTS)) {
  Deno.test(name, () => {
    const view = new PublicView({ ...PLAIN, ...options });
    assertEquals(portsOf(view, rowsOf(ports)), ports);
    assertInverse(view, rowsOf(ports));
  });
}

Deno.test("a view that awaits public ports has those that are listed, and no others", () => {
  const view = new PublicView({ ...PLAIN, firstPublicPort: 31000, awaitsPublicPorts: true });
  const rows = [0, 8000, 8001, 8002];
  assertEquals(
    portsOf(view, rows),
    "0=0:0 8000=8000:undefined 8001=8001:undefined 8002=8002:undefined",
  );
  assertEquals([8000, 31000].map((port) => view.rowAtPublic(port)), [undefined, undefined]);
  for (const [first, second] of [[31007, 8002], [8002, 31007]] as const) {
    const ports = [{ listen: 8000, public: first }, { listen: 8001, public: second }];
    view.updatePublicPorts(ports);
    assertEquals(view.listedPorts, ports);
    assertEquals(
      portsOf(view, rows),
      `0=0:0 8000=8000:${first} 8001=8001:${second} 8002=8002:undefined`,
    );
    assertInverse(view, [8000, 8001]);
    assertEquals(
      [8000, 8001, 31000].map((port) => view.rowAtPublic(port)),
      Array(3).fill(undefined),
    );
  }
});

Deno.test("the listeners of another view are at a fixed distance", () => {
  const [first, second] = createViews({
    ...PLAIN,
    firstPublicPort: 31000,
    publicPorts: [{ listen: 8001, public: 443 }],
    otherViews: [{
      name: "outside",
      listen: { host: "", port: 7500 },
      publicHost: undefined,
      firstPublicPort: 41000,
    }],
  });
  const ports = "8000=7500:41000 8001=7501:41001 9000=8500:42000";
  assertEquals(portsOf(second!, rowsOf(ports)), ports);
  assertInverse(second!, rowsOf(ports));
  assertEquals(portsOf(first, [8000, 8001]), "8000=8000:31000 8001=8001:443");
  assertEquals([first, second!].map(({ name }) => name), ["default", "outside"]);
});

Deno.test("the port that a listed one would have in step belongs to no listener", () => {
  const publicPorts = [{ listen: 8001, public: 443 }];
  assertEquals(new PublicView({ ...PLAIN, publicPorts }).rowAtPublic(8001), undefined);
});
