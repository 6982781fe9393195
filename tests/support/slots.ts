/** The slot of a key without a hash tag (CRC16-CCITT in its XMODEM variant, modulo 16384). */
export function slotOf(key: string): number {
  let crc = 0;
  for (const byte of new TextEncoder().encode(key)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : crc << 1 ^ 0x1021;
    crc &= 0xffff;
  }
  return crc % 16384;
}
