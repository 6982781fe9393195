import { assertEquals, assertMatch } from "@std/assert";
import { X509Certificate } from "node:crypto";
import type { ServerMaterial } from "../../../src/tls/material.ts";
import { TlsFilesWatcher } from "../../../src/tls/files_watcher.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { Logged } from "../../support/logged.ts";
import { until } from "../../support/until.ts";
import { TlsDirectory } from "../../support/tls_directory.ts";

const CHANGED = "info New connections use the changed files of --tls-cert-file, --tls-key-file";

/** Watches NAME.crt and NAME.key, and collects the subjects of the certificates that follow. */
async function watch(directory: TlsDirectory, name: string) {
  const watcher = await TlsFilesWatcher.open(directory.serverFiles(name));
  const subjects: string[] = [];
  watcher.start(({ identity }) => subjects.push(subjectOf({ identity })));
  return { watcher, subjects };
}

function subjectOf({ identity }: Pick<ServerMaterial, "identity">): string {
  return new X509Certificate(identity.certificates).subject!;
}

Deno.test("files that are renamed over the old ones are used once both are there", async () => {
  await using directory = await TlsDirectory.create("one", "two");
  using _ = new FakeClock("setInterval");
  using logged = new Logged();
  const { watcher, subjects } = await watch(directory, "one");
  await watcher.poll();
  Deno.renameSync(directory.at("two.crt"), directory.at("one.crt"));
  await watcher.poll();
  assertEquals([subjects, logged.lines], [[], []], "the key is not there yet");
  Deno.renameSync(directory.at("two.key"), directory.at("one.key"));
  await watcher.poll();
  assertEquals([subjects, logged.lines], [["CN=two"], [CHANGED]]);
  assertEquals(subjectOf(watcher.material), "CN=two");
  await watcher.poll();
  assertEquals([subjects, logged.lines], [["CN=two"], [CHANGED]]);
  await watcher.stop();
});

Deno.test("files are used that come by a symbolic link above them, as in Kubernetes", async () => {
  await using directory = await TlsDirectory.create("one", "two");
  const at = (name: string) => directory.at(name);
  for (const name of ["one", "two"]) {
    Deno.mkdirSync(at(`..${name}`));
    for (const kind of ["crt", "key"]) {
      Deno.renameSync(at(`${name}.${kind}`), at(`..${name}/tls.${kind}`));
    }
  }
  Deno.symlinkSync("..one", at("..data"));
  for (const kind of ["crt", "key"]) Deno.symlinkSync(`..data/tls.${kind}`, at(`tls.${kind}`));
  using _ = new FakeClock("setInterval");
  using logged = new Logged();
  const { watcher, subjects } = await watch(directory, "tls");
  assertEquals(subjectOf(watcher.material), "CN=one");
  Deno.symlinkSync("..two", at("..data_tmp"));
  Deno.renameSync(at("..data_tmp"), at("..data"));
  await watcher.poll();
  assertEquals([subjects, logged.lines], [["CN=two"], [CHANGED]]);
  await watcher.stop();
});

Deno.test("no error ends the watch", async () => {
  await using directory = await TlsDirectory.create("one", "two", "three");
  using _ = new FakeClock("setInterval");
  using logged = new Logged();
  const watcher = await TlsFilesWatcher.open(directory.serverFiles("one"));
  const subjects: string[] = [];
  watcher.start((material) => {
    if (subjectOf(material) === "CN=two") throw new TypeError("It is the second");
    subjects.push(subjectOf(material));
  });
  for (const name of ["two", "three"]) {
    for (const kind of ["crt", "key"]) {
      Deno.renameSync(directory.at(`${name}.${kind}`), directory.at(`one.${kind}`));
    }
    await watcher.reload();
  }
  assertEquals(subjects, ["CN=three"]);
  const warning = "warning It is the second; the previous certificates stay in use";
  assertEquals(logged.lines, [warning, CHANGED]);
  await watcher.stop();
});

