// Loaded in place of the program of a thread, this one fails at everything that it is asked.

declare function postMessage(message: unknown): void;

addEventListener("message", (event) => {
  const { question } = (event as MessageEvent).data;
  if (question === undefined) return;
  const failure = { message: "A fault", stack: "A fault\n    at some place", unmapped: false };
  postMessage({ answers: question, failure });
});
