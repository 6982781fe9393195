import { assertEquals, assertMatch } from "@std/assert";
import { ExpiryWatch } from "../../../src/tls/expiry.ts";
import { TlsFilesWatcher } from "../../../src/tls/files_watcher.ts";
import { nodeFiles } from "../../../src/tls/tls_files.ts";
import { parseCertificates } from "../../../src/tls/certificate.ts";
import { daysFromNow, TestCertificate } from "../../support/certificate.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { Logged } from "../../support/logged.ts";
import { TlsDirectory } from "../../support/tls_directory.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

Deno.test("a certificate is warned of 14 days and 1 day ahead, and when it has expired", async () => {
  await using directory = await TlsDirectory.create("one");
  const [certificate] = parseCertificates(directory.read("one.crt"));
  const filed = { file: { source: "--tls-cert-file", path: "one.crt" }, certificate: certificate! };
  const { validToDate, validFromDate } = certificate!.x509;
  const endMs = validToDate.getTime();
  const end = validToDate.toISOString().replace(".000", "");
  const start = validFromDate.toISOString().replace(".000", "");
  const subject = "The certificate 'CN=one' in --tls-cert-file 'one.crt'";
  const at = `, at ${end}; renew it`;

  const times: [leftMs: number, warning: string | undefined][] = [
    [20 * DAY_MS, undefined],
    [14 * DAY_MS + 1, undefined],
    [14 * DAY_MS - 2000, `${subject} expires in 14 days${at}`],
    [10 * DAY_MS, undefined],
    [DAY_MS + 1, undefined],
    [DAY_MS - 2000, `${subject} expires in 24 hours${at}`],
    [1000, undefined],
    [0, `${subject} has expired at ${end}; renew it`],
    [-100 * DAY_MS, undefined],
  ];
  const watch = new ExpiryWatch();
  for (const [leftMs, warning] of times) {
    assertEquals(watch.check([filed], endMs - leftMs), warning === undefined ? [] : [warning]);
  }

  // At the start, only what holds then is said.
  const first: [leftMs: number, warning: string][] = [
    [-2 * DAY_MS, `${subject} has expired at ${end}; renew it`],
    [HOUR_MS, `${subject} expires in an hour${at}`],
    [2 * HOUR_MS, `${subject} expires in 2 hours${at}`],
    [5.4 * DAY_MS, `${subject} expires in 5 days${at}`],
  ];
  for (const [leftMs, warning] of first) {
    const watch = new ExpiryWatch();
    assertEquals(watch.check([filed], endMs - leftMs), [warning]);
    assertEquals(watch.check([filed], endMs - leftMs), []);
  }

  const early = new ExpiryWatch();
  assertEquals(early.check([filed], validFromDate.getTime() - 1), [
    `${subject} is not valid before ${start}; check the clock of this machine`,
  ]);
  assertEquals(early.check([filed], validFromDate.getTime() - 1), []);
  assertEquals(early.check([filed], validFromDate.getTime()), []);
  assertEquals(early.check([filed], endMs), [`${subject} has expired at ${end}; renew it`]);
});

