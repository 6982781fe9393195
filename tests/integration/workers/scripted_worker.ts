// Loaded instead of the program of a worker, this one does what the query of its URL says:
//
// ?fails  fails to handle every request
// ?hangs  handles no request but updates, and logs the first query for clients
// ?late   reports only once
// ?asks   sends requests about a node that was removed, and logs each reply that is not an error

import type { LogRecord } from "../../../src/platform/log_record.ts";
import { Statistics } from "../../../src/proxy/statistics.ts";

declare function postMessage(message: unknown): void;

/** Keys start at 1. */
const REMOVED = 0;

const REQUESTS = [
  ["resolve", { ref: { host: "10.0.0.9", port: 7000 }, from: REMOVED, agoMs: 0 }],
  ["fetchClients", { key: REMOVED, upstreams: ["10.0.0.99:1"] }],
  ["upstreamOf", { key: REMOVED, client: "198.51.100.7:5" }],
  ["suspect", { key: REMOVED }],
] as const;

const FAILURE = { message: "A fault", stack: "A fault\n    at some place", isNoPublicPort: false };

function log(text: string): void {
  const payload: LogRecord = {
    category: "nat",
    level: "info",
    timestamp: 0,
    template: text,
    fields: {},
  };
  postMessage({ type: "log", payload });
}

const mode = new URL(import.meta.url).search;

let hasReported = false;

addEventListener("message", (event) => {
  const { data } = event as MessageEvent;
  const { type, requestId } = data;
  const reply = (result: object) => postMessage({ replyTo: requestId, ...result });
  if (mode === "?asks") {
    if ("thread" in data) {
      REQUESTS.forEach(([type, payload], requestId) => postMessage({ type, payload, requestId }));
    } else if ("value" in data) log("Replied");
    else if (requestId !== undefined) reply({ value: undefined });
  } else if (mode === "?hangs") {
    if (type === "update") reply({ value: [] });
    if (type === "fetchClients") log("Asked");
  } else if (mode === "?late") {
    if (type !== "report") reply({ value: [] });
    else if (!hasReported) {
      hasReported = true;
      const statistics = Object.assign(new Statistics(), { unmapped: 7 });
      reply({ value: { statistics, problems: [] } });
    }
  } else if (requestId !== undefined) reply({ failure: FAILURE });
});
