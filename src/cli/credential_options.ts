import type { Credentials } from "../cluster/credentials.ts";
import { DEFAULT_VIEW } from "../nat/public_view.ts";
import { formatHostPort, isLocalhost, isLoopback } from "../platform/address.ts";
import { openSecretWarning, secretIn } from "../platform/secret_file.ts";
import type { OptionReader } from "./command_line.ts";
import { checkExclusive, ConfigError, invalid, quote, type RawValue } from "./config_error.ts";
import { readClientTls, tlsOfView } from "./tls_options.ts";
import type { PortOptions, ViewOptions } from "./view_options.ts";

/**
 * Reads how the proxy logs in to the cluster; undefined if it does not.
 *
 * @param warnings gets what the operator should know, one line each
 * @throws {ConfigError} if options contradict each other, or the password file cannot be used
 */
export function readCredentials(
  options: OptionReader,
  warnings: string[],
): Credentials | undefined {
  const [username, password] = [options.raw("username"), options.raw("password")];
  const file = options.raw("password-file");
  const [user, secret] = [inUrl(options, "username"), inUrl(options, "password")];
  checkExclusive(password, file);
  checkExclusive(username, user);
  checkExclusive(password ?? file, secret);
  if (file !== undefined) checkPasswordFile(file, warnings);
  const found = password?.text ?? secret?.text ?? (file && { file: file.text });
  if (found !== undefined) return { username: (username ?? user)?.text, password: found };
  if (user !== undefined) {
    throw new ConfigError(
      `There is no password for ${user.source}; write redis://user:password@host, or ` +
        "redis://:password@host for the default user, or add --password-file",
    );
  }
  if (username === undefined) return undefined;
  throw invalid(username, "there is no password; add --password or --password-file");
}

/**
 * The credentials for `--login`.
 *
 * @throws {ConfigError} if a view would log in everyone who reaches a port
 */
export function readLogin(
  options: OptionReader,
  { listen, otherViews }: PortOptions & ViewOptions,
  credentials: Credentials | undefined,
): Credentials {
  const { source } = options.raw("login")!;
  if (credentials === undefined) {
    throw new ConfigError(
      `There is no user for ${source} to log in; set --username and --password-file, or do ` +
        `without ${source}`,
    );
  }
  const tls = readClientTls(options, otherViews);
  const unverified = [{ name: DEFAULT_VIEW, listen }, ...otherViews].filter(({ name }) =>
    tlsOfView(name, tls)?.clientAuth !== "yes"
  );
  const balancer = options.raw("accept-proxy-protocol");
  if (balancer !== undefined && unverified.length > 0) {
    throw new ConfigError(
      `With ${source} everyone who reaches the load balancer of ${balancer.source} would be ` +
        "logged in; require client certificates with --tls-auth-clients=yes, or do without " +
        source,
    );
  }
  const open = unverified.find(({ listen: { host } }) => !isLocalhost(host) && !isLoopback(host));
  if (open === undefined) return credentials;
  throw new ConfigError(
    `With ${source} everyone who reaches ${quote(formatHostPort(open.listen))} ` +
      "would be logged in; listen on a loopback address, such as --listen-addr=127.0.0.1:8000, " +
      "or require client certificates with --tls-auth-clients=yes",
  );
}

/** The user or the password in the URLs of the cluster. */
function inUrl(options: OptionReader, part: "username" | "password"): RawValue | undefined {
  const text = options.get("cluster-addr")?.[part];
  if (text === undefined) return undefined;
  const what = part === "username" ? "user" : "password";
  return { text, source: `the ${what} in ${options.raw("cluster-addr")!.source}` };
}

/** Verifies that the file contains a password; each connection reads it again. */
function checkPasswordFile(raw: RawValue, warnings: string[]): void {
  let text: string;
  try {
    text = Deno.readTextFileSync(raw.text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`Cannot read the file of ${raw.source}: ${reason}`, { cause: error });
  }
  if (secretIn(text) === "") throw invalid(raw, "the file is empty; expected a password in it");
  const warning = openSecretWarning(raw.text, raw.source);
  if (warning !== undefined) warnings.push(warning);
}