Deno.test("a file that cannot be used is reported once, and the old one stays", async (t) => {
  await using directory = await TlsDirectory.create("one", "two");
  using _ = new FakeClock("setInterval");
  const certificate = directory.at("one.crt");
  const good = directory.read("one.crt");
  const bad: [what: string, spoil: () => void, warning: RegExp][] = [
    [
      "a half-written certificate",
      () => Deno.writeTextFileSync(certificate, good.slice(0, 200)),
      /^warning Cannot use --tls-cert-file '\S+': a certificate in it is malformed \(/,
    ],
    [
      "the certificate of another key",
      () => Deno.copyFileSync(directory.at("two.crt"), certificate),
      /^warning Cannot use --tls-key-file '\S+': it is not the key of the certificate in --tls-c/,
    ],
    ["an empty file", () => Deno.truncateSync(certificate), /: there is no certificate in it; /],
    [
      "a file that is gone",
      () => Deno.removeSync(certificate),
      /^warning Cannot read the file of --tls-cert-file: No such file .*; check the path and /,
    ],
  ];
  using logged = new Logged();
  const { watcher, subjects } = await watch(directory, "one");
  let count = 0;
  for (const [what, spoil, warning] of bad) {
    await t.step(what, async () => {
      spoil();
      await watcher.poll();
      assertEquals(logged.lines.length, count, "it may be incomplete for a moment");
      for (let times = 0; times < 3; times++) await watcher.poll();
      assertEquals(logged.lines.length, ++count, logged.lines.join("\n"));
      assertMatch(logged.lines.at(-1)!, warning);
      assertMatch(logged.lines.at(-1)!, /; the previous certificates stay in use$/);
      assertEquals(subjectOf(watcher.material), "CN=one");
    });
  }
  await t.step("one that is complete at the next time is not reported", async () => {
    Deno.writeTextFileSync(certificate, good.slice(0, 100));
    await watcher.poll();
    Deno.writeTextFileSync(certificate, good);
    for (let times = 0; times < 3; times++) await watcher.poll();
    assertEquals([subjects, logged.lines.length], [[], count]);
  });
  await t.step("a good one is used after all", async () => {
    Deno.copyFileSync(directory.at("two.crt"), certificate);
    Deno.copyFileSync(directory.at("two.key"), directory.at("one.key"));
    await watcher.poll();
    assertEquals([subjects, logged.lines.at(-1)], [["CN=two"], CHANGED]);
  });
  await watcher.stop();
});

Deno.test("a reload reads at once, and reports in any case", async () => {
  await using directory = await TlsDirectory.create("one", "two");
  using _ = new FakeClock("setInterval");
  using logged = new Logged();
  const { watcher, subjects } = await watch(directory, "one");
  await watcher.reload();
  assertEquals(logged.lines, [
    "info The files of --tls-cert-file, --tls-key-file have not changed",
  ]);
  Deno.renameSync(directory.at("two.crt"), directory.at("one.crt"));
  await watcher.reload();
  await watcher.poll();
  await watcher.reload();
  assertEquals(logged.lines.filter((line) => line.startsWith("warning ")).length, 2);
  Deno.renameSync(directory.at("two.key"), directory.at("one.key"));
  await watcher.reload();
  assertEquals([subjects, logged.lines.at(-1)], [["CN=two"], CHANGED]);
  await watcher.stop();
});

Deno.test("material that its user refuses is reported, and the old one stays", async () => {
  await using directory = await TlsDirectory.create("one", "two");
  using logged = new Logged();
  const watcher = await TlsFilesWatcher.open(directory.serverFiles("one"));
  watcher.start(() => {
    throw new SyntaxError("The runtime does not take it");
  });
  for (const kind of ["crt", "key"]) {
    Deno.renameSync(directory.at(`two.${kind}`), directory.at(`one.${kind}`));
  }
  await watcher.reload();
  assertEquals(logged.lines, [
    "warning The runtime does not take it; the previous certificates stay in use",
  ]);
  assertEquals(subjectOf(watcher.material), "CN=one");
  await watcher.stop();
});

Deno.test("files are read every other second, until the watcher stops", async () => {
  await using directory = await TlsDirectory.create("one", "two");
  using clock = new FakeClock("setInterval");
  using _ = new Logged();
  const { watcher, subjects } = await watch(directory, "one");
  assertEquals(clock.timers.map(({ delayMs }) => delayMs), [2000]);
  for (const kind of ["crt", "key"]) {
    Deno.copyFileSync(directory.at(`two.${kind}`), directory.at(`one.${kind}`));
  }
  clock.fire();
  await until("the new certificate is used", () => subjects.length === 1);
  directory.issue("one");
  clock.fire();
  await watcher.stop();
  assertEquals(subjects, ["CN=two"]);
});
