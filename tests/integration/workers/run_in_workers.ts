/** Makes new workers run another program until it is disposed. */
export function runInWorkers(program: URL): Disposable {
  const { Worker } = globalThis;
  globalThis.Worker = class extends Worker {
    constructor(_program: URL | string, options?: WorkerOptions) {
      super(program, options);
    }
  };
  return {
    [Symbol.dispose]() {
      globalThis.Worker = Worker;
    },
  };
}
