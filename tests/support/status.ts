import type { HostPort } from "../../src/platform/address.ts";
import type { NatProcess } from "./nat_process.ts";

/** The option that shows a program on a free port of this machine. */
export const STATUS_FLAG = "--http-addr=127.0.0.1:0";

/** Where a program that has STATUS_FLAG serves its status. */
export async function statusAddress(nat: NatProcess): Promise<HostPort> {
  const [, host, port] = await nat.untilLogged(/Serving the status at http:\/\/(\S+):(\d+)\//);
  return { host: host!, port: Number(port) };
}

/** Gets a path of a program that has STATUS_FLAG. */
export async function getStatus(
  nat: NatProcess,
  path: string,
): Promise<{ status: number; text: string; type: string | null }> {
  const { host, port } = await statusAddress(nat);
  const response = await fetch(`http://${host}:${port}${path}`);
  const { status, headers } = response;
  return { status, text: await response.text(), type: headers.get("content-type") };
}
