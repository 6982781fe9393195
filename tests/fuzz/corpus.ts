// Cases that random rounds have found, and cases that must always run.

/** Bytes of a node that are not RESP, or unusual RESP. */
export const BROKEN_REPLIES: Record<string, string> = {
  "the end of a stream inside an array": "*?\r\n*2\r\n:1\r\n.\r\n+OK\r\n",
  "the end of a stream after an attribute": "*?\r\n|1\r\n+a\r\n:1\r\n.\r\n+OK\r\n",
  "the end of a stream after an incomplete push": "*?\r\n>2\r\n+a\r\n.\r\n+OK\r\n",
  "the end of a stream after a push": "*?\r\n>1\r\n+a\r\n.\r\n+OK\r\n",
  "an attribute inside a stream inside an attribute": "|1\r\n+k\r\n*?\r\n|1\r\n+a\r\n:1\r\n:2\r\n" +
    ".\r\n>1\r\n+b\r\n+OK\r\n",
  "a stream header with a number": "*?1\r\n+a\r\n.\r\n",
  "a stream header with a minus": "*-?\r\n+a\r\n.\r\n",
  "a streamed push, which is not defined": ">?\r\n+a\r\n.\r\n",
  "a streamed attribute, which is not defined": "|?\r\n+a\r\n+b\r\n.\r\n+c\r\n",
  "a streamed verbatim, which is not defined": "=?\r\n;1\r\na\r\n;0\r\n",
  "a streamed integer": ":?\r\n+OK\r\n",
  "a streamed chunk": "$?\r\n;?\r\n",
  "the end of a stream with a number": "*?\r\n.1\r\n",
  "an integer without digits": ":\r\n:-\r\n",
  "an integer with two signs": ":--1\r\n",
  "a length with two minuses": "$--1\r\n",
  "a push inside a push": ">1\r\n>1\r\n+a\r\n+b\r\n+OK\r\n",
  "a push inside a pushed map": ">2\r\n+a\r\n%1\r\n+k\r\n>1\r\n+b\r\n+c\r\n+OK\r\n",
  "a push with a negative length": ">-1\r\n+OK\r\n",
  "an attribute with a negative length": "|-1\r\n+OK\r\n",
  "a push with a negative length inside": "*1\r\n>-1\r\n+OK\r\n",
};

/** Bytes of a client. */
export const REQUEST_BYTES: Record<string, string> = {
  "an array of length 00 after an empty array": "*0\r\n*00\r\n",
  "line ends with other bytes than CRLF": "*1\rx$4\r$ROLE**\r\n",
};

/** Bytes of a client, some of which are rewritten. */
export const REWRITTEN_REQUESTS: Record<string, string> = {
  "an incomplete command name at the end": "*3\r\n$9\r\nREPLI",
  "an incomplete command name after SYNC": "*1\r\n$4\r\nSYNC\r\n*3\r\n$9\r\nREPLI",
  "an incomplete request whose address is complete":
    "*6\r\n$7\r\nMIGRATE\r\n$14\r\npublic.example\r\n$1\r\n1\r\n$1\r",
};

/** Pipelines, with the fault that each has shown. */
export const PIPELINES: Record<string, string> = {
  // AUTH waited for a reply to the second MONITOR or to SYNC, which never comes.
  "AUTH after a second MONITOR": "MONITOR, MONITOR, AUTH u p, PING",
  "AUTH after a second MONITOR and an empty request": "MONITOR, MONITOR, \n, AUTH p, PING",
  "AUTH after SYNC on a connection that monitors": "MONITOR, SYNC, AUTH p, PING",
  "AUTH after PSYNC on a connection that monitors":
    "MONITOR, PSYNC ? -1, \n, AUTH u p, CLUSTER SLOTS",
  // AUTH waited for results that EXEC announces but does not send.
  "AUTH after REPLCONF ACK in EXEC": "MULTI, REPLCONF ACK 1, EXEC, AUTH p, PING",
  "AUTH after CLIENT REPLY OFF in EXEC": "MULTI, CLIENT REPLY OFF, PING, EXEC, AUTH p",
  "AUTH after CLIENT REPLY SKIP in EXEC": "MULTI, CLIENT REPLY SKIP, EXEC, AUTH p, PING",
  // The session ended, although the last request before AUTH is always answered.
  "AUTH after CLIENT REPLY ON": "GET a, CLIENT REPLY ON, CLUSTER SLOTS, AUTH p, PING",
  "AUTH after an empty request": "ROLE, \r\n, AUTH p, *0\r\n, PING, AUTH p",
  "AUTH after REPLCONF ACK and another request": "REPLCONF ACK 1, CLUSTER NODES, AUTH p, PING",
};