Deno.test("every certificate in use is watched, those of CAs, too", async () => {
  await using directory = await TlsDirectory.create();
  directory.issue("one", { notAfter: daysFromNow(60) });
  using clock = new FakeClock("setInterval");
  using logged = new Logged();
  const file = (name: string) => ({ path: directory.at(name), source: name });
  const watcher = await TlsFilesWatcher.open(nodeFiles({
    identity: { certificates: file("one.crt"), key: file("one.key"), passphrase: undefined },
    ca: file("ca.crt"),
    serverName: undefined,
    verify: "full",
  }));
  await watcher.poll();
  assertEquals(logged.lines, []);
  clock.aheadMs = 20 * DAY_MS;
  await watcher.poll();
  await watcher.poll();
  assertEquals(logged.lines.length, 1, logged.lines.join("\n"));
  assertMatch(
    logged.lines[0]!,
    /^warning The certificate 'CN=test CA' in ca\.crt .*in 10 days, at/,
  );
  clock.aheadMs = 59.5 * DAY_MS;
  await watcher.poll();
  assertEquals(logged.lines.length, 3, logged.lines.join("\n"));
  assertMatch(logged.lines[1]!, /'CN=one' in one\.crt .* expires in 12 hours, at /);
  assertMatch(logged.lines[2]!, /'CN=test CA' in ca\.crt .* has expired at /);
  // A new one starts anew.
  directory.issue("one", { notAfter: daysFromNow(1.5) });
  await watcher.poll();
  assertEquals(logged.lines.length, 5, logged.lines.join("\n"));
  assertMatch(logged.lines[3]!, /^info New connections use the changed files of one.crt, one.key$/);
  assertMatch(logged.lines[4]!, /'CN=one' in one\.crt .* expires in 36 hours, at /);
  await watcher.stop();
});

Deno.test("an expired certificate is used with a warning from the start", async () => {
  await using directory = await TlsDirectory.create("one");
  using clock = new FakeClock();
  using logged = new Logged();
  clock.aheadMs = 31 * DAY_MS;
  await TlsFilesWatcher.open(directory.serverFiles("one"));
  assertEquals(logged.lines.length, 1);
  assertMatch(logged.lines[0]!, /^warning .* has expired at .*; renew it$/);
});

Deno.test("in a bundle of CAs, the one that is valid longest counts", async () => {
  await using directory = await TlsDirectory.create();
  const ends = [-100, 5, 100];
  const bundle = ends.map((days) => TestCertificate.root({ notAfter: daysFromNow(days) }).pem);
  const read = async (text: string) => {
    using logged = new Logged();
    const ca = { path: directory.write("bundle.crt", text), source: "ca" };
    const options = { identity: undefined, ca, serverName: undefined, verify: "full" } as const;
    await TlsFilesWatcher.open(nodeFiles(options));
    return logged.lines;
  };
  assertEquals(await read(bundle.join("")), []);
  const [warning, ...others] = await read(bundle.slice(0, 2).join(""));
  assertMatch(warning!, /^warning The certificate 'CN=root' in ca '.*' expires in 5 days, at /);
  assertEquals(others, []);
});

Deno.test("a certificate that is not for the public host is used with a warning", async () => {
  await using directory = await TlsDirectory.create();
  directory.issue("one", { names: ["*.example.com", "192.0.2.1"] });
  directory.issue("bare", { names: [] });
  const read = async (name: string, publicHost: string, publicIp?: string) => {
    using logged = new Logged();
    await TlsFilesWatcher.open(directory.serverFiles(name, publicHost, publicIp));
    return logged.lines;
  };
  for (const host of ["redis.example.com", "192.0.2.1"]) assertEquals(await read("one", host), []);
  const at = (name: string) =>
    `The certificate in --tls-cert-file '${directory.at(`${name}.crt`)}'`;
  const advice = "clients that verify names refuse it; issue it for that host, or correct " +
    "--public-host";
  assertEquals(await read("one", "127.0.0.1"), [
    `warning ${at("one")} is for *.example.com, 192.0.2.1, not for the public host '127.0.0.1': ` +
    advice,
  ]);
  assertEquals(await read("one", "redis.example.com", "192.0.2.1"), []);
  assertEquals(await read("one", "redis.example.com", "192.0.2.2"), [
    `warning ${at("one")} is for *.example.com, 192.0.2.1, not for the public IP address ` +
    "'192.0.2.2': clients that verify names refuse it; issue it for that IP address, or correct " +
    "--public-ip",
  ]);
  assertEquals(await read("bare", "a.b"), [
    `warning ${at("bare")} is for no name, not for the public host 'a.b': ${advice}`,
  ]);
});
