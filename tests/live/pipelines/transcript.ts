/**
 * The replies of a node on one connection as a flat list of RESP tokens, without parts that always
 * differ between connections or moments. The list is flat because servers nest some replies
 * wrongly (SUBSCRIBE or CLIENT REPLY inside EXEC), which must be comparable, too.
 */

/** The private and public address of a node. */
export interface NamedNode {
  readonly host: string;
  readonly port: number;
  readonly publicPort: number;
}

/** One of two connections with the same requests. */
export interface Identity {
  /** Replaces `§` in requests; as long as the other token. */
  readonly token: string;
  /** The id that the node gives it. */
  readonly id: string;
  /** Its addresses at the node and at the proxy. */
  readonly addresses: readonly string[];
  /** The mapping of private to public addresses, where these are expected. */
  readonly addressMap?: { readonly nodes: readonly NamedNode[]; readonly publicHost: string };
}

/** The text between these was stored by a client and must come back unchanged. */
export const VERBATIM = { open: "<<", close: ">>" };

const VERBATIM_PART = /(<<[^]*?>>)/;

/** A text without the parts that clients stored. */
export function withoutVerbatim(text: string): string {
  return text.split(VERBATIM_PART).filter((_, index) => index % 2 === 0).join("");
}

/** Splits RESP into headers, lines and payloads; an unfinished rest is the last token. */
export function tokensOf(bytes: string): string[] {
  const tokens: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf("\r\n", at);
    if (end < 0) {
      tokens.push(`UNFINISHED ${bytes.slice(at)}`);
      break;
    }
    const head = bytes.slice(at, end);
    at = end + 2;
    const length = /^[$=!](\d+)$/.exec(head)?.[1];
    if (length === undefined) {
      tokens.push(head);
      continue;
    }
    const payload = bytes.slice(at, at + Number(length));
    const closed = bytes.slice(at + Number(length), at + Number(length) + 2) === "\r\n";
    at += Number(length) + 2;
    tokens.push(closed ? `${head[0]}${payload}` : `UNFINISHED ${head} ${payload}`);
  }
  return tokens;
}

/** The tokens of one connection in the form in which both must be equal. */
export function normalized(bytes: string, identity: Identity, other: string): string[] {
  const kept: string[] = [];
  for (const token of withPublicAddresses(tokensOf(bytes), identity)) {
    const line = MONITORED.exec(token);
    if (line === null) kept.push(masked(token, kept, identity));
    else if (isOwn(line, identity, other)) kept.push(shownLine(line, identity));
  }
  return inOrder(kept.map((token) => token.replaceAll(identity.token, "§")));
}

/** Frames that a node sends together in the order of hashes, which differ between the parties. */
interface Unordered {
  /** The first two tokens of such a frame. */
  readonly header: RegExp;
  readonly kind: RegExp;
  /** The number of its tokens; the third has the hash. */
  readonly length: number;
  /** The tokens that all frames of a group share, besides the first two. */
  readonly shared: readonly number[];
}

const UNORDERED: readonly Unordered[] = [
  // The channels of subscriptions that end together; the count after them goes down.
  { header: /^[*>]3$/, kind: /^\$[ps]?unsubscribe$/, length: 4, shared: [] },
  // The patterns that match the channel of a message.
  { header: /^[*>]4$/, kind: /^\$pmessage$/, length: 5, shared: [3, 4] },
];

/** Sorts the third tokens of each group of unordered frames. */
function inOrder(tokens: string[]): string[] {
  for (let from = 0; from < tokens.length; from++) {
    const unordered = UNORDERED.find(({ header, kind }) =>
      header.test(tokens[from]!) && kind.test(tokens[from + 1] ?? "")
    );
    if (unordered === undefined) continue;
    const { length, shared } = unordered;
    const same = [0, 1, ...shared];
    const places: number[] = [];
    let at = from;
    for (; same.every((place) => tokens[at + place] === tokens[from + place]); at += length) {
      places.push(at + 2);
    }
    const sorted = places.map((place) => tokens[place]!).sort();
    for (const [index, place] of places.entries()) tokens[place] = sorted[index]!;
    from = at - 1;
  }
  return tokens;
}

/** Replaces private addresses by public ones, as the proxy must. */
function withPublicAddresses(tokens: string[], { addressMap }: Identity): string[] {
  if (addressMap === undefined) return tokens;
  const { nodes, publicHost } = addressMap;
  let named: NamedNode | undefined;
  return tokens.map((token, index) => {
    const before = tokens[index - 1];
    const [type, text] = [token[0]!, token.slice(1)];
    const byPort = nodes.find(({ port }) => text === `${port}`);
    if ((before === "$port" || before === "$tls-port") && byPort !== undefined) {
      return `${type}${byPort.publicPort}`;
    }
    if (named !== undefined && byPort === named) {
      named = undefined;
      return `${type}${byPort.publicPort}`;
    }
    named = nodes.find(({ host }) => text === host);
    return token.split(VERBATIM_PART).map((part, index) => {
      if (index % 2 === 1) return part;
      for (const { host, port, publicPort } of nodes) {
        part = part.replaceAll(`${host}:${port}`, `${publicHost}:${publicPort}`)
          .replaceAll(new RegExp(`${escaped(host)}(?!\\d)`, "g"), publicHost)
          .replaceAll(
            new RegExp(`(tcp_port:|master_port:|,port=)${port}(?!\\d)`, "g"),
            (_, name) => `${name}${publicPort}`,
          );
      }
      return part;
    }).join("");
  });
}

