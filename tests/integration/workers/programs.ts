/** Has threads that are started run another program while a block lasts. */
export function runInThreads(program: URL): Disposable {
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
