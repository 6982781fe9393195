import type { ClientAuth, NodeMaterial, ServerMaterial } from "./material.ts";

/** A file that an option names. */
export interface OptionFile {
  readonly path: string;
  /** The flag with its dashes, or the environment variable. */
  readonly source: string;
}

/** The files of a certificate and its key. */
export interface IdentityFiles {
  readonly certificates: OptionFile;
  readonly key: OptionFile;
  readonly passphrase: OptionFile | undefined;
}

/** The options of TLS towards clients. */
export interface ServerTlsFiles extends Pick<ServerMaterial, "minVersion"> {
  readonly identity: IdentityFiles;
  /** The CAs of clients' certificates; undefined if clients show none. */
  readonly clientCa: OptionFile | undefined;
  readonly clientAuth: ClientAuth;
}

/** The options of TLS towards nodes. */
export interface NodeTlsFiles extends Pick<NodeMaterial, "serverName" | "verify"> {
  /** Undefined if the proxy shows no certificate to nodes. */
  readonly identity: IdentityFiles | undefined;
  /** The CAs of nodes; undefined for the default roots of the runtime. */
  readonly ca: OptionFile | undefined;
}
