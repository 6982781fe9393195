import {
  DEFAULT_VIEW,
  type PublicPort,
  type PublicViewOptions,
  type PublicViewsOptions,
} from "../nat/public_view.ts";
import { isIpv6, isLocalhost, isSameHost, isWildcard, MAX_PORT } from "../platform/address.ts";
import type { MappingOptions } from "../proxy/startup.ts";
import type { OptionReader } from "./command_line.ts";
import { type ConfigError, invalid, type RawValue } from "./config_error.ts";

/** The options that decide on which ports the proxy listens in the first view. */
export type PortOptions = Pick<MappingOptions, "listen" | "maxNodes" | "staticMappings">;

/** The ports on which the proxy may listen; only the fixed ones if it takes free ports. */
export function listenPorts({ listen, maxNodes, staticMappings }: PortOptions): number[] {
  const range = listen.port === 0 ? 0 : maxNodes;
  const ports = Array.from({ length: range }, (_, index) => listen.port + index);
  return [...new Set([...ports, ...staticMappings.map(({ port }) => port)])];
}

/** The ports on which the proxy may listen in a view. */
export function listenPortsIn(view: Pick<PublicViewOptions, "listen">, first: PortOptions) {
  return listenPorts(first).map((port) => port - first.listen.port + view.listen.port);
}

/** What clients are shown, but for the public host of the first view. */
export type ViewOptions = Pick<
  PublicViewsOptions,
  "firstPublicPort" | "publicPorts" | "otherViews"
>;

/**
 * The options --public-port, PUBLIC of --port-map, and --view.
 *
 * @throws {ConfigError} if two listeners would get the same port, or a port is out of range
 */
export function readViews(options: OptionReader, ports: PortOptions): ViewOptions {
  const firstPublicPort = options.get("public-port");
  const publicPorts = (options.get("port-map") ?? []).flatMap(({ port, publicPort }) =>
    publicPort === undefined ? [] : [{ listen: port, public: publicPort }]
  );
  const otherViews = options.get("view") ?? [];
  const isShifted = firstPublicPort !== undefined || publicPorts.length > 0;
  if (isShifted) {
    const raw = options.raw("public-port") ?? options.raw("port-map")!;
    checkPublicPorts(raw, ports, { firstPublicPort, publicPorts });
  }
  if (otherViews.length > 0) checkViews(options.raw("view")!, ports, otherViews);
  return { firstPublicPort, publicPorts, otherViews };
}

function checkPublicPorts(
  raw: RawValue,
  ports: PortOptions,
  { firstPublicPort, publicPorts = [] }: Pick<ViewOptions, "firstPublicPort" | "publicPorts">,
): void {
  const { port: first } = ports.listen;
  if (first === 0) {
    throw invalid(
      raw,
      "free ports have no fixed public ports; set a port other than 0 in --listen-addr",
    );
  }
  const problem = findProblem(listenPorts(ports), publicPorts, (firstPublicPort ?? first) - first);
  if (problem === undefined) return;
  throw invalid(raw, `${problem}; change --public-port or --port-map, or lower --max-nodes`);
}

/** Why ports cannot be public; undefined if they can. */
function findProblem(
  listening: readonly number[],
  publicPorts: readonly PublicPort[],
  shift: number,
): string | undefined {
  const listed = new Map(publicPorts.map((port) => [port.listen, port.public]));
  const takenBy = new Map<number, number>();
  for (const port of listening) {
    const publicPort = listed.get(port) ?? port + shift;
    if (!isPort(publicPort)) {
      return `port ${port} would be public at ${publicPort}, which is not from 1 to ${MAX_PORT}`;
    }
    const other = takenBy.get(publicPort);
    if (other !== undefined) {
      return `ports ${other} and ${port} would both be public at ${publicPort}`;
    }
    takenBy.set(publicPort, port);
  }
  return undefined;
}

function checkViews(
  raw: RawValue,
  first: PortOptions,
  otherViews: readonly PublicViewOptions[],
): void {
  if (first.listen.port === 0) {
    throw invalid(raw, "several views need ports that are known; set a port in --listen-addr");
  }
  const checked = [{ name: DEFAULT_VIEW, listen: first.listen }];
  for (const view of otherViews) {
    const ports = listenPortsIn(view, first);
    const { name, listen, firstPublicPort = listen.port } = view;
    const stray = ports.find((port) => !isPort(port));
    if (stray !== undefined) {
      throw viewError(raw, name, `would listen on port ${stray}, which is not from 1 to`);
    }
    const far = ports.map((port) => port - listen.port + firstPublicPort)
      .find((port) => !isPort(port));
    if (far !== undefined) {
      throw viewError(raw, name, `would have the public port ${far}, which is not from 1 to`);
    }
    for (const other of checked) {
      const port = ports.find((port) => listenPortsIn(other, first).includes(port));
      if (port === undefined || !overlap(listen.host, other.listen.host)) continue;
      throw invalid(
        raw,
        `the views ${other.name} and ${name} would both listen on port ${port}; ` +
          "move one to other ports or another address, or lower --max-nodes",
      );
    }
    checked.push(view);
  }
}

function viewError(raw: RawValue, name: string, problem: string): ConfigError {
  return invalid(
    raw,
    `the view ${name} ${problem} ${MAX_PORT}; change its ports or --port-map, or lower --max-nodes`,
  );
}

/** Whether one port cannot be listened on at both hosts. */
function overlap(one: string, other: string): boolean {
  return addressesOf(one).some((a) =>
    addressesOf(other).some((b) => isSameHost(a, b) || covers(a, b) || covers(b, a))
  );
}

/** Whether a host is a wildcard that includes another host. */
function covers(wildcard: string, host: string): boolean {
  return isWildcard(wildcard) && !(wildcard === "0.0.0.0" && isIpv6(host));
}

function addressesOf(host: string): string[] {
  return isLocalhost(host) ? ["127.0.0.1", "::1"] : [host];
}

function isPort(port: number): boolean {
  return port >= 1 && port <= MAX_PORT;
}
