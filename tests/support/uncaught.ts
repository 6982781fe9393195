// Preloaded into the program: raises uncaught errors on a signal.

Deno.addSignalListener("SIGUSR1", () => {
  Promise.reject(new Error("A promise that nobody awaits"));
});

Deno.addSignalListener("SIGUSR2", () => {
  setTimeout(() => {
    throw new Error("A timer that nobody watches");
  });
});
