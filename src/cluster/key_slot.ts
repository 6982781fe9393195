import { SLOT_COUNT } from "./node.ts";

/** The polynomial of CRC16-CCITT in its XMODEM variant (cluster specification, appendix A). */
const POLYNOMIAL = 0x1021;

/** The hash slot of a key. If the key has a hash tag in braces, only that counts. */
export function slotOfKey(key: string): number {
  const hashed = /^[^{]*\{([^}]+)\}/s.exec(key)?.[1] ?? key;
  let crc = 0;
  for (const byte of new TextEncoder().encode(hashed)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) {
      crc = (crc & 0x8000) === 0 ? crc << 1 : crc << 1 ^ POLYNOMIAL;
    }
    crc &= 0xffff;
  }
  return crc % SLOT_COUNT;
}
