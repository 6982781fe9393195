import type { SlotRange } from "../../cluster/node.ts";
import { daysUntil, formatBytes, formatCount, formatDuration, formatNumber } from "./format.ts";
import type { UsedCertificate } from "../../tls/files_watcher.ts";
import type { PageNode, PageStatus } from "./page_status.ts";

/** A problem in plain words. */
export interface Problem {
  /** With an error some requests fail now; a warning is of something that may happen. */
  readonly severity: "error" | "warning";
  readonly title: string;
  /** What follows from it, and what to do. */
  readonly detail: string;
}

/** The log warns of certificates at this time, too. */
const EXPIRY_WARNING_DAYS = 14;

/** The part of a limit from which on it is a problem. */
const NEAR_LIMIT = 0.9;

/** The cluster is silent when this many regular queries in a row had no answer. */
const SILENT_INTERVALS = 3;

/** Queries take some time, so short intervals alone mean nothing. */
const MIN_SILENCE_MS = 15_000;

/** How many ranges of slots, or ports, are listed; the others are only counted. */
const MAX_LISTED = 5;

/** The problems that the proxy and the cluster have now, errors first. */
export function problemsOf(status: PageStatus): Problem[] {
  const problems = [
    ...phaseProblems(status),
    ...slotProblems(status),
    ...nodeProblems(status),
    ...portProblems(status),
    ...discoveryProblems(status),
    ...clientProblems(status),
    ...status.certificates.flatMap((certificate) => expiryProblem(certificate, status.nowMs)),
  ];
  const isError = ({ severity }: Problem) => severity === "error";
  return [...problems.filter(isError), ...problems.filter((problem) => !isError(problem))];
}

/** Formats ranges of slots, such as "0–5460, 5462". */
export function formatSlots(ranges: readonly SlotRange[]): string {
  return listed(
    ranges.map(({ first, last }) => first === last ? `${first}` : `${first}–${last}`),
    "more range",
  );
}

function listed(items: readonly (string | number)[], others: string): string {
  const shown = items.slice(0, MAX_LISTED).join(", ");
  const more = items.length - MAX_LISTED;
  return more > 0 ? `${shown} and ${formatNumber(more, others)}` : shown;
}

/** The number of slots in ranges. */
export function countSlots(ranges: readonly SlotRange[]): number {
  return ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
}

function phaseProblems({ phase, obstacle, clients }: PageStatus): Problem[] {
  if (phase === "starting") {
    return [{
      severity: "warning",
      title: "The proxy waits for the cluster",
      detail: `${obstacle ?? "No node has answered yet"}. Public ports open when it is ready.`,
    }];
  }
  if (phase === "serving") return [];
  return [{
    severity: "warning",
    title: "The proxy is stopping",
    detail: "Its ports close, at once or after --drain-delay. " +
      (clients.used === 0
        ? "No client is connected."
        : `${formatNumber(clients.used, "client")} may still finish.`),
  }];
}

function slotProblems({ uncovered = [] }: PageStatus): Problem[] {
  const count = countSlots(uncovered);
  if (count === 0) return [];
  return [{
    severity: "error",
    title: `${formatNumber(count, "slot")} without an owner`,
    detail: `Requests for keys in slots ${formatSlots(uncovered)} fail. ` +
      "Assign these slots, for example with redis-cli --cluster fix.",
  }];
}

function nodeProblems({ nodes, nowMs }: PageStatus): Problem[] {
  return nodes.flatMap((node) => downProblem(node, nowMs));
}

function portProblems({ withoutPort, unknownPorts, sharingFailure }: PageStatus): Problem[] {
  const problems: Problem[] = [];
  if (withoutPort !== undefined) {
    problems.push({ severity: "error", title: "A node has no public port", detail: withoutPort });
  }
  if (unknownPorts.length > 0) {
    const ports = listed(unknownPorts, "more port");
    problems.push({
      severity: "error",
      title: "Public ports are not known yet",
      detail: `Clients get CLUSTERDOWN instead of ports ${ports}, until each has a line in the ` +
        "file of --public-ports-file.",
    });
  }
  if (sharingFailure !== undefined) {
    problems.push({
      severity: "warning",
      title: "The ports cannot be shared with other proxies",
      detail: `${sharingFailure}. Nodes keep the ports that they have; new nodes wait for theirs.`,
    });
  }
  return problems;
}

