// Loaded instead of the program of a worker, this one sends requests about a node that was removed,
// and logs each reply that is not an error.

declare function postMessage(message: unknown): void;

/** Keys start at 1. */
const REMOVED = 0;

const REQUESTS = [
  ["resolve", { ref: { host: "10.0.0.9", port: 7000 }, from: REMOVED, agoMs: 0 }],
  ["fetchClients", { key: REMOVED, upstreams: ["10.0.0.99:1"] }],
  ["upstreamOf", { key: REMOVED, client: "198.51.100.7:5" }],
  ["suspect", { key: REMOVED }],
] as const;

const REPLIED = {
  category: ["nat"],
  level: "info",
  message: ["Replied"],
  rawMessage: "Replied",
  timestamp: 0,
  properties: {},
};

addEventListener("message", (event) => {
  const { data } = event as MessageEvent;
  if ("thread" in data) {
    REQUESTS.forEach(([type, payload], requestId) => postMessage({ type, payload, requestId }));
  } else if ("value" in data) postMessage({ type: "log", payload: REPLIED });
  else if (data.requestId !== undefined) {
    postMessage({ replyTo: data.requestId, value: undefined });
  }
});
