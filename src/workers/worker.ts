import { logUncaughtErrors } from "../platform/uncaught_errors.ts";
import type { ChannelPort } from "./channel.ts";
import type { WorkerInit } from "./messages.ts";
import { WorkerServer } from "./worker_server.ts";

// The program of a worker. The main thread starts and terminates it.

const port = globalThis as unknown as ChannelPort;

port.onmessage = ({ data }: MessageEvent<WorkerInit>) => {
  new WorkerServer(data, port);
  // An earlier error ends the worker, so the main thread knows that it does not serve.
  logUncaughtErrors();
};
