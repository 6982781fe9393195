// Loaded in place of the program of a thread, this one closes itself when it has done what it was
// told first. Nobody is told of that.

addEventListener("message", (event) => {
  if ((event as MessageEvent).data.type === "publish") close();
});

import "../../../src/workers/worker.ts";
