// What random rounds have found, and what they should never miss: run before them.

/** Bytes of a node that are not RESP, or only just. */
export const BROKEN_REPLIES: Record<string, string> = {
  "the end of a stream inside an array of it": "*?\r\n*2\r\n:1\r\n.\r\n+OK\r\n",
  "the end of a stream behind an attribute": "*?\r\n|1\r\n+a\r\n:1\r\n.\r\n+OK\r\n",
  "the end of a stream behind half a push": "*?\r\n>2\r\n+a\r\n.\r\n+OK\r\n",
  "the end of a stream behind a push": "*?\r\n>1\r\n+a\r\n.\r\n+OK\r\n",
  "an attribute inside a stream inside an attribute": "|1\r\n+k\r\n*?\r\n|1\r\n+a\r\n:1\r\n:2\r\n" +
    ".\r\n>1\r\n+b\r\n+OK\r\n",
  "a stream mark with a number": "*?1\r\n+a\r\n.\r\n",
  "a stream mark with a minus": "*-?\r\n+a\r\n.\r\n",
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
  "a count of zero behind another": "*0\r\n*00\r\n",
  "a header that ends in anything": "*1\rx$4\r$ROLE**\r\n",
};

/** Bytes of a client, of which some are translated. */
export const TRANSLATED_REQUESTS: Record<string, string> = {
  "half a name at the end": "*3\r\n$9\r\nREPLI",
  "half a name behind a request for a stream": "*1\r\n$4\r\nSYNC\r\n*3\r\n$9\r\nREPLI",
  "half a request that has all that is translated":
    "*6\r\n$7\r\nMIGRATE\r\n$14\r\npublic.example\r\n$1\r\n1\r\n$1\r",
};

/** Requests, in the manner of conversations, and what happened to them. */
export const PIPELINES: Record<string, string[]> = {
  // An AUTH waited for an answer to the second MONITOR, or to the SYNC, which there never is.
  "an AUTH behind a second MONITOR": ["MONITOR", "MONITOR", "AUTH u p", "PING"],
  "an AUTH behind that and an empty request": ["MONITOR", "MONITOR", "\n", "AUTH p", "PING"],
  "an AUTH behind a SYNC of a client that monitors": ["MONITOR", "SYNC", "AUTH p", "PING"],
  "an AUTH behind a PSYNC of one": ["MONITOR", "PSYNC ? -1", "\n", "AUTH u p", "CLUSTER SLOTS"],
  // So did one behind a transaction that sends less than it announces.
  "an AUTH behind a REPLCONF ACK in EXEC": ["MULTI", "REPLCONF ACK 1", "EXEC", "AUTH p", "PING"],
  "an AUTH behind an OFF in EXEC": ["MULTI", "CLIENT REPLY OFF", "PING", "EXEC", "AUTH p"],
  "an AUTH behind a SKIP in EXEC": ["MULTI", "CLIENT REPLY SKIP", "EXEC", "AUTH p", "PING"],
  // These were cut off, though the last request before AUTH is always answered.
  "an AUTH behind CLIENT REPLY ON": ["GET a", "CLIENT REPLY ON", "CLUSTER SLOTS", "AUTH p", "PING"],
  "an AUTH behind an empty request": ["ROLE", "\r\n", "AUTH p", "*0\r\n", "PING", "AUTH p"],
  "an AUTH behind REPLCONF ACK and more": ["REPLCONF ACK 1", "CLUSTER NODES", "AUTH p", "PING"],
};
