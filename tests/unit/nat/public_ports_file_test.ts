import { assertEquals, assertThrows } from "@std/assert";
import { parsePublicPorts } from "../../../src/nat/public_ports_file.ts";
import { OptionFileError } from "../../../src/platform/files_watcher.ts";

const FILE = { path: "/data/ports", source: "--public-ports-file" };

/** Texts of the file, and the ports in it as `LISTEN>PUBLIC`. */
const VALID: Record<string, string> = {
  "8000 31000\n": "8000>31000",
  "8000 31000\n8001 443\n": "8000>31000 8001>443",
  "# LISTEN PUBLIC\n\n8001\t31001   # the second\r\n  08000  1  \n#\n": "8001>31001 8000>1",
  "8000 8001\n8001 8000\n": "8000>8001 8001>8000",
  "1 65535\n65535 1\n": "1>65535 65535>1",
};

for (const [text, ports] of Object.entries(VALID)) {
  Deno.test(`the public ports in ${JSON.stringify(text)} are ${ports}`, () => {
    for (const isSettled of [true, false]) {
      const parsed = parsePublicPorts(FILE, text, isSettled);
      assertEquals(parsed.map((port) => `${port.listen}>${port.public}`).join(" "), ports);
    }
  });
}

const EXPECTED = "expected the port of a listener and its public port, such as 8000 31000";

/** Texts that cannot be used, and why. */
const INVALID: Record<string, string> = {
  "": `it has no line yet; ${EXPECTED}`,
  "\n# nothing\n": `it has no line yet; ${EXPECTED}`,
  "8000 31000\n8001\n": `line 2 has another form; ${EXPECTED}`,
  "8000:31000\n": `line 1 has another form; ${EXPECTED}`,
  "\n8000 31000 31001\n": `line 2 has another form; ${EXPECTED}`,
  "8000 0.0.0.0:31000\n": `line 1 has another form; ${EXPECTED}`,
  "8000 -1\n": `line 1 has another form; ${EXPECTED}`,
  "8000 310000\n": `line 1 has another form; ${EXPECTED}`,
  '{"8000": 31000}\n': `line 1 has another form; ${EXPECTED}`,
  "8000 0\n": `a port in line 1 is not from 1 to 65535; ${EXPECTED}`,
  "0 31000\n": `a port in line 1 is not from 1 to 65535; ${EXPECTED}`,
  "8000 65536\n": `a port in line 1 is not from 1 to 65535; ${EXPECTED}`,
  "8000 31000\n\n8000 31001\n": "lines 1 and 3 have the same listener; expected each once",
  "8000 31000\n8001 31000\n": "lines 1 and 2 have the same public port; expected each once",
};

for (const [text, reason] of Object.entries(INVALID)) {
  Deno.test(`a file of public ports with ${JSON.stringify(text)} is refused`, () => {
    const error = assertThrows(() => parsePublicPorts(FILE, text, true), OptionFileError);
    assertEquals(
      error.message,
      `Cannot use the file of --public-ports-file '/data/ports': ${reason}`,
    );
  });
}

Deno.test("a last line without a line break counts once the file does not change any more", () => {
  const text = "8000 31000\n8001 310";
  const error = assertThrows(() => parsePublicPorts(FILE, text, false), OptionFileError);
  const reason = "its last line has no line break, so it may be half written";
  assertEquals(
    error.message,
    `Cannot use the file of --public-ports-file '/data/ports': ${reason}`,
  );
  assertEquals(parsePublicPorts(FILE, text, true).at(-1), { listen: 8001, public: 310 });
});
