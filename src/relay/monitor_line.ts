/**
 * Whether a status is a line of MONITOR (replication.c `replicationFeedMonitors`), such as
 * `1700000000.123456 [0 10.0.0.9:4711] "get" "key"`.
 */
export function isMonitorLine(text: string): boolean {
  return MONITOR_LINE.test(text);
}

/** A script shows `lua` instead of an address; a client on a Unix socket shows a path. */
const MONITOR_LINE = /^\d+\.\d+ \[\d+ (?:unix:.*?|\S+)\] "/;
