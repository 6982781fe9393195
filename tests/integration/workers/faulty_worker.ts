// Loaded in place of the program of a thread, this makes errors in it that nobody catches, at a
// signal; and at another one an error that nothing survives.

import "../../support/uncaught.ts";

let deadly = false;

addEventListener("error", (event) => {
  // Nobody else hears of it then, and so nobody prevents what the runtime does about it.
  if (deadly) event.stopImmediatePropagation();
});

Deno.addSignalListener("SIGHUP", () => {
  deadly = true;
  setTimeout(() => {
    throw new Error("An error that ends the thread");
  });
});

import "../../../src/workers/worker.ts";
