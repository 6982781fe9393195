import type { ClientAuth, NodeMaterial, ServerMaterial } from "../tls/material.ts";
import type { Option } from "./option.ts";
import { booleanFlag, choice, serverName, text } from "./option_types.ts";

/** The options of TLS to clients and to nodes, named as in redis.conf. */
export const TLS_OPTION_ROWS = [
  {
    name: "tls-cert-file",
    env: "TLS_CERT_FILE",
    type: text("PATH"),
    help: "File with the certificate to show to clients, and the intermediate ones, in PEM form; " +
      "with it all public ports speak TLS. All files of TLS are read again when they change.",
  },
  {
    name: "tls-key-file",
    env: "TLS_KEY_FILE",
    type: text("PATH"),
    help: "File with the key of this certificate, in PEM form.",
  },
  {
    name: "tls-key-passphrase-file",
    env: "TLS_KEY_PASSPHRASE_FILE",
    type: text("PATH"),
    help: "File with the passphrase of this key, if it is encrypted; a trailing line break is " +
      "ignored.",
  },
  {
    name: "tls-ca-cert-file",
    env: "TLS_CA_CERT_FILE",
    type: text("PATH"),
    help: "File with the CA certificates that verify the certificates of clients, in PEM form.",
  },
  {
    name: "tls-auth-clients",
    env: "TLS_AUTH_CLIENTS",
    type: choice<ClientAuth>({ no: "no", optional: "optional", yes: "yes" }, "no|optional|yes"),
    help: "Whether clients must show a certificate; yes if --tls-ca-cert-file is given, else no.",
  },
  {
    name: "tls-min-version",
    env: "TLS_MIN_VERSION",
    type: choice<ServerMaterial["minVersion"]>({ "1.2": "TLSv1.2", "1.3": "TLSv1.3" }, "1.2|1.3"),
    help: "Lowest version of TLS for clients; 1.2 by default.",
  },
  {
    name: "cluster-tls",
    env: "CLUSTER_TLS",
    type: booleanFlag,
    help: "Connect to the nodes over TLS; a rediss:// URL in --cluster-addr does the same.",
  },
  {
    name: "cluster-tls-ca-cert-file",
    env: "CLUSTER_TLS_CA_CERT_FILE",
    type: text("PATH"),
    help: "File with the CA certificates that verify the certificates of nodes, in PEM form; by " +
      "default those that web browsers trust.",
  },
  {
    name: "cluster-tls-cert-file",
    env: "CLUSTER_TLS_CERT_FILE",
    type: text("PATH"),
    help: "File with the certificate that the proxy shows to nodes, in PEM form; nodes ask for " +
      "one unless tls-auth-clients is no there.",
  },
  {
    name: "cluster-tls-key-file",
    env: "CLUSTER_TLS_KEY_FILE",
    type: text("PATH"),
    help: "File with the key of this certificate, in PEM form.",
  },
  {
    name: "cluster-tls-key-passphrase-file",
    env: "CLUSTER_TLS_KEY_PASSPHRASE_FILE",
    type: text("PATH"),
    help: "File with the passphrase of this key, if it is encrypted; a trailing line break is " +
      "ignored.",
  },
  {
    name: "cluster-tls-server-name",
    env: "CLUSTER_TLS_SERVER_NAME",
    type: serverName,
    help: "Name to verify in the certificates of all nodes; by default the address or the " +
      "host name of each node.",
  },
  {
    name: "cluster-tls-verify",
    env: "CLUSTER_TLS_VERIFY",
    type: choice<NodeMaterial["verify"]>({ full: "full", chain: "chain" }, "full|chain"),
    help: "What to verify in the certificates of nodes: full, the default, is the CA and the " +
      "name; chain is the CA only, as Redis itself does.",
  },
] as const satisfies readonly Option[];
