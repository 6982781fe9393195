import type { NatProcess } from "./nat_process.ts";

/** The option that shows a program on a free port of this machine. */
export const STATUS_FLAG = "--http-addr=127.0.0.1:0";

/** Gets a path of a program that has STATUS_FLAG. */
export async function getStatus(
  nat: NatProcess,
  path: string,
): Promise<{ status: number; text: string; type: string | null }> {
  const [, url] = await nat.untilLogged(/Serving the status at (http:\S+)\//);
  const response = await fetch(url + path);
  const { status, headers } = response;
  return { status, text: await response.text(), type: headers.get("content-type") };
}
