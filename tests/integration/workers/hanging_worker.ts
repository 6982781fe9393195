// Loaded instead of the program of a worker, this one handles no request but the first updates: it
// logs the first query for clients, and then hangs.

declare function postMessage(message: unknown): void;

const ASKED = {
  category: ["nat"],
  level: "info",
  message: ["Asked"],
  rawMessage: "Asked",
  timestamp: 0,
  properties: {},
};

addEventListener("message", (event) => {
  const { type, requestId } = (event as MessageEvent).data;
  if (type === "update") postMessage({ replyTo: requestId, value: [] });
  if (type === "fetchClients") postMessage({ type: "log", payload: ASKED });
});
