// Loaded before the program, this has its threads run the faulty program.

const FAULTY = new URL("./faulty_worker.ts", import.meta.url);

globalThis.Worker = class extends Worker {
  constructor(_program: URL | string, options?: WorkerOptions) {
    super(FAULTY, options);
  }
};