function downProblem({ state, privateAddress, name, slots }: PageNode, nowMs: number): Problem[] {
  if (state.status === "up") return [];
  const lost = slots.length === 0
    ? ""
    : ` Requests for keys in slots ${
      formatSlots(slots)
    } fail until then, or until a replica takes ` +
      "over.";
  const since = formatDuration(nowMs - state.sinceMs);
  return [
    state.status === "failed"
      ? {
        severity: "error",
        title: `Node ${privateAddress} has failed`,
        detail: "The cluster marks it as failed and it does not answer, so its clients were " +
          `disconnected. Port ${name} has been closed for ${since}, until the node answers.` +
          lost,
      }
      : {
        severity: "error",
        title: `Node ${privateAddress} does not accept connections`,
        detail: `Port ${name} has been closed for ${since}, until the node accepts connections.` +
          lost,
      },
  ];
}

function discoveryProblems({ phase, discovery, nowMs }: PageStatus): Problem[] {
  const { answeredAtMs, intervalMs, failure } = discovery;
  if (phase !== "serving" || answeredAtMs === undefined) return [];
  const silentMs = nowMs - answeredAtMs;
  if (silentMs < Math.max(MIN_SILENCE_MS, SILENT_INTERVALS * intervalMs)) return [];
  return [{
    severity: "warning",
    title: `The cluster has not answered for ${formatDuration(silentMs)}`,
    detail: "The proxy goes on with the last topology that it knows." +
      (failure === undefined ? "" : ` ${failure}.`),
  }];
}

function clientProblems({ clients, captured, acceptFails }: PageStatus): Problem[] {
  const problems: Problem[] = [];
  if (acceptFails) {
    problems.push({
      severity: "error",
      title: "New clients cannot be accepted",
      detail: "The log has the reason. It is often the limit on open files: raise ulimit -n.",
    });
  }
  if (clients.used >= clients.limit) {
    problems.push({
      severity: "error",
      title: `All ${formatNumber(clients.limit, "client connection")} are in use`,
      detail: "Further clients are refused. Raise --max-connections.",
    });
  } else if (clients.used >= NEAR_LIMIT * clients.limit) {
    problems.push({
      severity: "warning",
      title: `${formatCount(clients.used)} of ${
        formatNumber(clients.limit, "client connection")
      } are in use`,
      detail: "Further clients will soon be refused. Raise --max-connections.",
    });
  }
  if (captured.used >= NEAR_LIMIT * captured.limit) {
    problems.push({
      severity: "warning",
      title: "The memory for replies to rewrite is almost used up",
      detail: `${formatBytes(captured.used)} of ${formatBytes(captured.limit)} are in use. When ` +
        "all is, clients that ask for long replies are disconnected. Raise --capture-limit.",
    });
  }
  return problems;
}

function expiryProblem(
  { name, file: { source, path }, validFromMs, validUntilMs }: UsedCertificate,
  nowMs: number,
): Problem[] {
  const days = daysUntil(validUntilMs, nowMs);
  const renew = `Renew it in ${source} ${path}; the proxy reads the file again by itself.`;
  if (nowMs >= validUntilMs) {
    return [{ severity: "error", title: `The certificate ${name} has expired`, detail: renew }];
  }
  if (nowMs < validFromMs) {
    return [{
      severity: "error",
      title: `The certificate ${name} is not valid yet`,
      detail: "Check the clock of this machine.",
    }];
  }
  if (days >= EXPIRY_WARNING_DAYS) return [];
  const left = days === 0 ? "in less than a day" : `in ${formatNumber(days, "day")}`;
  return [{ severity: "warning", title: `The certificate ${name} expires ${left}`, detail: renew }];
}
