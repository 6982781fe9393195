import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import { parseCommand } from "../../../src/cli/config.ts";
import { ConfigError } from "../../../src/cli/config_error.ts";
import { ProgramTls } from "../../../src/cli/program_tls.ts";
import { Logged } from "../../support/logged.ts";
import { runNat } from "../../support/nat_process.ts";
import { run } from "../../support/program.ts";
import { TlsDirectory } from "../../support/tls_directory.ts";

/** Kinds of keys that node:crypto knows, and TLS does not. */
const UNKNOWN_KEYS = ["RSA-1024", "secp256k1"] as const;

/** What the program reads from the files of TLS before it starts. */
async function open(words: readonly string[]) {
  const command = parseCommand(["--cluster-addr=10.0.0.1:7000", ...words], () => undefined);
  assert(command.kind === "serve");
  return (await ProgramTls.open(command.config)).material;
}

/** A key in PEM form, encrypted with the passphrase S3CRET. */
function encryptedKeyOf(key: string): string {
  const encryption = { cipher: "aes-256-cbc", passphrase: "S3CRET" };
  return createPrivateKey(key).export({ type: "pkcs8", format: "pem", ...encryption }) as string;
}

Deno.test("each fault of a file has its own message", async (t) => {
  await using directory = await TlsDirectory.create("one", "two");
  const at = (name: string) => directory.at(name);
  directory.issue("old", { version: 1 });
  for (const keyType of UNKNOWN_KEYS) directory.issue(keyType, { keyType });
  directory.write("encrypted.key", encryptedKeyOf(directory.read("one.key")));
  directory.write("one.der", new X509Certificate(directory.read("one.crt")).raw);
  directory.write("empty", "");
  directory.write("wrong", "not this one\n");
  directory.write("garbage", new Uint8Array(1000).map((_, index) => index * 7));
  directory.write("cut.crt", directory.read("one.crt").slice(0, 300));
  directory.write("broken.crt", directory.read("one.crt").replace(/\n[^-]{8}/, "\nAAAAAAAA"));
  directory.write("broken.key", directory.read("one.key").replace(/\n[^-]{8}/, "\nAAAAAAAA"));
  directory.write("reversed.crt", directory.read("ca.crt", "one.crt"));

  const noCertificate = "there is no certificate in it; expected PEM: text with -----BEGIN CERTIF";
  const encryptedFlag = `--tls-key-file=${at("encrypted.key")}`;
  const faults: [words: string[], message: string][] = [
    [
      [`--tls-cert-file=${at("none")}`],
      `Cannot read the file of --tls-cert-file: No such file or directory (os error 2)`,
    ],
    [[`--tls-cert-file=${at("")}`], "Cannot read the file of --tls-cert-file: Is a directory"],
    [
      [`--tls-cert-file=${at("empty")}`],
      `Cannot use --tls-cert-file '${at("empty")}': ${noCertificate}`,
    ],
    [[`--tls-cert-file=${at("garbage")}`], noCertificate],
    [[`--tls-cert-file=${at("one.der")}`], noCertificate],
    [
      [`--tls-cert-file=${at("one.key")}`, `--tls-key-file=${at("one.crt")}`],
      "there is no certificate in it, but -----BEGIN PRIVATE KEY-----; expected PEM",
    ],
    [[`--tls-cert-file=${at("cut.crt")}`], "a certificate in it is malformed ("],
    [[`--tls-cert-file=${at("broken.crt")}`], "a certificate in it is malformed ("],
    [
      [`--tls-cert-file=${at("old.crt")}`, `--tls-key-file=${at("old.key")}`],
      `Cannot use --tls-cert-file '${at("old.crt")}': the certificate has no extensions (X.509 ` +
      "version 1), so most clients refuse it; issue it with a subjectAltName for the public host",
    ],
    [
      [`--tls-cert-file=${at("reversed.crt")}`],
      "the certificate of the key in --tls-key-file is number 2 in it; put it first, and the " +
      "certificates of its issuers after it",
    ],
    [
      [`--tls-key-file=${at("two.key")}`],
      `Cannot use --tls-key-file '${at("two.key")}': it is not the key of the certificate in ` +
      `--tls-cert-file '${at("one.crt")}' (CN=one); expected its key`,
    ],
    [
      [`--tls-key-file=${at("one.crt")}`],
      `Cannot use --tls-key-file '${
        at("one.crt")
      }': there is no private key in it; expected PEM: ` +
      "text with -----BEGIN PRIVATE KEY-----",
    ],
    ...UNKNOWN_KEYS.map((name): [string[], string] => [
      [`--tls-cert-file=${at(`${name}.crt`)}`, `--tls-key-file=${at(`${name}.key`)}`],
      `Cannot use --tls-key-file '${at(`${name}.key`)}': TLS knows no keys of this kind; expected`,
    ]),
    [[`--tls-key-file=${at("broken.key")}`], "the private key in it is malformed, or of an "],
    [
      [encryptedFlag],
      "the key is encrypted; set --tls-key-passphrase-file, or decrypt the key with openssl pkey",
    ],
    [
      [encryptedFlag, `--tls-key-passphrase-file=${at("wrong")}`],
      `Cannot use --tls-key-passphrase-file '${at("wrong")}': it does not decrypt the key in ` +
      `--tls-key-file '${at("encrypted.key")}' (`,
    ],
    [
      [encryptedFlag, `--tls-key-passphrase-file=${at("empty")}`],
      `Cannot use --tls-key-passphrase-file '${at("empty")}': the file is empty; expected a passph`,
    ],
    [
      [`--tls-ca-cert-file=${at("one.key")}`],
      `Cannot use --tls-ca-cert-file '${at("one.key")}': there is no certificate in it, but`,
    ],
    [
      ["--cluster-tls", `--cluster-tls-ca-cert-file=${at("empty")}`],
      `Cannot use --cluster-tls-ca-cert-file '${at("empty")}': ${noCertificate}`,
    ],
    [
      [
        "--cluster-tls",
        `--cluster-tls-cert-file=${at("one.crt")}`,
        `--cluster-tls-key-file=${at("encrypted.key")}`,
      ],
      "the key is encrypted; set --cluster-tls-key-passphrase-file, or decrypt",
    ],
  ];
  const usable = [`--tls-cert-file=${at("one.crt")}`, `--tls-key-file=${at("one.key")}`];
  for (const [words, message] of faults) {
    await t.step(message, async () => {
      const error = await assertRejects(() => open([...usable, ...words]), ConfigError, message);
      assertEquals(/[\r\n]|S3CRET|not this one/.exec(error.message), null);
    });
  }

  await t.step("the program prints it and exits with status 2, with --check, too", async () => {
    for (const flags of [[], ["--check"]]) {
      const { code, stdout, stderr } = await runNat([
        ...["--cluster-addr=127.0.0.1:1", "--public-host=127.0.0.1", ...flags, ...usable],
        `--tls-key-file=${at("two.key")}`,
      ]);
      assertMatch(stderr, /^redis-cluster-nat: Cannot use --tls-key-file '[^\n]*\n$/);
      assertEquals([code, stdout], [2, ""]);
    }
  });
});

/** Whether openssl can be run here. */
const openssl = await new Deno.Command("openssl", { args: ["version"] }).output().then(
  ({ success }) => success,
  () => false,
);

Deno.test({
  name: "every form in which openssl writes certificates and keys is accepted" +
    (openssl ? "" : " (SKIPPED: openssl is missing)"),
  ignore: !openssl,
  fn: acceptForms,
});

async function acceptForms(t: Deno.TestContext): Promise<void> {
  await using directory = await TlsDirectory.create();
  const write = directory.write.bind(directory);
  const read = directory.read.bind(directory);
  const openssl = async (words: string) => {
    const { code, output } = await run(["openssl", ...words.split(" ")], "", {
      cwd: directory.at(""),
    });
    assertEquals(code, 0, output);
  };
  await openssl("genrsa -out rsa.key 2048");
  await openssl("ecparam -name prime256v1 -genkey -out ec.key");
  await openssl("genpkey -algorithm ed25519 -out ed.key");
  for (const name of ["rsa", "ec", "ed"]) {
    await openssl(`req -x509 -key ${name}.key -out ${name}.crt -days 30 -subj /CN=${name}`);
  }
  await openssl("rsa -in rsa.key -traditional -out pkcs1.key");
  await openssl("rsa -in rsa.key -traditional -aes256 -passout pass:S3CRET -out pkcs1-aes.key");
  await openssl("pkcs8 -topk8 -in rsa.key -passout pass:S3CRET -out rsa-aes.key");
  await openssl("pkcs8 -topk8 -in ec.key -passout pass:S3CRET -scrypt -out ec-scrypt.key");
  const passphrase = write("passphrase", "S3CRET\n");
  write("both.pem", read("ec.key", "ec.crt"));
  write("windows.crt", read("rsa.crt").replaceAll("\n", "\r\n"));
  write("windows.key", read("rsa.key").replaceAll("\n", "\r\n"));
  write("commented.crt", `Bag Attributes\n  subject=CN = rsa\n${read("rsa.crt")}`);
  write("chain.crt", read("rsa.crt", "ca.crt"));
  const forms: [certificate: string, key: string, isEncrypted?: true][] = [
    ["rsa.crt", "rsa.key"],
    ["ec.crt", "ec.key"],
    ["ed.crt", "ed.key"],
    ["rsa.crt", "pkcs1.key"],
    ["rsa.crt", "pkcs1-aes.key", true],
    ["rsa.crt", "rsa-aes.key", true],
    ["ec.crt", "ec-scrypt.key", true],
    // A passphrase that is not needed.
    ["ec.crt", "ec.key", true],
    ["both.pem", "both.pem"],
    ["windows.crt", "windows.key"],
    ["commented.crt", "rsa.key"],
    ["chain.crt", "rsa.key"],
  ];
  for (const [certificate, key, isEncrypted] of forms) {
    await t.step(`${certificate} with ${key}`, async () => {
      const { servers: { default: server }, node } = await open([
        `--tls-cert-file=${directory.at(certificate)}`,
        `--tls-key-file=${directory.at(key)}`,
        ...(isEncrypted ? [`--tls-key-passphrase-file=${passphrase}`] : []),
      ]);
      assertEquals(node, undefined);
      const { identity, ...others } = server!;
      assertEquals(others, { clientCa: undefined, clientAuth: "no", minVersion: "TLSv1.2" });
      assertMatch(identity.key, /^-----BEGIN PRIVATE KEY-----[^-]*-----END PRIVATE KEY-----\n$/);
      const leaf = new X509Certificate(identity.certificates);
      assert(leaf.checkPrivateKey(createPrivateKey(identity.key)));
      const count = identity.certificates.match(/-----BEGIN CERTIFICATE-----/g)!.length;
      assertEquals(count, certificate === "chain.crt" ? 2 : 1);
      assert(!identity.certificates.includes("PRIVATE"));
      createSecureContext({ cert: identity.certificates, key: identity.key });
    });
  }
  await t.step("messages name a certificate without a subject by its other names", async () => {
    const names = "-addext subjectAltName=DNS:a.example,DNS:b.example";
    await openssl(`req -x509 -key ec.key -out nameless.crt -days 30 -subj / ${names}`);
    const words = [`--tls-cert-file=${directory.at("nameless.crt")}`];
    const reason = "(DNS:a.example, DNS:b.example); expected its key";
    await assertRejects(
      () => open([...words, `--tls-key-file=${directory.at("rsa.key")}`]),
      ConfigError,
      reason,
    );
  });
}

Deno.test("the files of both sides become material", async () => {
  await using directory = await TlsDirectory.create("server");
  // Redis's own script for test certificates makes such ones, and nodes accept them.
  directory.issue("old", { version: 1 });
  const at = (name: string) => directory.at(name);
  const { servers: { default: server }, node } = await open([
    `--tls-cert-file=${at("server.crt")}`,
    `--tls-key-file=${at("server.key")}`,
    `--tls-ca-cert-file=${at("ca.crt")}`,
    "--cluster-addr=rediss://10.0.0.1:7000",
    `--cluster-tls-cert-file=${at("old.crt")}`,
    `--cluster-tls-key-file=${at("old.key")}`,
    `--cluster-tls-ca-cert-file=${at("ca.crt")}`,
    "--cluster-tls-server-name=cache.example.com",
  ]);
  const ca = directory.read("ca.crt");
  const { identity, ...others } = server!;
  assertEquals(others, { clientCa: ca, clientAuth: "yes", minVersion: "TLSv1.2" });
  assertEquals(identity.certificates, directory.read("server.crt"));
  const { identity: own, ...nodeOthers } = node!;
  assertEquals(nodeOthers, { ca, serverName: "cache.example.com", verify: "full" });
  assertEquals(own?.certificates, directory.read("old.crt"));

  const bare = await open(["--cluster-tls", "--cluster-tls-verify=chain"]);
  assertEquals(bare.node!, {
    identity: undefined,
    ca: undefined,
    serverName: undefined,
    verify: "chain",
  });
});

Deno.test({
  name: "a key or passphrase that everybody can read is used with a warning",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using directory = await TlsDirectory.create("one");
    const passphrase = directory.write("passphrase", "S3CRET");
    const key = directory.write("encrypted.key", encryptedKeyOf(directory.read("one.key")));
    using logged = new Logged();
    const warned = async (...modes: [number, number]) => {
      const before = logged.lines.length;
      Deno.chmodSync(key, modes[0]);
      Deno.chmodSync(passphrase, modes[1]);
      await open([
        `--tls-cert-file=${directory.at("one.crt")}`,
        ...[`--tls-key-file=${key}`, `--tls-key-passphrase-file=${passphrase}`],
      ]);
      return logged.lines.slice(before);
    };
    const warning = (option: string, path: string) =>
      `warning The file of ${option} can be read or written by every user of this machine; run ` +
      `chmod o= '${path}'`;
    assertEquals(await warned(0o600, 0o640), []);
    assertEquals(await warned(0o644, 0o600), [warning("--tls-key-file", key)]);
    assertEquals(await warned(0o600, 0o604), [warning("--tls-key-passphrase-file", passphrase)]);
  },
});
