import { surviveErrors } from "../platform/uncaught_errors.ts";
import type { LinePort } from "./channel.ts";
import { ServingThread } from "./worker_server.ts";
import type { Beginning } from "./messages.ts";

// The program of every thread but the first, which starts it and ends it.

const port = globalThis as unknown as LinePort;

port.onmessage = ({ data }: MessageEvent<Beginning>) => {
  new ServingThread(data, port);
  // Before, an error ends the thread, and so tells the owner that it does not serve.
  surviveErrors();
};
