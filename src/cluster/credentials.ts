/** As whom the proxy itself talks to the nodes. */
export interface Credentials {
  /** Undefined for the default user. */
  readonly username: string | undefined;
  /** The password, or the path of a file that holds it and is read for each connection. */
  readonly password: string | { readonly file: string };
}

/** A password file cannot be used now. The message is for the operator. */
export class PasswordFileError extends Error {
  override readonly name = "PasswordFileError";
}

/**
 * The password as it is now: a file may have another one than a minute ago, under the same path or
 * behind another symbolic link, as Kubernetes rotates secrets.
 *
 * @throws {PasswordFileError} when there is a file and no password in it
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
  const found = passwordIn(text);
  if (found !== "") return found;
  throw new PasswordFileError(`The password file '${password.file}' is empty; write a password`);
}

/** The password in the text of a file; a line break at its end does not count. */
export function passwordIn(text: string): string {
  return text.replace(/\r?\n$/, "");
}
