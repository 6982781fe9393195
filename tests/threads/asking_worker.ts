// Loaded in place of the program of a thread, this one asks about a node that is no more, and gives
// a hint for each answer that is none of an error.

declare function postMessage(message: unknown): void;

/** Nodes have numbers from 1 on. */
const GONE = 0;

const QUESTIONS = [
  ["locate", { mention: { host: "10.0.0.9", port: 7000 }, from: GONE, agoMs: 0 }],
  ["clientsAt", { key: GONE, upstreams: ["10.0.0.99:1"] }],
  ["upstreamOf", { key: GONE, client: "198.51.100.7:5" }],
] as const;

addEventListener("message", (event) => {
  const { data } = event as MessageEvent;
  if ("thread" in data) {
    QUESTIONS.forEach(([type, said], question) => postMessage({ type, said, question }));
  } else if ("value" in data) postMessage({ type: "hint" });
  else if (data.question !== undefined) postMessage({ answers: data.question, value: undefined });
});
