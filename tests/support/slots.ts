export { slotOfKey as slotOf } from "../../src/cluster/key_slot.ts";
