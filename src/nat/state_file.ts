import { formatHostPort, MAX_PORT, splitAddress } from "../platform/address.ts";
import type { SavedPort, SavedPorts } from "./port_allocator.ts";
import type { PublicView } from "./public_view.ts";
import { OperatorError } from "../platform/operator_error.ts";

/** Distinguishes the file from JSON of other programs. */
const FORMAT = "redis-cluster-nat state";

/** A change of the format that older programs would misread gets the next version. */
const VERSION = 1;

/**
 * Formats a state file: JSON, with the nodes in the order of ports.
 *
 * @param otherViews the views besides the first
 */
export function formatState(
  { nodes, retired }: SavedPorts,
  otherViews: readonly PublicView[] = [],
): string {
  const portsIn = (rowPort: number) =>
    Object.fromEntries(otherViews.map((view) => [view.name, view.listenPort(rowPort)]));
  const state = {
    format: FORMAT,
    version: VERSION,
    nodes: nodes.toSorted((a, b) => a.port - b.port).map(({ id, address, port }) => ({
      id,
      address: formatHostPort(address),
      port,
      ...otherViews.length > 0 && { views: portsIn(port) },
    })),
    retired,
  };
  return JSON.stringify(state, null, 2) + "\n";
}

/**
 * Reads a state file; undefined if it does not exist. Unknown fields are ignored.
 *
 * @throws {OperatorError} if the file exists and cannot be read, or is invalid
 */
export function readStateFile(path: string): SavedPorts | undefined {
  let bytes: Uint8Array;
  try {
    bytes = Deno.readFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    const reason = error instanceof Error ? error.message : String(error);
    throw new OperatorError(
      `Cannot read the state file '${path}': ${reason}; ` +
        "make it readable, or name another with --state-file",
      { cause: error },
    );
  }
  try {
    return parseState(bytes);
  } catch (error) {
    if (!(error instanceof InvalidState)) throw error;
    throw new OperatorError(`The state file '${path}' ${error.message}`);
  }
}

/** Why a file is invalid and how to fix it; the message completes "The state file '…' ". */
class InvalidState extends Error {}

const REMEDY = "fix it, delete it, or name another with --state-file";

/** Errors never quote the file: it may be another program's, with secrets. */
function parseState(bytes: Uint8Array): SavedPorts {
  const state = parseJson(bytes);
  if (!isRecord(state) || state["format"] !== FORMAT) {
    throw new InvalidState("is not a state of redis-cluster-nat; name another with --state-file");
  }
  const { version } = state;
  if (!isWhole(version, 1, Infinity)) throw invalid("version", "a whole number");
  if (version > VERSION) {
    throw new InvalidState(
      `has version ${version}, but this program reads version ${VERSION}; ` +
        "run a newer program, delete it, or name another with --state-file",
    );
  }
  const { nodes, retired } = state;
  const ids = new Map<string, string>();
  const ports = new Map<number, string>();
  return {
    nodes: listOf("nodes", nodes).map((item, at) => {
      const node = parseNode(item, `nodes[${at}]`);
      claim(ids, node.id, `nodes[${at}].id`);
      claim(ports, node.port, `nodes[${at}].port`);
      return node;
    }),
    retired: listOf("retired", retired).map((item, at) => {
      const port = parsePort(item, `retired[${at}]`);
      claim(ports, port, `retired[${at}]`);
      return port;
    }),
  };
}

function parseJson(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new InvalidState(`is not text in UTF-8; ${REMEDY}`);
  }
  if (text.trim() === "") {
    throw new InvalidState("is empty; delete it, or name another with --state-file");
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    // The rest of that message quotes the file.
    const message = error instanceof Error ? error.message : "";
    const [place = ""] = / \(line \d+ column \d+\)/.exec(message) ?? [];
    throw new InvalidState(`is not JSON${place}; ${REMEDY}`);
  }
}

function parseNode(item: unknown, field: string): SavedPort {
  if (!isRecord(item)) throw invalid(field, "an object");
  const { id, address, port, views } = item;
  if (typeof id !== "string" || !/^[\da-f]{40}$/.test(id)) {
    throw invalid(`${field}.id`, "a node id of 40 hexadecimal digits in lower case");
  }
  // The cluster decides on hosts, so any host is valid.
  const parts = typeof address === "string" ? splitAddress(address) : undefined;
  if (parts === undefined || parts.host === "" || !isWhole(parts.port, 1, MAX_PORT)) {
    throw invalid(`${field}.address`, "host:port");
  }
  return {
    id,
    address: parts,
    port: parsePort(port, `${field}.port`),
    ...views !== undefined && { views: parseViews(views, `${field}.views`) },
  };
}

function parseViews(value: unknown, field: string): Map<string, number> {
  if (!isRecord(value)) throw invalid(field, "an object");
  return new Map(
    Object.entries(value).map(([name, port]) => [name, parsePort(port, `${field}.${name}`)]),
  );
}

function parsePort(value: unknown, field: string): number {
  if (!isWhole(value, 1, MAX_PORT)) throw invalid(field, `a port from 1 to ${MAX_PORT}`);
  return value;
}

function listOf(field: string, value: unknown): unknown[] {
  if (!Array.isArray(value)) throw invalid(field, "a list");
  return value;
}

function claim<T>(claims: Map<T, string>, value: T, field: string): void {
  const other = claims.get(value);
  if (other !== undefined) {
    throw new InvalidState(`is damaged: ${field} is the same as ${other}; ${REMEDY}`);
  }
  claims.set(value, field);
}

function invalid(field: string, expected: string): InvalidState {
  return new InvalidState(`is damaged: ${field} is not ${expected}; ${REMEDY}`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isWhole(value: unknown, min: number, max: number): value is number {
  return Number.isInteger(value) && (value as number) >= min && (value as number) <= max;
}
