import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { checkReplaceable, replaceFile } from "../../src/platform/atomic_file.ts";
import { TemporaryDirectory } from "../support/temporary.ts";

Deno.test("a missing file is created, readable by all", async () => {
  await using directory = await TemporaryDirectory.create();
  const path = directory.at("state.json");
  await replaceFile(path, "new\n");
  assertEquals(await directory.read(), { "state.json": "new\n" });
  assertEquals((await Deno.stat(path)).mode! & 0o777, 0o644 & ~Deno.umask());
});

for (const mode of [0o444, 0o600, 0o666, 0o755]) {
  Deno.test(`a file of mode ${mode.toString(8)} keeps it`, async () => {
    await using directory = await TemporaryDirectory.create();
    const path = directory.at("state.json");
    await Deno.writeTextFile(path, "old, and longer\n");
    await Deno.chmod(path, mode);
    await replaceFile(path, "new\n");
    assertEquals(await directory.read(), { "state.json": "new\n" });
    assertEquals((await Deno.stat(path)).mode! & 0o777, mode);
  });
}

Deno.test("checkReplaceable changes nothing, and fails where replaceFile would", async () => {
  await using directory = await TemporaryDirectory.create();
  const path = directory.at("state.json");
  await checkReplaceable(path, "new\n");
  assertEquals(await directory.read(), {});
  await Deno.writeTextFile(path, "old\n");
  await checkReplaceable(path, "new\n");
  assertEquals(await directory.read(), { "state.json": "old\n" });
  for (const nowhere of [directory.at("nowhere/state.json"), directory.at(""), "/dev/null"]) {
    const { message } = await assertRejects(() => checkReplaceable(nowhere, "new\n"), Error);
    const act = await assertRejects(() => replaceFile(nowhere, "new\n"), Error);
    const withoutIds = (text: string) => text.replaceAll(/\.[\da-f-]{36}/g, "");
    assertEquals(withoutIds(message), withoutIds(act.message));
  }
});

for (const text of ["", "ä\u0000😀\r\n", "x".repeat(5_000_000)]) {
  Deno.test(`a text of ${text.length} characters is written unchanged`, async () => {
    await using directory = await TemporaryDirectory.create();
    await replaceFile(directory.at("map"), text);
    assert((await directory.read())["map"] === text);
  });
}

Deno.test("a reader with the old file open reads all of it after the change", async () => {
  await using directory = await TemporaryDirectory.create();
  const path = directory.at("map.json");
  await replaceFile(path, "old");
  using file = await Deno.open(path);
  await replaceFile(path, "new and longer");
  const buffer = new Uint8Array(100);
  const count = await file.read(buffer);
  assertEquals(new TextDecoder().decode(buffer.subarray(0, count!)), "old");
  assertEquals(await Deno.readTextFile(path), "new and longer");
});

Deno.test("a reader during replacements gets one text or the other, complete", async () => {
  await using directory = await TemporaryDirectory.create();
  const path = directory.at("map.json");
  const texts = Array.from({ length: 20 }, (_, index) => `${index}`.repeat(50_000 + index));
  // All of them may create it.
  await Promise.all(texts.map((text) => replaceFile(path, text)));
  const writing = Promise.all(texts.map((text) => replaceFile(path, text))).then(() => true);
  do {
    const text = await Deno.readTextFile(path);
    assert(texts.includes(text), `Read ${text.length} characters`);
  } while (!await Promise.race([writing, false]));
  assertEquals(Object.keys(await directory.read()), ["map.json"]);
});

Deno.test("a symbolic link stays, and its target is replaced", async () => {
  await using directory = await TemporaryDirectory.create();
  await Deno.mkdir(directory.at("shelf"));
  await Deno.writeTextFile(directory.at("shelf/real"), "old");
  await Deno.symlink("shelf/real", directory.at("link"));
  await Deno.symlink("link", directory.at("far"));
  await replaceFile(directory.at("far"), "new");
  assertEquals(await directory.read(), { far: "-> link", link: "-> shelf/real", shelf: "/" });
  assertEquals(await Deno.readTextFile(directory.at("shelf/real")), "new");
});

Deno.test("the missing target of a symbolic link is created", async () => {
  await using directory = await TemporaryDirectory.create();
  await Deno.mkdir(directory.at("deep/shelf"), { recursive: true });
  await Deno.symlink("deep/shelf", directory.at("shelf"));
  await Deno.symlink("../real", directory.at("shelf/link"));
  await replaceFile(directory.at("shelf/link"), "new");
  assertEquals(await Deno.readTextFile(directory.at("deep/real")), "new");
  assertEquals(await Deno.readLink(directory.at("shelf/link")), "../real");
});

const FAILURES: [name: string, path: string, reason: RegExp][] = [
  ["a directory that is missing", "missing/map", /no such file|cannot find/i],
  ["a path below a file", "file/map", /not a directory/i],
  ["a directory", "shelf", /a directory or a device/],
  ["a link into a directory that is missing", "astray", /no such file|cannot find/i],
  ["a link to itself", "circle", /symbolic link/i],
];

for (const [name, path, reason] of FAILURES) {
  Deno.test(`${name} cannot be replaced, and no temporary file is left`, async () => {
    await using directory = await TemporaryDirectory.create();
    await Deno.writeTextFile(directory.at("file"), "old");
    await Deno.mkdir(directory.at("shelf"));
    await Deno.symlink("missing/map", directory.at("astray"));
    await Deno.symlink("circle", directory.at("circle"));
    const before = await directory.read();
    const { message } = await assertRejects(() => replaceFile(directory.at(path), "new"), Error);
    assertStringIncludes(message, `Cannot write the file '${directory.at(path)}': `);
    assert(reason.test(message), message);
    assertEquals(await directory.read(), before);
    assertEquals([...Deno.readDirSync(directory.at("shelf"))], []);
  });
}
