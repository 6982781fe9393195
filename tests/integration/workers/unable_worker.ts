// Loaded in place of the program of a thread, this one cannot begin to serve.

globalThis.setInterval = () => {
  throw new Error("There are no timers");
};

import "../../../src/workers/worker.ts";
