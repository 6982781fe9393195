// Loaded before the program, this makes its workers run the faulty program.

import { runInWorkers } from "./run_in_workers.ts";

runInWorkers("faulty_worker.ts");
