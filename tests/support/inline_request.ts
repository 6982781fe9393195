/** `sdsnsplitargs` of Valkey 9.1 (sds.c), translated. */
export function valkeySplit(line: string): string[] | undefined {
  const args: string[] = [];
  let p = 0;
  for (;;) {
    while (p < line.length && isspace(line[p]!)) p++;
    if (p >= line.length) return args;
    let inq = false, insq = false, done = false;
    let current = "";
    while (!done) {
      const char = line[p]!;
      const next = line[p + 1]!;
      if (inq) {
        if (p + 4 < line.length && HEX.test(line.slice(p, p + 4))) {
          current += String.fromCharCode(parseInt(line.slice(p + 2, p + 4), 16));
          p += 3;
        } else if (p + 2 < line.length && char === "\\") {
          current += unescaped(next);
          p++;
        } else if (char === '"') inq = false;
        else current += char;
      } else if (insq) {
        if (p + 2 < line.length && char === "\\" && next === "'") {
          current += "'";
          p++;
        } else if (char === "'") insq = false;
        else current += char;
      } else if (" \n\r\t".includes(char)) done = true;
      else if (char === '"') inq = true;
      else if (char === "'") insq = true;
      else current += char;
      p++;
      if (p >= line.length) {
        if (inq || insq) return undefined;
        done = true;
      }
    }
    args.push(current);
  }
}

/** `sdssplitargs` of Redis and of Valkey up to 8.1 (sds.c), with its two kinds of quotes in one. */
export function redisSplit(text: string): string[] | undefined {
  const line = `${text}\0`;
  const args: string[] = [];
  let p = 0;
  for (;;) {
    while (isspace(line[p]!)) p++;
    if (line[p] === "\0") return args;
    let inq = false, insq = false, done = false;
    let current = "";
    while (!done) {
      const char = line[p]!;
      const next = line[p + 1]!;
      if ((inq || insq) && char === (inq ? '"' : "'")) {
        if (next !== "\0" && !isspace(next)) return undefined;
        done = true;
      } else if ((inq || insq) && char === "\0") return undefined;
      else if (inq && HEX.test(line.slice(p, p + 4))) {
        current += String.fromCharCode(parseInt(line.slice(p + 2, p + 4), 16));
        p += 3;
      } else if (inq && char === "\\" && next !== "\0") {
        p++;
        current += unescaped(next);
      } else if (insq && char === "\\" && next === "'") {
        p++;
        current += "'";
      } else if (inq || insq) current += char;
      else if (" \n\r\t\0".includes(char)) done = true;
      else if (char === '"') inq = true;
      else if (char === "'") insq = true;
      else current += char;
      if (line[p] !== "\0") p++;
    }
    args.push(current);
  }
}

const HEX = /^\\x[0-9a-fA-F]{2}$/;

function unescaped(char: string): string {
  const index = "nrtba".indexOf(char);
  return index < 0 ? char : "\n\r\t\b\x07"[index]!;
}

function isspace(char: string): boolean {
  return " \t\n\v\f\r".includes(char);
}
