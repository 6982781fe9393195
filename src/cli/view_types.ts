import { DEFAULT_VIEW, type PublicViewOptions } from "../nat/public_view.ts";
import { MAX_PORT } from "../platform/address.ts";
import { invalid, quote, type RawValue } from "./config_error.ts";
import { count, listenAddress, type OptionType, publicHost, REACHED } from "./option_types.ts";

/** Names are labels in the log and in metrics. */
const NAME = /^[a-z][\w-]{0,31}$/i;

const EXPECTED_VIEW = "expected NAME=LISTEN,HOST or NAME=LISTEN,HOST,PORT, such as " +
  "outside=:9000,redis.example.com";

/** Views besides the first. No name may occur twice. */
export const views: OptionType<PublicViewOptions[]> = {
  placeholder: "NAME=LISTEN,HOST[,PORT]",
  parse: (raw) => parseEach(raw, parseView, ({ name }) => name),
};

function parseView(raw: RawValue): PublicViewOptions {
  const { name, parts: [listen, host, port, ...more] } = splitEntry(raw, EXPECTED_VIEW);
  if (!listen || !host || port === "" || more.length > 0) throw invalid(raw, EXPECTED_VIEW);
  const part = (text: string) => ({ source: raw.source, text });
  const at = listenAddress.parse(part(listen));
  if (at.port === 0) {
    throw invalid(raw, `its port is 0; views need ports that are known; ${EXPECTED_VIEW}`);
  }
  const shown = publicHost.parse(part(host));
  return {
    name,
    listen: at,
    publicHost: shown === REACHED ? undefined : shown,
    firstPublicPort: port === undefined ? undefined : count(1, MAX_PORT).parse(part(port)),
  };
}

/** The files of TLS of one view; their sources name it. */
export interface ViewTls {
  readonly view: string;
  readonly certificates: RawValue;
  readonly key: RawValue;
  readonly ca: RawValue | undefined;
}

const EXPECTED_TLS = "expected NAME=CERT,KEY or NAME=CERT,KEY,CA, the paths of files in PEM form";

/** The files of TLS of views. No view may occur twice. */
export const viewTls: OptionType<ViewTls[]> = {
  placeholder: "NAME=CERT,KEY[,CA]",
  parse: (raw) => parseEach(raw, parseViewTls, ({ view }) => view),
};

function parseViewTls(raw: RawValue): ViewTls {
  const { name, parts: [certificates, key, ca, ...more] } = splitEntry(raw, EXPECTED_TLS);
  if (!certificates || !key || ca === "" || more.length > 0) throw invalid(raw, EXPECTED_TLS);
  const part = (text: string) => ({ source: `${raw.source} ${name}`, text });
  return {
    view: name,
    certificates: part(certificates),
    key: part(key),
    ca: ca === undefined ? undefined : part(ca),
  };
}

/** Splits `NAME=PART,PART,…`. */
function splitEntry(raw: RawValue, expected: string): { name: string; parts: string[] } {
  const at = raw.text.indexOf("=");
  const name = raw.text.slice(0, at).trim();
  if (at < 0) throw invalid(raw, expected);
  if (!NAME.test(name)) {
    throw invalid(
      raw,
      `its name is not a letter and up to 31 letters, digits, - or _; ${expected}`,
    );
  }
  if (name === DEFAULT_VIEW) {
    throw invalid(raw, `${DEFAULT_VIEW} is the view of the other options; give this another name`);
  }
  return { name, parts: raw.text.slice(at + 1).split(",").map((part) => part.trim()) };
}

/** Parses the entries of a repeated option, or of a variable with semicolons between them. */
function parseEach<T>(
  { source, text }: RawValue,
  parse: (raw: RawValue) => T,
  nameOf: (parsed: T) => string,
): T[] {
  const entries = text.split(SEPARATOR).map((entry) => ({ source, text: entry.trim() }));
  const parsed: T[] = [];
  for (const entry of entries) {
    const one = parse(entry);
    if (parsed.some((other) => nameOf(other) === nameOf(one))) {
      throw invalid(entry, `${quote(nameOf(one))} occurs before; expected each name once`);
    }
    parsed.push(one);
  }
  return parsed;
}

/** Between the entries of a variable; flags are repeated. */
export const SEPARATOR = ";";
