import { logUncaughtErrors } from "../platform/uncaught_errors.ts";
import type { ChannelPort } from "./channel.ts";
import { WorkerServer } from "./worker_server.ts";
import type { WorkerInit } from "./messages.ts";

// The program of every thread but the first, which starts it and ends it.

const port = globalThis as unknown as ChannelPort;

port.onmessage = ({ data }: MessageEvent<WorkerInit>) => {
  new WorkerServer(data, port);
  // Before, an error ends the thread, and so tells the owner that it does not serve.
  logUncaughtErrors();
};
