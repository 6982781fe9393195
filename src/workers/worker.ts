import { logUncaughtErrors } from "../platform/uncaught_errors.ts";
import type { ThreadTls, TlsMaterial } from "../tls/thread_tls.ts";
import type { ChannelPort } from "./channel.ts";
import type { WorkerInit } from "./messages.ts";
import { WorkerServer } from "./worker_server.ts";

// The program of a worker. The main thread starts and terminates it.

const port = globalThis as unknown as ChannelPort;

port.onmessage = ({ data }: MessageEvent<WorkerInit>) => {
  if (data.tls === undefined) begin(data);
  else beginWithTls(data, data.tls);
};

function begin(init: WorkerInit, tls?: ThreadTls): void {
  new WorkerServer(init, port, tls);
  // An earlier error ends the worker, so the main thread knows that it does not serve.
  logUncaughtErrors();
}

/** Modules for TLS are loaded only if an option asks for it. */
async function beginWithTls(init: WorkerInit, material: TlsMaterial): Promise<void> {
  const early: MessageEvent[] = [];
  port.onmessage = (event: MessageEvent) => early.push(event);
  const { ThreadTls } = await import("../tls/thread_tls.ts");
  begin(init, new ThreadTls(material));
  for (const event of early) port.onmessage(event);
}
