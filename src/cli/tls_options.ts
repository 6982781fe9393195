import type { OptionFile } from "../platform/files_watcher.ts";
import type { IdentityFiles, NodeTlsFiles, ServerTlsFiles } from "../tls/tls_files.ts";
import type { OptionReader } from "./command_line.ts";
import { invalid, type RawValue } from "./config_error.ts";
import type { OptionName } from "./options.ts";

/** The files of TLS; they are read, and may not be those that the proxy writes. */
export const TLS_FILE_OPTIONS = [
  "tls-cert-file",
  "tls-key-file",
  "tls-key-passphrase-file",
  "tls-ca-cert-file",
  "cluster-tls-ca-cert-file",
  "cluster-tls-cert-file",
  "cluster-tls-key-file",
  "cluster-tls-key-passphrase-file",
] as const satisfies readonly OptionName[];

/** TLS towards the clients of a view. */
export interface ViewTlsFiles {
  /** The name of the view. */
  readonly name: string;
  readonly files: ServerTlsFiles;
}

/** TLS towards clients. */
export interface ClientTls {
  /** For all views without files of their own; undefined if their clients are served without. */
  readonly tls: ServerTlsFiles | undefined;
  readonly viewTls: readonly ViewTlsFiles[];
}

/**
 * The options of TLS towards clients.
 *
 * @throws {ConfigError} for options that contradict each other
 */
export function readClientTls(
  options: OptionReader,
  views: readonly { readonly name: string }[],
): ClientTls {
  return { tls: readServerTls(options), viewTls: readViewTls(options, views) };
}

/** The files of TLS towards the clients of a view; undefined if they are served without. */
export function tlsOfView(view: string, { tls, viewTls }: ClientTls): ServerTlsFiles | undefined {
  return viewTls.find(({ name }) => name === view)?.files ?? tls;
}

function readServerTls(options: OptionReader): ServerTlsFiles | undefined {
  const identity = readIdentity(options, "tls");
  const ca = options.raw("tls-ca-cert-file");
  if (identity !== undefined) return serverTls(options, identity, ca);
  const stray = ca ?? options.raw("tls-auth-clients") ?? options.raw("tls-min-version");
  if (stray === undefined || options.isSet("view-tls")) return undefined;
  throw invalid(stray, "TLS to clients is off; add --tls-cert-file and --tls-key-file");
}

/**
 * The views with files of their own. All else is as in the first view, and so are the CAs of clients
 * unless the view has some.
 */
function readViewTls(
  options: OptionReader,
  views: readonly { readonly name: string }[],
): ViewTlsFiles[] {
  return (options.get("view-tls") ?? []).map(({ view, certificates, key, ca }) => {
    if (!views.some(({ name }) => name === view)) {
      const raw = { ...options.raw("view-tls")!, text: view };
      throw invalid(raw, "there is no view with this name; add --view, or correct the name");
    }
    const identity = {
      certificates: optionFile(certificates),
      key: optionFile(key),
      passphrase: optionFile(options.raw("tls-key-passphrase-file")),
    };
    const files = serverTls(options, identity, ca ?? options.raw("tls-ca-cert-file"));
    return { name: view, files };
  });
}

function serverTls(
  options: OptionReader,
  identity: IdentityFiles,
  ca: RawValue | undefined,
): ServerTlsFiles {
  const auth = options.raw("tls-auth-clients");
  const clientAuth = options.get("tls-auth-clients") ?? (ca === undefined ? "no" : "yes");
  if (clientAuth !== "no" && ca === undefined) {
    throw invalid(auth!, "no CA is given to verify clients' certificates; add --tls-ca-cert-file");
  }
  return {
    identity,
    clientCa: clientAuth === "no" ? undefined : optionFile(ca),
    clientAuth,
    minVersion: options.get("tls-min-version") ?? "TLSv1.2",
  };
}

/** What the options say about TLS towards nodes without --cluster-tls. */
const NODE_OPTIONS = [
  "cluster-tls-ca-cert-file",
  "cluster-tls-cert-file",
  "cluster-tls-key-file",
  "cluster-tls-key-passphrase-file",
  "cluster-tls-server-name",
  "cluster-tls-verify",
] as const satisfies readonly OptionName[];

/**
 * The options of TLS towards nodes; undefined if it is off. A `rediss://` URL turns it on.
 *
 * @throws {ConfigError} for options that contradict each other, or the URLs
 */
export function readNodeTls(options: OptionReader): NodeTlsFiles | undefined {
  const isOn = isNodeTlsOn(options);
  if (!isOn) {
    const [stray] = NODE_OPTIONS.flatMap((name) => options.raw(name) ?? []);
    if (stray === undefined) return undefined;
    throw invalid(
      stray,
      "TLS to nodes is off; add --cluster-tls, or write rediss:// in --cluster-addr",
    );
  }
  const serverName = options.get("cluster-tls-server-name");
  const verify = options.get("cluster-tls-verify") ?? "full";
  if (serverName !== undefined && verify === "chain") {
    throw invalid(
      options.raw("cluster-tls-server-name")!,
      "--cluster-tls-verify chain verifies no name; remove one of them",
    );
  }
  return {
    identity: readIdentity(options, "cluster-tls"),
    ca: optionFile(options.raw("cluster-tls-ca-cert-file")),
    serverName,
    verify,
  };
}

function isNodeTlsOn(options: OptionReader): boolean {
  const flag = options.get("cluster-tls");
  const scheme = options.get("cluster-addr")?.scheme;
  if (flag === undefined || scheme === undefined || flag === (scheme === "rediss")) {
    return flag ?? scheme === "rediss";
  }
  const { source } = options.raw("cluster-addr")!;
  const reason = flag
    ? `${source} has a redis:// URL, which stands for plain TCP; write rediss://`
    : `${source} has a rediss:// URL, which stands for TLS; write redis://, or remove this option`;
  throw invalid(options.raw("cluster-tls")!, reason);
}

/** The own certificate of the proxy on one side; undefined if it has none. */
function readIdentity(
  options: OptionReader,
  prefix: "tls" | "cluster-tls",
): IdentityFiles | undefined {
  const certificates = options.raw(`${prefix}-cert-file`);
  const key = options.raw(`${prefix}-key-file`);
  const passphrase = options.raw(`${prefix}-key-passphrase-file`);
  if (certificates !== undefined && key !== undefined) {
    return {
      certificates: optionFile(certificates),
      key: optionFile(key),
      passphrase: optionFile(passphrase),
    };
  }
  if (certificates !== undefined) {
    throw invalid(certificates, `the certificate has no key; add --${prefix}-key-file`);
  }
  if (key !== undefined) {
    throw invalid(key, `the key has no certificate; add --${prefix}-cert-file`);
  }
  const isForViews = prefix === "tls" && options.isSet("view-tls");
  if (passphrase === undefined || isForViews) return undefined;
  throw invalid(passphrase, `there is no key to decrypt; add --${prefix}-key-file`);
}

function optionFile(raw: RawValue): OptionFile;
function optionFile(raw: RawValue | undefined): OptionFile | undefined;
function optionFile(raw: RawValue | undefined): OptionFile | undefined {
  return raw && { path: raw.text, source: raw.source };
}
