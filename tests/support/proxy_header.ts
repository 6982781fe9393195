/** A header of the PROXY protocol, version 2, as text with one character for each byte. */
export function v2Header(versionAndCommand: number, type: number, following: string): string {
  const { length } = following;
  const fields = [versionAndCommand, type, length >> 8, length & 0xff];
  return `\r\n\r\n\0\r\nQUIT\n${String.fromCharCode(...fields)}${following}`;
}
