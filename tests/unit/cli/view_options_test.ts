import { assert, assertEquals, assertThrows } from "@std/assert";
import type { Config } from "../../../src/cli/config.ts";
import { ConfigError } from "../../../src/cli/config_error.ts";
import { config, wordsOf } from "./command.ts";

/** A view in the form of `--view`, with its public host in front of the rest. */
function shown({ otherViews }: Pick<Config, "otherViews">): string[] {
  return otherViews.map(({ name, listen, publicHost, firstPublicPort }) =>
    `${name} ${listen.host}:${listen.port} ${publicHost} ${firstPublicPort}`
  );
}

/** Command lines, and their views besides the first. */
const ACCEPTED: Record<string, string[]> = {
  "": [],
  "--view=outside=:9000,redis.example.com": ["outside :9000 redis.example.com undefined"],
  "--view=vpn=10.8.0.1:8000,10.8.0.1 --listen-addr=10.0.0.1:8000": [
    "vpn 10.8.0.1:8000 10.8.0.1 undefined",
  ],
  "--view=a=:9000,h,31000 --view=b=[::1]:9100,[2001:db8::7]": [
    "a :9000 h 31000",
    "b ::1:9100 2001:db8::7 undefined",
  ],
  "VIEWS=a=:9000,h,31000;b=:9100,h": ["a :9000 h 31000", "b :9100 h undefined"],
  "--view=A_1-x=:9000,localhost": ["A_1-x :9000 127.0.0.1 undefined"],
  "--view=a=:9000,reached": ["a :9000 undefined undefined"],
  // Only ports that overlap are a problem, and only at one address.
  "--view=a=:8002,h --max-nodes=2": ["a :8002 h undefined"],
  "--view=a=127.0.0.2:8000,h --listen-addr=127.0.0.1:8000": ["a 127.0.0.2:8000 h undefined"],
  "--view=a=[::1]:8000,h --listen-addr=0.0.0.0:8000": ["a ::1:8000 h undefined"],
  // Names may resolve to different addresses on different sides.
  "--view=a=:9000,nat.example --public-host=nat.example": ["a :9000 nat.example undefined"],
};

for (const [line, views] of Object.entries(ACCEPTED)) {
  Deno.test(`the views of '${line}'`, () => {
    assertEquals(shown(config(line === "" ? [] : wordsOf(line))), views);
  });
}

