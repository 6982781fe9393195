import { assertEquals, assertThrows } from "@std/assert";
import { isInRanges, parseAddressRange } from "../../../src/platform/address_range.ts";

const RANGES: [range: string, inside: string[], outside: string[]][] = [
  ["10.0.0.0/8", ["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"], ["11.0.0.0", "::10.0.0.1"]],
  ["10.0.0.4/30", ["10.0.0.4", "10.0.0.7"], ["10.0.0.3", "10.0.0.8", "10.0.1.5"]],
  ["10.0.0.9", ["10.0.0.9"], ["10.0.0.8", "::a00:9"]],
  ["10.0.0.9/32", ["10.0.0.9", "::ffff:a00:9"], ["10.0.0.10"]],
  ["0.0.0.0/0", ["0.0.0.0", "255.255.255.255", "::ffff:1.2.3.4"], ["::1", "::"]],
  ["::/0", ["::", "2001:db8::1", "::1.2.3.4"], ["1.2.3.4", "::ffff:1.2.3.4"]],
  ["2001:db8::/33", ["2001:DB8:7fff::", "2001:db8::1"], ["2001:db8:8000::", "2001:db9::"]],
  ["::1", ["::1", "0:0::1"], ["::", "127.0.0.1"]],
  ["::ffff:10.0.0.0/104", ["10.9.9.9", "::ffff:10.0.0.1"], ["11.0.0.0"]],
  ["::ffff:10.0.0.9", ["10.0.0.9"], ["10.0.0.8"]],
];

for (const [text, inside, outside] of RANGES) {
  Deno.test(`the range ${text} has its addresses and no others`, () => {
    const ranges = [parseAddressRange(text)];
    for (const host of inside) assertEquals(isInRanges(host, ranges), true, host);
    for (const host of outside) assertEquals(isInRanges(host, ranges), false, host);
    const others = [...ranges, parseAddressRange("192.0.2.1")];
    assertEquals(isInRanges("192.0.2.1", others), true);
    assertEquals(isInRanges(inside[0]!, others), true);
  });
}

Deno.test("an address is in each range that begins with its bits", () => {
  for (const host of ["172.19.85.170", "2001:db8:1:8234:5555:aaaa:1:ffff"]) {
    const width = host.includes(":") ? 128 : 32;
    for (let bits = 0; bits <= width; bits++) {
      // The message names the first address of the range.
      let text = `${host}/${bits}`;
      try {
        parseAddressRange(text);
      } catch (error) {
        text = (error as Error).message.split(" ").at(-1)!;
      }
      assertEquals(isInRanges(host, [parseAddressRange(text)]), true, text);
    }
  }
});

Deno.test("what is no range is refused", () => {
  const notAddresses = ["", "10.0.0.0/", "10.0.0", "10.0.0.0/8/8", "a", "10.0.0.0/-1", "[::1]/128"];
  for (const text of [...notAddresses, "10.0.0.0 /8", "010.0.0.1", "fe80::1%lo"]) {
    assertThrows(
      () => parseAddressRange(text),
      SyntaxError,
      "It is no IP address, with or without /BITS",
    );
  }
  const others: [text: string, message: string][] = [
    ["10.0.0.0/33", "The number after / is more than 32"],
    ["::/129", "The number after / is more than 128"],
    ["10.0.0.1/8", "The range begins earlier than its address: write 10.0.0.0/8"],
    ["2001:db8::1/64", "The range begins earlier than its address: write 2001:db8::/64"],
    ["10.0.0.1/0", "The range begins earlier than its address: write 0.0.0.0/0"],
  ];
  for (const [text, message] of others) {
    assertThrows(() => parseAddressRange(text), SyntaxError, message);
  }
});
