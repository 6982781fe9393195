/** Makes new workers run another program of this directory until it is disposed. */
export function runInWorkers(program: string): Disposable {
  const { Worker } = globalThis;
  globalThis.Worker = class extends Worker {
    constructor(_program: URL | string, options?: WorkerOptions) {
      super(new URL(program, import.meta.url), options);
    }
  };
  return {
    [Symbol.dispose]() {
      globalThis.Worker = Worker;
    },
  };
}
