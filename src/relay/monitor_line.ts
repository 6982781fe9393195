/**
 * Whether a status is a line of MONITOR (replication.c `replicationFeedMonitors`), such as
 * `1700000000.123456 [0 10.0.0.9:4711] "get" "key"`, given the line or its beginning. A script has
 * `lua` instead of an address, and a Unix socket its path, which may hold spaces.
 */
export function isMonitorLine(text: string): boolean {
  return MONITOR_LINE.test(text);
}

const MONITOR_LINE = /^\d+\.\d+ \[\d+ (?:unix:.*?|\S+)\] "/;
