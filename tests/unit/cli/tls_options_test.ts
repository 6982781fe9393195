import { assertEquals, assertThrows } from "@std/assert";
import type { Config } from "../../../src/cli/config.ts";
import { ConfigError } from "../../../src/cli/config_error.ts";
import { command, config } from "./command.ts";

const SERVER = ["--tls-cert-file=c", "TLS_KEY_FILE=k"];

const SERVER_TLS = {
  identity: {
    certificates: { path: "c", source: "--tls-cert-file" },
    key: { path: "k", source: "TLS_KEY_FILE" },
    passphrase: undefined,
  },
  clientCa: undefined,
  clientAuth: "no",
  minVersion: "TLSv1.2",
} as const;

const CA = { path: "ca", source: "--tls-ca-cert-file" };

const NODE_TLS = {
  identity: undefined,
  ca: undefined,
  serverName: undefined,
  verify: "full",
} as const;

const ACCEPTED: [words: string[], expected: Pick<Partial<Config>, "tls" | "clusterTls">][] = [
  [[], { tls: undefined, clusterTls: undefined }],
  [SERVER, { tls: SERVER_TLS, clusterTls: undefined }],
  [[...SERVER, "--tls-min-version=1.3"], { tls: { ...SERVER_TLS, minVersion: "TLSv1.3" } }],
  [[...SERVER, "--tls-ca-cert-file=ca"], {
    tls: { ...SERVER_TLS, clientCa: CA, clientAuth: "yes" },
  }],
  [[...SERVER, "--tls-ca-cert-file=ca", "TLS_AUTH_CLIENTS=Optional"], {
    tls: { ...SERVER_TLS, clientCa: CA, clientAuth: "optional" },
  }],
  [[...SERVER, "--tls-ca-cert-file=ca", "--tls-auth-clients=no"], { tls: SERVER_TLS }],
  [[...SERVER, "--tls-key-passphrase-file=p"], {
    tls: {
      ...SERVER_TLS,
      identity: {
        ...SERVER_TLS.identity,
        passphrase: { path: "p", source: "--tls-key-passphrase-file" },
      },
    },
  }],
  // The certificate and its key in one file.
  [["--tls-cert-file=k", "TLS_KEY_FILE=k"], {
    tls: {
      ...SERVER_TLS,
      identity: {
        ...SERVER_TLS.identity,
        certificates: { path: "k", source: "--tls-cert-file" },
      },
    },
  }],

  [["--cluster-tls"], { tls: undefined, clusterTls: NODE_TLS }],
  [["CLUSTER_TLS=yes"], { clusterTls: NODE_TLS }],
  [["CLUSTER_TLS=no"], { clusterTls: undefined }],
  [["--cluster-tls=false", "--cluster-addr=redis://a"], { clusterTls: undefined }],
  [["--cluster-tls", "--cluster-addr=rediss://a"], { clusterTls: NODE_TLS }],
  [["--cluster-tls", "--cluster-tls-verify=chain"], {
    clusterTls: { ...NODE_TLS, verify: "chain" },
  }],
  [["--cluster-tls", "--cluster-tls-server-name=cache.example.com."], {
    clusterTls: { ...NODE_TLS, serverName: "cache.example.com" },
  }],
  [
    [
      "--cluster-addr=rediss://a",
      "--cluster-tls-ca-cert-file=ca",
      "CLUSTER_TLS_CERT_FILE=c",
      "--cluster-tls-key-file=k",
      "CLUSTER_TLS_KEY_PASSPHRASE_FILE=p",
    ],
    {
      clusterTls: {
        identity: {
          certificates: { path: "c", source: "CLUSTER_TLS_CERT_FILE" },
          key: { path: "k", source: "--cluster-tls-key-file" },
          passphrase: { path: "p", source: "CLUSTER_TLS_KEY_PASSPHRASE_FILE" },
        },
        ca: { path: "ca", source: "--cluster-tls-ca-cert-file" },
        serverName: undefined,
        verify: "full",
      },
    },
  ],
];

for (const [words, expected] of ACCEPTED) {
  Deno.test(`${words.join(" ") || "no option"} is accepted`, () => {
    const { tls, clusterTls } = config(words);
    assertEquals({ tls, clusterTls, ...expected }, { tls, clusterTls });
  });
}

const SERVER_OFF = "TLS to clients is off; add --tls-cert-file and --tls-key-file";
const NODE_OFF = "TLS to nodes is off; add --cluster-tls, or write rediss:// in --cluster-addr";

