// Loaded in place of the program of a thread, this one asks about a node that is no more, and logs
// each answer that is none of an error.

declare function postMessage(message: unknown): void;

/** Nodes have numbers from 1 on. */
const GONE = 0;

const QUESTIONS = [
  ["resolve", { ref: { host: "10.0.0.9", port: 7000 }, from: GONE, agoMs: 0 }],
  ["fetchClients", { key: GONE, upstreams: ["10.0.0.99:1"] }],
  ["upstreamOf", { key: GONE, client: "198.51.100.7:5" }],
  ["suspect", { key: GONE }],
] as const;

const ANSWERED = {
  category: ["nat"],
  level: "info",
  message: ["Answered"],
  rawMessage: "Answered",
  timestamp: 0,
  properties: {},
};

addEventListener("message", (event) => {
  const { data } = event as MessageEvent;
  if ("thread" in data) {
    QUESTIONS.forEach(([type, payload], requestId) => postMessage({ type, payload, requestId }));
  } else if ("value" in data) postMessage({ type: "log", payload: ANSWERED });
  else if (data.requestId !== undefined) {
    postMessage({ replyTo: data.requestId, value: undefined });
  }
});
