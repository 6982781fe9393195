import { formatHostPort, type HostPort, splitAddress } from "../../platform/address.ts";
import type { Value } from "../../resp/frame.ts";
import type { PublicAddresses } from "../public_addresses.ts";

/** The error of CLUSTER MEET, followed by the address (cluster.c `clusterCommand`). */
const INVALID_ADDRESS = "ERR Invalid node address specified: ";

/** The error of a renamed command, followed by its name and first arguments in quotes. */
const UNKNOWN_COMMAND = "ERR unknown command ";

/** Whether the text of an error begins like one that echoes arguments of the request. */
export function echoesArguments(text: string): boolean {
  return text.startsWith(INVALID_ADDRESS) || text.startsWith(UNKNOWN_COMMAND);
}

/**
 * Rewrites an error that echoes the arguments of a request, which may have private addresses
 * because the request was rewritten. An address of no node is one that the client sent, and stays.
 */
export function rewriteEchoedArguments(frame: Value, addresses: PublicAddresses): Value {
  if ("items" in frame || frame.text === null) return frame;
  if (frame.text.startsWith(INVALID_ADDRESS)) {
    const address = splitAddress(frame.text.slice(INVALID_ADDRESS.length));
    const port = address && portAt(address, addresses);
    if (port !== undefined) frame.text = `${INVALID_ADDRESS}${addresses.host}:${port}`;
  } else if (frame.text.startsWith(UNKNOWN_COMMAND)) {
    frame.text = withoutCutArguments(frame.text)
      .replace(
        HOST_AND_PORT,
        (args, before: string, host: string, between: string, port: string) => {
          const known = portAt({ host, port: Number(port) }, addresses);
          return known === undefined ? args : `${before}${addresses.host}${between}${known}`;
        },
      )
      .replace(ADDRESS, (arg) => publicArg(arg, addresses));
  }
  return frame;
}

/**
 * The public port of the node at an address in a request; undefined if no node has that address,
 * because a request may hold any text.
 */
function portAt({ host, port }: HostPort, addresses: PublicAddresses): number | undefined {
  return port > 0 ? addresses.portOf({ host, port, doubtful: true }) : undefined;
}

/** The public form of an argument that may be the `host:port` of a node or of a client. */
function publicArg(arg: string, addresses: PublicAddresses): string {
  const address = splitAddress(arg);
  const port = address && portAt(address, addresses);
  return addresses.clientAt(arg) ??
    (port === undefined ? arg : formatHostPort({ host: addresses.host, port }));
}

/**
 * Removes all arguments if one may be cut: servers send 128 bytes of them at most (server.c
 * `rejectCommandFormat`), and the first half of an address is not recognized as one.
 */
function withoutCutArguments(text: string): string {
  const [before, args] = text.split(ARGS_BEGIN, 2);
  return args === undefined || args.length < MIN_CUT_CHARS ? text : before + ARGS_BEGIN;
}

const ARGS_BEGIN = "with args beginning with: ";

/** Shorter arguments are never cut. Below 128, so that no server's way to count them matters. */
const MIN_CUT_CHARS = 100;

/**
 * A host and a port as two arguments: `'10.0.0.1' '7000'`, before 7.0 in backquotes with a comma.
 */
const HOST_AND_PORT = /(['`])([\w.:-]+)(\1,? \1)(\d{1,5})(?=\1)/g;

/** A host and a port as one argument. */
const ADDRESS = /(?<=['`])[\w.:[\]-]+:\d{1,5}(?=['`])/g;