const INVALID: [words: string[], message: string][] = [
  [
    ["--tls-cert-file=c"],
    "Cannot use --tls-cert-file 'c': the certificate has no key; add --tls-key-file",
  ],
  [
    ["TLS_KEY_FILE=k"],
    "Cannot use TLS_KEY_FILE 'k': the key has no certificate; add --tls-cert-file",
  ],
  [
    ["--tls-key-passphrase-file=p"],
    "Cannot use --tls-key-passphrase-file 'p': there is no key to decrypt; add --tls-key-file",
  ],
  [["--tls-ca-cert-file=ca"], `Cannot use --tls-ca-cert-file 'ca': ${SERVER_OFF}`],
  [["TLS_AUTH_CLIENTS=no"], `Cannot use TLS_AUTH_CLIENTS 'no': ${SERVER_OFF}`],
  [["--tls-min-version=1.3"], `Cannot use --tls-min-version '1.3': ${SERVER_OFF}`],
  [
    [...SERVER, "--tls-auth-clients=yes"],
    "Cannot use --tls-auth-clients 'yes': no CA is given to verify clients' certificates; add " +
    "--tls-ca-cert-file",
  ],
  [[...SERVER, "TLS_AUTH_CLIENTS=optional"], "Cannot use TLS_AUTH_CLIENTS 'optional': no CA is "],
  [[...SERVER, "--tls-auth-clients=x"], "'x': expected one of no, optional, yes"],
  [[...SERVER, "--tls-min-version=1.1"], "'1.1': expected one of 1.2, 1.3"],

  ...["ca-cert-file", "cert-file", "key-file", "key-passphrase-file", "server-name"].map(
    (name): [string[], string] => [
      [`--cluster-tls-${name}=x`],
      `Cannot use --cluster-tls-${name} 'x': ${NODE_OFF}`,
    ],
  ),
  [["CLUSTER_TLS_VERIFY=full"], `Cannot use CLUSTER_TLS_VERIFY 'full': ${NODE_OFF}`],
  [["--cluster-tls=no", "CLUSTER_TLS_VERIFY=full"], `CLUSTER_TLS_VERIFY 'full': ${NODE_OFF}`],
  [
    ["--cluster-tls", "--cluster-tls-cert-file=c"],
    "Cannot use --cluster-tls-cert-file 'c': the certificate has no key; add --cluster-tls-key-",
  ],
  [
    ["--cluster-tls", "CLUSTER_TLS_KEY_FILE=k"],
    "Cannot use CLUSTER_TLS_KEY_FILE 'k': the key has no certificate; add --cluster-tls-cert-file",
  ],
  [["--cluster-tls", "--cluster-tls-verify=none"], "'none': expected one of full, chain"],
  ...["10.0.0.1", "::1", "a b", "*.example.com", "a:1"].map((name): [string[], string] => [
    ["--cluster-tls", `--cluster-tls-server-name=${name}`],
    `'${name}': expected a host name that the certificates of all nodes have`,
  ]),
  [
    ["--cluster-tls", "--cluster-tls-server-name=a", "--cluster-tls-verify=chain"],
    "Cannot use --cluster-tls-server-name 'a': --cluster-tls-verify chain verifies no name; " +
    "remove one of them",
  ],
  [["--cluster-tls=maybe"], "Cannot use --cluster-tls 'maybe': expected one of "],

  [
    [...SERVER, "--state-file=./k"],
    "Cannot use --state-file './k': TLS_KEY_FILE names the same file; expected a different one",
  ],
  [
    ["--cluster-tls", "--cluster-tls-ca-cert-file=/ca", "MAP_FILE=/ca"],
    "Cannot use MAP_FILE '/ca': --cluster-tls-ca-cert-file names the same file; expected a ",
  ],
];

for (const [words, message] of INVALID) {
  Deno.test(`${words.join(" ")} is invalid`, () => {
    assertThrows(() => config(words), ConfigError, message);
  });
}

Deno.test("a health check takes the options of TLS to clients, and reads no file", () => {
  const cases: [words: string[], clientAuth: string | undefined][] = [
    [[], undefined],
    [SERVER, "no"],
    [[...SERVER, "--tls-ca-cert-file=ca"], "yes"],
    [["--cluster-tls-cert-file=c", "CLUSTER_TLS_VERIFY=x"], undefined],
  ];
  for (const [words, clientAuth] of cases) {
    const read = command(["healthcheck", ...words]);
    const listeners = read.kind === "healthcheck" ? read.listeners : [];
    assertEquals([...new Set(listeners.map((one) => one.clientAuth))], [clientAuth]);
  }
});
