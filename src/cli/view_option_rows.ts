import { MAX_PORT } from "../platform/address.ts";
import type { Option } from "./option.ts";
import { count, publicHost, publicIp, text } from "./option_types.ts";
import { views, viewTls } from "./view_types.ts";

/** The options of what clients are shown. */
export const VIEW_OPTION_ROWS = [
  {
    name: "public-host",
    env: "PUBLIC_HOST",
    type: publicHost,
    help: "Host name or IP address, without a port, to advertise to clients; by default the host " +
      "of --listen-addr, or 127.0.0.1 if that has no host. With the word reached, each client is " +
      "shown the address to which it has connected.",
  },
  {
    name: "public-ip",
    env: "PUBLIC_IP",
    type: publicIp,
    help:
      "IP address to advertise where servers report one, if --public-host is a name; the name " +
      "stays where servers report host names. By default --public-host stands for both.",
  },
  {
    name: "public-port",
    env: "PUBLIC_PORT",
    type: count(1, MAX_PORT, "PORT"),
    help: "Port at which clients reach the first port of --listen-addr, if something between " +
      "changes ports, such as docker -p; the others follow in step.",
  },
  {
    name: "public-ports-file",
    env: "PUBLIC_PORTS_FILE",
    type: text("PATH"),
    help: "File with a line for each port of --listen-addr: the port, and the port at which " +
      "clients reach it. It is read when it appears and when it changes; until then clients that " +
      "would need a port get CLUSTERDOWN, and retry.",
  },
  {
    name: "view",
    env: "VIEWS",
    isRepeated: true,
    type: views,
    help:
      "One more set of listeners, whose clients are shown another HOST; LISTEN is the address " +
      "for the first node, and PORT the public port of that, if it differs. Repeat the flag for " +
      "several, or separate them by semicolons.",
  },
  {
    name: "view-tls",
    env: "VIEW_TLS",
    isRepeated: true,
    type: viewTls,
    help: "Files with the certificate and the key of a view, and with the CA certificates of its " +
      "clients, in PEM form; by default a view has those of --tls-cert-file and so on.",
  },
] as const satisfies readonly Option[];
