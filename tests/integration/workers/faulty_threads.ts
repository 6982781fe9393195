// Loaded before the program, this has its threads run the faulty program.

import { runInThreads } from "./programs.ts";

runInThreads(new URL("./faulty_worker.ts", import.meta.url));
