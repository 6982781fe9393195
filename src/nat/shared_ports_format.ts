import type { Fields } from "../cluster/shared_hash.ts";
import { formatHostPort, MAX_PORT, splitAddress } from "../platform/address.ts";
import { OperatorError } from "../platform/operator_error.ts";
import { claimsById, type PortState, type SharedPorts } from "./shared_ports.ts";

/** A change of the format that older programs would misread gets the next version. */
const VERSION = 1;

const VERSION_FIELD = "version";
const FIRST_PORT_FIELD = "first-port";
const PORT_FIELD = /^port:([1-9]\d{0,4})$/;

/** The hash cannot be used by this program, with these options. */
export class SharedPortsError extends OperatorError {
  override readonly name = "SharedPortsError";
}

/** What a hash holds. */
export interface ParsedPorts {
  readonly ports: SharedPorts;
  /** Why fields cannot be used; each entry completes "The shared ports at '…' are damaged: ". */
  readonly damage: readonly string[];
}

/**
 * Parses the fields of the hash, each of which is about one port:
 *
 * ```
 *   version     1
 *   first-port  8000
 *   port:8000   07c37dfeb235213a872192d90877d0cd55635b91 172.23.0.2:7000
 *   port:8001   retired 3
 * ```
 *
 * Unknown fields are ignored and kept.
 *
 * @param firstPort the port of `--listen-addr`, in which all proxies must agree
 * @throws {SharedPortsError} if the hash is another program's, or another version's
 */
export function parseSharedPorts(fields: Fields, key: string, firstPort: number): ParsedPorts {
  if (fields.size > 0) checkHeader(fields, key, firstPort);
  const ports = new Map<number, PortState>();
  const damage: string[] = [];
  for (const [field, value] of fields) {
    const port = Number(PORT_FIELD.exec(field)?.[1] ?? NaN);
    if (!(port <= MAX_PORT)) continue;
    const state = parseState(value);
    ports.set(port, state);
    if (state.kind !== "damaged") continue;
    damage.push(`field ${field} is neither a node id with its address nor 'retired' with a number`);
  }
  const claims = claimsById(ports);
  for (const [port, state] of ports) {
    if (state.kind !== "claimed" || claims.get(state.id) === port) continue;
    damage.push(
      `field port:${port} has the same node as port:${claims.get(state.id)}, which counts`,
    );
  }
  return { ports, damage };
}

/** Formats the states of ports as fields of the hash; those that identify it come with them. */
export function formatStates(states: SharedPorts, firstPort: number): Map<string, string> {
  const fields = new Map<string, string>();
  if (states.size === 0) return fields;
  fields.set(VERSION_FIELD, `${VERSION}`).set(FIRST_PORT_FIELD, `${firstPort}`);
  for (const [port, state] of states) {
    if (state.kind === "damaged") continue;
    const value = state.kind === "claimed"
      ? `${state.id} ${formatHostPort(state.address)}`
      : `retired ${state.order}`;
    fields.set(`port:${port}`, value);
  }
  return fields;
}

function checkHeader(fields: Fields, key: string, firstPort: number): void {
  const [version, first] = [fields.get(VERSION_FIELD), fields.get(FIRST_PORT_FIELD)];
  if (version === undefined || first === undefined || !/^[1-9]\d{0,8}$/.test(version)) {
    throw new SharedPortsError(
      `The hash '${key}' holds no shared ports of redis-cluster-nat: it needs the fields ` +
        `${VERSION_FIELD} and ${FIRST_PORT_FIELD}; use another key with --shared-ports, or ` +
        "delete the hash",
    );
  }
  if (Number(version) > VERSION) {
    throw new SharedPortsError(
      `The shared ports at '${key}' have version ${version}, but this program reads version ` +
        `${VERSION}; run a newer program, or use another key with --shared-ports`,
    );
  }
  if (first === `${firstPort}`) return;
  throw new SharedPortsError(
    `The shared ports at '${key}' begin at ${first}, and those of this proxy at ${firstPort}; ` +
      "set the same port in --listen-addr of all proxies, or use another key with --shared-ports",
  );
}

function parseState(value: string): PortState {
  const [, order] = /^retired (\d{1,15})$/.exec(value) ?? [];
  if (order !== undefined) return { kind: "retired", order: Number(order) };
  const [, id, text] = /^([\da-f]{40}) (.+)$/.exec(value) ?? [];
  const address = splitAddress(text ?? "");
  const isValid = address !== undefined && address.host !== "" && address.port > 0 &&
    address.port <= MAX_PORT;
  return id !== undefined && isValid ? { kind: "claimed", id, address } : { kind: "damaged" };
}
