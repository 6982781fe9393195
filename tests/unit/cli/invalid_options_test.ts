import { assert, assertThrows } from "@std/assert";
import { ConfigError } from "../../../src/cli/config_error.ts";
import { config, NODE_ID, wordsOf } from "./command.ts";

/** Command lines, and a part of their error. */
const INVALID: Record<string, string> = {
  "--listen-addr=8000":
    "The host is neither a host name nor an IP address in --listen-addr '8000'; " +
    "expected [host]:port, such as :8000",
  "LISTEN_ADDR=:80x": "The port is not a number up to 65535 in LISTEN_ADDR ':80x'; expected",
  "--listen-addr=host": "The port is missing in --listen-addr 'host'; ",
  "--listen-addr=:": "The port is not a number up to 65535 in --listen-addr ':'; ",
  "--listen-addr=:-1": "The port is not a number up to 65535 in --listen-addr ':-1'; ",
  "--listen-addr=:65536": "The port is not a number up to 65535 in --listen-addr ':65536'; ",
  "--listen-addr=::1:8000": "The IPv6 address has no brackets in --listen-addr '::1:8000'; ",
  "--listen-addr=[::x]:8000": "The brackets contain no IPv6 address in --listen-addr",
  "--listen-addr=[]:8000": "The brackets contain no IPv6 address in --listen-addr",
  "--listen-addr=*:8000": "The host is neither a host name nor an IP address in --listen-addr",
  "--listen-addr=a:b:c": "The colons or brackets do not match host:port in --listen-addr",
  "--listen-addr=:80\n01": "The port is not a number up to 65535 in --listen-addr ':80\\n01'; ",
  "--listen-addr=:65473":
    "Ports 65473 to 65536 exceed 65535; lower the port of --listen-addr or lower --max-nodes " +
    "(now 64)",
  "LISTEN_ADDR=:65535 MAX_NODES=2": "Ports 65535 to 65536 exceed 65535; ",

  "CLUSTER_ADDR=": "No cluster is given; set --cluster-addr or CLUSTER_ADDR to host:port",
  "--cluster-addr=::1": "The IPv6 address has no brackets in --cluster-addr '::1'; expected",
  "--cluster-addr=a,b:x": "The port is not a number up to 65535 in --cluster-addr 'b:x'; ",
  "--cluster-addr=a,,b": "A host is missing in --cluster-addr 'a,,b'; expected",
  "CLUSTER_ADDR=a,": "A host is missing in CLUSTER_ADDR 'a,'; expected host:port of",
  "--cluster-addr=:7000": "A host is missing in --cluster-addr ':7000'; ",
  "--cluster-addr=a:0": "A port is 0 in --cluster-addr 'a:0'; ",
  "--cluster-addr=1.2.3": "The host is neither a host name nor an IP address in --cluster-addr",

  "--public-host=a:8000":
    "Cannot use --public-host 'a:8000': it has a port; leave that out, the proxy adds the port",
  "PUBLIC_HOST=[::1]:8000": "Cannot use PUBLIC_HOST '[::1]:8000': it has a port; ",
  "--public-host=a:": "Cannot use --public-host 'a:': it has a port; ",
  "--public-host=0.0.0.0":
    "Cannot use --public-host '0.0.0.0': no client can connect to it; expected the host name or " +
    "IP address that clients connect to",
  "--public-host=::": "Cannot use --public-host '::': no client can connect to it; ",
  "--public-host=[::]": "Cannot use --public-host '[::]': no client can connect to it; ",
  "--public-host=0:0::0": "Cannot use --public-host '0:0::0': no client can connect to it; ",

  "--public-ip=a.b": "Cannot use --public-ip 'a.b': it is no IP address; expected the IP address",
  "--public-ip=10.1": "Cannot use --public-ip '10.1': it is no IP address; expected the IP address",
  "PUBLIC_IP=203.0.113.7:8000": "Cannot use PUBLIC_IP '203.0.113.7:8000': it has a port; leave",
  "--public-ip=[::1]:8000": "Cannot use --public-ip '[::1]:8000': it has a port; leave that out",
  "--public-ip=0.0.0.0": "Cannot use --public-ip '0.0.0.0': no client can connect to it; expected",
  "--public-ip=[::]": "Cannot use --public-ip '[::]': no client can connect to it; expected the IP",
  "--public-ip=203.0.113.7":
    "Cannot use --public-ip '203.0.113.7': the public host is an IP address, too: '127.0.0.1'; " +
    "set --public-host to a name, or leave --public-ip out",
  "PUBLIC_IP=203.0.113.7 --public-host=203.0.113.7":
    "Cannot use PUBLIC_IP '203.0.113.7': the public host is an IP address, too: '203.0.113.7'; ",
  "--public-ip=::1 --public-host=reached":
    "Cannot use --public-ip '::1': the public host is an IP address, too: 'reached'; set --public",
  "PUBLIC_IP=::1 --public-host=localhost": "Cannot use PUBLIC_IP '::1': the public host is an IP",

  "--public-port=0": "Cannot use --public-port '0': expected a whole number from 1 to 65535",
  "PUBLIC_PORT=:80": "Cannot use PUBLIC_PORT ':80': expected a whole number from 1 to 65535",
  "--public-port=65473":
    "Cannot use --public-port '65473': port 8063 would be public at 65536, which is not from 1 to " +
    "65535; change --public-port or --port-map, or lower --max-nodes",
  "--public-port=1000 --port-map=a:1=7000": "port 7000 would be public at 0, which is not from",
  "--public-port=1000 --listen-addr=:0":
    "Cannot use --public-port '1000': free ports have no fixed public ports; set a port other " +
    "than 0 in --listen-addr",
  "--port-map=a:1=8001:443 --listen-addr=:0": "Cannot use --port-map 'a:1=8001:443': free ports",
  "--port-map=a:1=8001:8002":
    "Cannot use --port-map 'a:1=8001:8002': ports 8001 and 8002 would both be public at 8002; " +
    "change --public-port or --port-map",
  "--public-port=9000 --port-map=a:1=8001:9000":
    "Cannot use --public-port '9000': ports 8000 and 8001 would both be public at 9000; change",
  "--port-map=a:1=8001:443,a:2=8002:443":
    "Cannot use --port-map 'a:2=8002:443': 'a:1=8001:443' has the same public port; expected each",

  "--public-ports-file=f PUBLIC_PORT=31000":
    "Both PUBLIC_PORT and --public-ports-file are set; expected one",
  "PUBLIC_PORTS_FILE=f --port-map=a:1=8003,b:1=8004:443":
    "Cannot use --port-map 'a:1=8003,b:1=8004:443': the public port of 8004 comes from " +
    "PUBLIC_PORTS_FILE; leave :443 out",
  "--public-ports-file=/a/b --map-file=/a/./b":
    "Cannot use --map-file '/a/./b': --public-ports-file names the same file; expected a different",

  "MAX_NODES=0": "Cannot use MAX_NODES '0': expected a whole number from 1 to 1024",

  "--port-map=a:1=8000,b:1":
    "Cannot use --port-map 'b:1': expected ID=PORT or HOST:PORT=PORT, each with :PUBLIC or without, several separated by commas",
  "PORT_MAP=a:1=8000,,b:1=8001": "Cannot use PORT_MAP '': expected ID=PORT or HOST:PORT=PORT,",
  "--port-map=a:0=1": "Cannot use --port-map 'a:0=1': the node's port is 0; expected ID=PORT",
  "--port-map=:1=1": "Cannot use --port-map ':1=1': no node has that host; expected ID=PORT",
  "--port-map=[::]:1=1": "Cannot use --port-map '[::]:1=1': no node has that host; expected",
  "--port-map=a=1": "The port is missing in --port-map 'a'; expected ID=PORT or HOST:PORT=PORT",
  [`--port-map=${NODE_ID.slice(1)}=1`]: `The port is missing in --port-map '${NODE_ID.slice(1)}'`,
  "--port-map=::1:1=2": "The IPv6 address has no brackets in --port-map '::1:1'; expected ID=",
  "--port-map=a:x=2": "The port is not a number up to 65535 in --port-map 'a:x'; expected ID=",
  "--port-map=a b:1=2": "The host is neither a host name nor an IP address in --port-map 'a b:",
  "--port-map=a:1=8000,b:1=8001,A:1=8002":
    "Cannot use --port-map 'A:1=8002': 'a:1=8000' has the same node; expected each node once",
  [`--port-map=${NODE_ID}=1,${NODE_ID.toUpperCase()}=2`]: `: '${NODE_ID}=1' has the same node; `,
  "--port-map=[::1]:1=8000,[0:0::1]:1=8001":
    "'[0:0::1]:1=8001': '[::1]:1=8000' has the same node; ",
  "PORT_MAP=a:1=8000,b:1=8000":
    "Cannot use PORT_MAP 'b:1=8000': 'a:1=8000' has the same port; expected each port once",

  "--username=u":
    "Cannot use --username 'u': there is no password; add --password or --password-file",
  "CLUSTER_USERNAME=u": "Cannot use CLUSTER_USERNAME 'u': there is no password; ",
  "--password=p CLUSTER_PASSWORD_FILE=f":
    "Both --password and CLUSTER_PASSWORD_FILE are set; expected one",

  "--http-addr=9121": "expected [host]:port, such as :9121",
  "HTTP_ADDR=:80x": "The port is not a number up to 65535 in HTTP_ADDR ':80x'; ",
  "--http-addr=:8063":
    "Cannot use --http-addr ':8063': the port is one of those for nodes (--listen-addr, " +
    "--max-nodes, --port-map, --view); expected another",
  "HTTP_ADDR=10.0.0.1:9000 PORT_MAP=a:1=9000": "': the port is one of those for nodes (",

  "START_TIMEOUT=1": "Cannot use START_TIMEOUT '1': expected a number and ms, s, m or h",
  "--start-timeout=597h": "Cannot use --start-timeout '597h': it is too long; ",
  "--refresh-interval=99ms":
    "Cannot use --refresh-interval '99ms': it is too short; expected at least 100ms",
  "REFRESH_INTERVAL=0.1ms": "Cannot use REFRESH_INTERVAL '0.1ms': it is too short; ",
  "--refresh-interval=10": "Cannot use --refresh-interval '10': expected a number and ms, s, m",
  "--refresh-interval=597h": "Cannot use --refresh-interval '597h': it is too long; ",
  "--forget-after=1d": "Cannot use --forget-after '1d': expected a number and ms, s, m or h",
  "FORGET_AFTER=never": "Cannot use FORGET_AFTER 'never': expected a number and ms, s, m or h",

  "--shared-ports=": "No value for --shared-ports; write --shared-ports=KEY",
  "SHARED_PORTS=k --listen-addr=:0":
    "With SHARED_PORTS all proxies have the same ports, but the port of --listen-addr is 0; set it",

  "--state-file=/a/b --map-file=/a/b":
    "Cannot use --map-file '/a/b': --state-file names the same file; expected a different one",
  "STATE_FILE=b --map-file=./a/../b": "'./a/../b': STATE_FILE names the same file; expected a d",
  "--password-file=/p --state-file=/p":
    "Cannot use --state-file '/p': --password-file names the same file; expected a different one",
  "--password-file=/p MAP_FILE=//p": "Cannot use MAP_FILE '//p': --password-file names the same",

  "START_DELAY=5s": "Cannot use START_DELAY '5s': expected a number of seconds, such as 5",
  "START_DELAY=-1": "Cannot use START_DELAY '-1': expected a number of seconds, such as 5",
  "START_DELAY=9999999": "Cannot use START_DELAY '9999999': it is too long; ",

  "--max-connections=0": "Cannot use --max-connections '0': expected a whole number from 1",
  "--max-connections=1 NUM_BUFFERS=1":
    "Both --max-connections and NUM_BUFFERS are set; expected one",
  "-maxConcurrentConnections=1 -numberOfBuffers=1":
    "Both --max-concurrent-connections and --number-of-buffers are set; expected one",
  "-maxConcurrentConnections=0":
    "Cannot use --max-concurrent-connections '0': expected a whole number from 1",
  "--threads=0": "Cannot use --threads '0': expected a whole number from 1 to 64, or auto",
  "--threads=65": "Cannot use --threads '65': expected a whole number from 1 to 64, or auto",
  "THREADS=all": "Cannot use THREADS 'all': expected a whole number from 1 to 64, or auto",
  "--connect-timeout=0": "Cannot use --connect-timeout '0': expected a duration greater than 0",
  "--keepalive=60s": "Cannot use --keepalive '60s': expected one of 0, 1, true, yes, on, false",
  "--capture-limit=1000": "Cannot use --capture-limit '1000': expected a whole number from 104",
  "--idle-timeout=5": "Cannot use --idle-timeout '5': expected a number and ms, s, m or h",
  "--number-of-buffers=0": "Cannot use --number-of-buffers '0': expected a whole number from 1",
  "NUM_BUFFERS=many": "Cannot use NUM_BUFFERS 'many': expected a whole number from 1",
  "--read-buffer-byte-size=511":
    "Cannot use --read-buffer-byte-size '511': expected a whole number from 512 to 16777216",
  "BUF_SIZE_BYTES=16777217": "Cannot use BUF_SIZE_BYTES '16777217': expected a whole number",
  "BUF_SIZE_BYTES=16k": "Cannot use BUF_SIZE_BYTES '16k': expected a whole number from 512",

  "--debug=maybe": "Cannot use --debug 'maybe': expected one of ",
  "DEBUG=2": "Cannot use DEBUG '2': expected one of ",
  "--check=x": "Cannot use --check 'x': expected one of ",
  "--help=x": "Cannot use --help 'x': expected one of ",
  "--version=constructor": "Cannot use --version 'constructor': expected one of ",
  "--log-level=loud":
    "Cannot use --log-level 'loud': expected one of debug, info, warning, warn, error",
  "LOG_LEVEL=trace": "Cannot use LOG_LEVEL 'trace': expected one of debug, info, warning",
  "--log-format=xml": "Cannot use --log-format 'xml': expected one of text, json",
  "--no-such-flag": "Unknown flag --no-such-flag",
};

