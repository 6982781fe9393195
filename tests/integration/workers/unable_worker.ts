// Loaded instead of the program of a worker, this one fails before it can serve.

globalThis.BigInt64Array = class {
  constructor() {
    throw new Error("There is no memory");
  }
} as unknown as BigInt64ArrayConstructor;

import "../../../src/workers/worker.ts";
