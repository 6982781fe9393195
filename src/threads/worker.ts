import { surviveErrors } from "../survival.ts";
import type { LinePort } from "./line.ts";
import { ServingThread } from "./serving_thread.ts";
import type { Beginning } from "./talk.ts";

// The program of every thread but the first, which starts it and ends it.

const port = globalThis as unknown as LinePort;

port.onmessage = ({ data }: MessageEvent<Beginning>) => {
  new ServingThread(data, port);
  // Before, an error ends the thread, and so tells the owner that it does not serve.
  surviveErrors();
};
