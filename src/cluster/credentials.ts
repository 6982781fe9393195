import { secretIn } from "../platform/secret_file.ts";

/** The user and password for the proxy's own connections to nodes. */
export interface Credentials {
  /** Undefined for the default user. */
  readonly username: string | undefined;
  /** The password, or the path of a file that is read for each connection. */
  readonly password: string | { readonly file: string };
}

/** A password file cannot be read, or is empty. The message is for the operator. */
export class PasswordFileError extends Error {
  override readonly name = "PasswordFileError";
}

/**
 * Returns the current password. A file may change under the same path, or through another symbolic
 * link, as when Kubernetes rotates a secret.
 *
 * @throws {PasswordFileError} if the file cannot be read, or is empty
 */
export async function readPassword({ password }: Credentials): Promise<string> {
  if (typeof password === "string") return password;
  let text: string;
  try {
    text = await Deno.readTextFile(password.file);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new PasswordFileError(`Cannot read the password file '${password.file}': ${reason}`, {
      cause: error,
    });
  }
  const found = secretIn(text);
  if (found !== "") return found;
  throw new PasswordFileError(`The password file '${password.file}' is empty; write a password`);
}