/** Values that an option refuses, and its error, which may have the value. */
const REFUSED: [option: string, values: string[], message: string][] = [
  ["public-host", ["a b", "a/b", "http://a", "-a", "a..b", "ä", "[a]", "[10.0.0.1]"], "VALUE"],
  ["public-host", ["10.0.0.1.", "[localhost]", "10.0.0", "256.0.0.1", "1", "010.0.0.1"], "VALUE"],
  ["public-host", ["::g", "fe80::1%eth0", "a".repeat(64)], "VALUE"],
  ["public-host", ["a\r\nb"], "a\\r\\nb"],
  ["port-map", ["x", "a:1", "=8000", "a:1=", "a:1=x", "a:1=-1", "a:1=1.5", "a:1=2=3"], ""],
  ["port-map", ["a:1=2:", "a:1=2:x", "a:1=:2", "a:1=2:3:4", "a:1=2:-3"], ""],
  ["port-map", ["a:1 = 2", "a=1;b=2", ",a:1=2", "a:1=2,", NODE_ID, "a:1=2 b:1=3"], ""],
  [
    "port-map",
    ["a:1=0", "a:1=65536", "a:1=99999999999999999999", "a:1=0:1", "a:1=1:0", "a:1=1:65536"],
    "VALUE': the port is not from 1 to 65535; expected ID=PORT",
  ],
  [
    "max-nodes",
    ["0", "1025", "-1", "1.5", "1e2", "x", " 4"],
    "VALUE': expected a whole number from 1 to 1024",
  ],
  [
    "start-timeout",
    ["60", "s", "-1s", "1 s", "1d", "1m30s", "0x1s", ".5s", "infinity"],
    "VALUE': expected a number and ms, s, m or h, such as 500ms or 60s, or 0",
  ],
];
for (const [option, values, message] of REFUSED) {
  for (const value of values) {
    INVALID[`--${option}=${value}`] = `Cannot use --${option} '${message.replace("VALUE", value)}`;
  }
}

for (const [line, message] of Object.entries(INVALID)) {
  Deno.test(`${JSON.stringify(line)} is invalid`, () => {
    const error = assertThrows(() => config(wordsOf(line)), ConfigError, message);
    assert(!/[\r\n]/.test(error.message), error.message);
  });
}

Deno.test("no error repeats a password", () => {
  const cases = [
    "--password=S3CRET --password-file=x",
    "--password=S3CRET --max-nodes=0",
    "--cluster-addr=u:S3CRET,S3CRET@a:1",
    "--public-host=u:S3CRET@a",
    "--listen-addr=redis://:S3CRET@a:1",
  ];
  for (const line of cases) {
    const { message } = assertThrows(() => config(wordsOf(line)), ConfigError);
    assert(!message.includes("S3CRET"), message);
  }
});
