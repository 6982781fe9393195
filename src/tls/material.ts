/** A certificate, the certificates that its issuers have between it and the root, and its key. */
export interface Identity {
  /** PEM, the own certificate first. */
  readonly certificates: string;
  /** PEM, not encrypted. */
  readonly key: string;
}

/** Whether clients show a certificate: never, if they have one, or always. */
export type ClientAuth = "no" | "optional" | "yes";

/** What the proxy shows to clients, and expects of them. */
export interface ServerMaterial {
  readonly identity: Identity;
  /** The CAs of clients' certificates, PEM. */
  readonly clientCa: string | undefined;
  readonly clientAuth: ClientAuth;
  readonly minVersion: "TLSv1.2" | "TLSv1.3";
}

/** What the proxy shows to nodes, and expects of them. */
export interface NodeMaterial {
  /** Undefined if the proxy has no certificate of its own. */
  readonly identity: Identity | undefined;
  /** The CAs of nodes, PEM; undefined for the default roots of the runtime. */
  readonly ca: string | undefined;
  /** The name to verify for all nodes; undefined for the host dialled. */
  readonly serverName: string | undefined;
  /** Whether the name is verified, too, or the chain only. */
  readonly verify: "full" | "chain";
}