/** A token without parts that always differ; `before` are the tokens before it. */
function masked(token: string, before: readonly string[], identity: Identity): string {
  const [last, lastButOne] = [before.at(-1), before.at(-2)];
  if (token === `:${identity.id}`) return ":ID";
  if (last === "$replication-offset") return ":OFFSET";
  const isRoleState = /^\$(master|connected|sync|connect)$/.test(last ?? "");
  if (isRoleState && token.startsWith(":")) return ":OFFSET";
  // A replica in ROLE: host, port and offset are bulks.
  if (
    /^\$\d+$/.test(token) && /^\$\d+$/.test(last ?? "") && /^\$[\d.]+\.\d+$/.test(lastButOne ?? "")
  ) {
    return "$OFFSET";
  }
  // The hash of a script that contains the token.
  if (token.startsWith("-")) return token.replace(/script: [0-9a-f]{40}/, "script: HASH");
  const type = token[0]!;
  const text = type === "=" ? token.slice(5) : token.slice(1);
  if (type !== "$" && type !== "=") return token;
  const format = type === "=" ? token.slice(0, 5) : type;
  if (text.includes(VERBATIM.open)) return token;
  if (/^# \w+\r\n/.test(text)) return format + maskedInfo(text);
  if (/^cluster_state:/.test(text)) return format + maskedClusterInfo(text);
  if (/^[0-9a-f]{40} \S* /.test(text)) return format + maskedNodes(text);
  if (/^id=\d+ addr=/.test(text)) return format + maskedClients(text, identity);
  return token;
}

/** The lines of INFO about nodes. */
function maskedInfo(text: string): string {
  const kept = text.split("\r\n").filter((line) =>
    /^(# |tcp_port:|listener\d|role:|master_host:|master_port:|slave\d)/.test(line)
  );
  // After a failover, the former primary still lists its replica for a moment.
  const replicas = text.includes("\r\nrole:slave\r\n") ? /^slave\d/ : /^$/;
  return kept.filter((line) => !replicas.test(line)).map((line) =>
    line.replace(/state=\w+|offset=\d+|lag=\d+/g, "")
  ).join("\n");
}

function maskedClusterInfo(text: string): string {
  return text.match(/^cluster_(state|slots_assigned).*$/gm)!.join("\n");
}

function maskedNodes(text: string): string {
  return text.split("\n").map((line) => {
    const fields = line.split(" ");
    if (fields.length < 8) return line;
    fields[2] = fields[2]!.replace(/,fail\??/, "");
    Object.assign(fields, { 4: "PING", 5: "PONG", 7: "LINK" });
    return fields.join(" ");
  }).join("\n");
}

/** The client's own line, with the fields that do not depend on time. */
function maskedClients(text: string, { addresses }: Identity): string {
  const fields = /^(addr|laddr|name|db|sub|psub|ssub|multi|watch|cmd|user|redir|resp)=/;
  const own = text.split("\n").filter((line) =>
    addresses.some((a) => line.includes(` addr=${a} `))
  );
  return own.map((line) =>
    line.split(" ").filter((field) => fields.test(field)).join(" ")
      .replace(/(?<= |^)addr=\S+/, "addr=SELF").replace(/redir=\d+/, "redir=ID")
  ).join("\n");
}

const MONITORED = /^\+\d+\.\d{6} \[\d+ (\S+)\] (.*)$/s;

/** Whether a line of MONITOR is about the connection itself, not a request that the proxy adds. */
function isOwn(
  [, address, args]: RegExpExecArray,
  { addresses, token }: Identity,
  other: string,
): boolean {
  if (args!.includes(other)) return false;
  const isOurs = args!.includes(token);
  if (address === "lua" ? !isOurs : !addresses.includes(address!)) return false;
  return isOurs || !/^"ping" "/i.test(args!);
}

/** A line of MONITOR without the mode of CLIENT REPLY, which the proxy changes. */
function shownLine([, , args]: RegExpExecArray, { id }: Identity): string {
  const shown = args!.replace(/^("client" "reply") "\w+"/i, "$1 MODE").replace(`"${id}"`, "ID");
  return `+TIME ${shown}`;
}

function escaped(text: string): string {
  return text.replaceAll(".", "\\.");
}
