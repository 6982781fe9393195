// Loaded instead of the program of a worker, this one fails to handle every request.

declare function postMessage(message: unknown): void;

addEventListener("message", (event) => {
  const { requestId } = (event as MessageEvent).data;
  if (requestId === undefined) return;
  const failure = {
    message: "A fault",
    stack: "A fault\n    at some place",
    isNoPublicPort: false,
  };
  postMessage({ replyTo: requestId, failure });
});