/** Command lines, and a part of their error. */
const INVALID: Record<string, string> = {
  "--view=:9000,h": "Cannot use --view ':9000,h': expected NAME=LISTEN,HOST or " +
    "NAME=LISTEN,HOST,PORT, such as outside=:9000,redis.example.com",
  "VIEWS=a=:9000,h;": "Cannot use VIEWS '': expected NAME=LISTEN,HOST or ",
  "--view=1=:9000,h":
    "Cannot use --view '1=:9000,h': its name is not a letter and up to 31 letters, digits, - or _; " +
    "expected NAME=LISTEN,HOST or ",
  "--view=a.b=:9000,h": "its name is not a letter and up to 31 letters, digits, - or _; ",
  [`--view=${"a".repeat(33)}=:9000,h`]: "its name is not a letter and up to 31 letters, ",
  "--view=default=:9000,h":
    "Cannot use --view 'default=:9000,h': default is the view of the other options; give this " +
    "another name",
  "--view=a=:9000": "Cannot use --view 'a=:9000': expected NAME=LISTEN,HOST",
  "--view=a=:9000,": "Cannot use --view 'a=:9000,': expected NAME=LISTEN,HOST",
  "--view=a=:9000,h,": "Cannot use --view 'a=:9000,h,': expected NAME=LISTEN,HOST",
  "--view=a=:9000,h,1,2": "Cannot use --view 'a=:9000,h,1,2': expected NAME=LISTEN,HOST",
  "--view=a=9000,h": "The host is neither a host name nor an IP address in --view '9000'; ",
  "--view=a=:x,h": "The port is not a number up to 65535 in --view ':x'; ",
  "--view=a=:0,h": "Cannot use --view 'a=:0,h': its port is 0; views need ports that are known",
  "--view=a=:9000,h:1": "Cannot use --view 'h:1': it has a port; leave that out",
  "--view=a=:9000,0.0.0.0": "Cannot use --view '0.0.0.0': no client can connect to it; ",
  "--view=a=:9000,h,0": "Cannot use --view '0': expected a whole number from 1 to 65535",
  "--view=a=:9000,h,x": "Cannot use --view 'x': expected a whole number from 1 to 65535",
  "--view=a=:9000,h --view=a=:9100,h":
    "Cannot use --view 'a=:9100,h': 'a' occurs before; expected each name once",
  "--view=a=:9000,h --listen-addr=:0":
    "Cannot use --view 'a=:9000,h': several views need ports that are known; set a port in " +
    "--listen-addr",
  "--view=a=:8063,h":
    "Cannot use --view 'a=:8063,h': the views default and a would both listen on port 8063; move " +
    "one to other ports or another address, or lower --max-nodes",
  "--view=a=10.0.0.1:8063,h": "the views default and a would both listen on port 8063; ",
  "--view=a=:8063,h --listen-addr=10.0.0.1:8000": "the views default and a would both listen on",
  "--view=a=[::1]:8000,h --listen-addr=localhost:8000": "would both listen on port 8000; ",
  "--view=a=[::1]:8000,h --listen-addr=[::]:8000": "would both listen on port 8000; ",
  "--view=a=:9000,h --view=b=:9010,h": "the views a and b would both listen on port 9010; ",
  "--view=a=:9000,h --port-map=x:1=9001": "the views default and a would both listen on port 9001",
  "--view=a=:65500,h":
    "the view a would listen on port 65536, which is not from 1 to 65535; change its ports or " +
    "--port-map, or lower --max-nodes",
  "--view=a=:1000,h --port-map=x:1=7000": "the view a would listen on port 0, which is not from",
  "--view=a=:9000,h,65500": "the view a would have the public port 65536, which is not from 1 to",

  "--view-tls=a=c,k": "Cannot use --view-tls 'a': there is no view with this name; add --view, or",
  "--view=a=:9000,h --view-tls=a=c":
    "Cannot use --view-tls 'a=c': expected NAME=CERT,KEY or NAME=CERT,KEY,CA, the paths of files",
  "--view=a=:9000,h --view-tls=a=c,k,": "Cannot use --view-tls 'a=c,k,': expected NAME=CERT,KEY",
  "--view=a=:9000,h --view-tls=c,k": "Cannot use --view-tls 'c,k': expected NAME=CERT,KEY or ",
  "--view=a=:9000,h --view-tls=default=c,k":
    "Cannot use --view-tls 'default=c,k': default is the view of the other options; ",
  "--view=a=:9000,h VIEW_TLS=a=c,k;a=d,l": "Cannot use VIEW_TLS 'a=d,l': 'a' occurs before; ",
  "--view=a=:9000,h --view-tls=a=c,k --tls-auth-clients=yes":
    "Cannot use --tls-auth-clients 'yes': no CA is given to verify clients' certificates; add",
  "--view=a=:9000,h --view-tls=a=c,k --state-file=k":
    "Cannot use --state-file 'k': --view-tls a names the same file; expected a different one",
  "--view=a=10.0.0.1:9000,h --listen-addr=127.0.0.1:8000 --login --username=u --password=p":
    "With --login everyone who reaches '10.0.0.1:9000' would be logged in; listen on a loopback",
};

for (const [line, message] of Object.entries(INVALID)) {
  Deno.test(`'${line}' is invalid`, () => {
    const error = assertThrows(() => config(wordsOf(line)), ConfigError, message);
    assert(!/[\r\n]/.test(error.message), error.message);
  });
}

/** Options of TLS, and for the views a, b and default the certificate, the CA and who needs one. */
const TLS: [line: string, shown: string[]][] = [
  ["--view-tls=a=c,k", ["a: c k undefined no"]],
  ["--view-tls=a=c,k,ca --view-tls=b=d,l", ["a: c k ca yes", "b: d l undefined no"]],
  ["--view-tls=a=c,k,ca --tls-auth-clients=optional", ["a: c k ca optional"]],
  // What protects the first view protects the others, unless they say otherwise.
  [
    "--view-tls=a=c,k --tls-cert-file=C --tls-key-file=K --tls-ca-cert-file=CA",
    ["a: c k CA yes", "default: C K CA yes"],
  ],
];

for (const [line, expected] of TLS) {
  Deno.test(`the files of TLS with '${line}'`, () => {
    const views = ["--view=a=:9000,h", "--view=b=:9100,h"];
    const { tls, viewTls } = config([...views, ...line.split(" ")]);
    const all = [...viewTls, ...tls === undefined ? [] : [{ name: "default", files: tls }]];
    const texts = all.map(({ name, files: { identity, clientCa, clientAuth } }) =>
      `${name}: ${identity.certificates.path} ${identity.key.path} ${clientCa?.path} ${clientAuth}`
    );
    assertEquals(texts, expected);
    // Messages and metrics name the option, and the view where one option has files of several.
    for (const { name, files: { identity, clientCa } } of viewTls) {
      const source = `--view-tls ${name}`;
      assertEquals([identity.certificates.source, identity.key.source], [source, source]);
      const shared = ["--tls-ca-cert-file", undefined];
      assert([source, ...shared].includes(clientCa?.source), clientCa?.source);
    }
  });
}
