/** A request, as far as a server that only shows things looks at it. */
export interface HttpRequest {
  readonly method: string;
  /** The path, with its percent escapes and without the query. */
  readonly path: string;
  /** The header Host; undefined in HTTP/1.0. */
  readonly host: string | undefined;
}

/** A request that cannot be answered as it asks, and the status for it (RFC 9110, section 15). */
export class BadRequestError extends Error {
  override readonly name = "BadRequestError";
  readonly status: 400 | 431 | 505;
  /** The method of the request; undefined if that could not be read. */
  readonly method: string | undefined;

  constructor(status: BadRequestError["status"], message: string, method?: string) {
    super(message);
    this.status = status;
    this.method = method;
  }
}

/** Browsers send a kilobyte or two. */
export const MAX_HEAD_BYTES = 8 * 1024;

/**
 * Parses the head of a request, up to the empty line (RFC 9112); undefined if it is incomplete.
 *
 * @throws {BadRequestError} if it is malformed or too long
 */
export function parseHead(text: string): HttpRequest | undefined {
  const end = /\r?\n\r?\n/.exec(text);
  if (end === null) {
    if (text.length < MAX_HEAD_BYTES) return undefined;
    throw new BadRequestError(431, `The head of the request exceeds ${MAX_HEAD_BYTES} bytes`);
  }
  const [first = "", ...lines] = text.slice(0, end.index).split(/\r?\n/);
  const [, method, target, version] = /^([A-Z]+) (\S+) HTTP\/(\d\.\d)$/.exec(first) ?? [];
  if (method === undefined || target === undefined) {
    throw new BadRequestError(400, "The request line is malformed");
  }
  if (version !== "1.1" && version !== "1.0") {
    throw new BadRequestError(505, "Expected HTTP/1.1", method);
  }
  const hosts = lines.filter((line) => /^host:/i.test(line))
    .map((line) => line.slice("host:".length).trim());
  if (hosts.length > 1 || (hosts.length === 0 && version === "1.1")) {
    throw new BadRequestError(400, "Expected one Host header", method);
  }
  return { method, path: pathOf(target), host: hosts[0] };
}

/** The path of a target, which proxies send with the scheme and the host. */
function pathOf(target: string): string {
  return target.replace(/^https?:\/\/[^/?]*/i, "").replace(/[?#].*$/, "") || "/";
}
