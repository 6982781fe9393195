// Loaded instead of the program of a worker, this one has uncaught errors on some signals, and on
// SIGHUP an error that ends the worker.

import "../../support/uncaught.ts";

let deadly = false;

addEventListener("error", (event) => {
  // The program's own listener does not run, so the runtime ends the worker.
  if (deadly) event.stopImmediatePropagation();
});

Deno.addSignalListener("SIGHUP", () => {
  deadly = true;
  setTimeout(() => {
    throw new Error("An error that ends the thread");
  });
});

import "../../../src/workers/worker.ts";
