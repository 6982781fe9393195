// Loaded instead of the program of a worker, this one closes itself after the first update. The main
// thread gets no event for that.

addEventListener("message", (event) => {
  if ((event as MessageEvent).data.type === "publish") close();
});

import "../../../src/workers/worker.ts";
