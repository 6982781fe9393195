import { assertEquals } from "@std/assert";
import { slotOfKey } from "../../../src/cluster/key_slot.ts";

// The slots are those of CLUSTER KEYSLOT.
const SLOTS: Record<string, number> = {
  "": 0,
  "123456789": 0x31c3,
  "lima": 4843,
  "oslo": 8042,
  "{oslo}": 8042,
  "x{oslo}y{lima}": 8042,
  "x{oslo}}": 8042,
  "{}{oslo}": 12638,
  "ä": 13929,
};

for (const [key, slot] of Object.entries(SLOTS)) {
  Deno.test(`the slot of the key '${key}'`, () => {
    assertEquals(slotOfKey(key), slot);
  });
}
