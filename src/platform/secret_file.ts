/** The secret in a file: its text without a line break at the end. */
export function secretIn(text: string): string {
  return text.replace(/\r?\n$/, "");
}

/** The mode bits that give access to users who are neither the owner nor in the group. */
const OTHERS_MODE = 0o007;

/**
 * The warning if every user of this machine can read or write a file with a secret. It is no error,
 * because Docker mounts secrets with such a mode.
 *
 * @param source the option that names the file
 */
export function openSecretWarning(path: string, source: string): string | undefined {
  const mode = modeOf(path);
  if (mode === undefined || (mode & OTHERS_MODE) === 0) return undefined;
  return `The file of ${source} can be read or written by every user of this machine; ` +
    `run chmod o= '${path}'`;
}

/** Undefined on Windows, and for a file that is gone. */
function modeOf(path: string): number | undefined {
  try {
    return (Deno.build.os !== "windows" && Deno.statSync(path).mode) || undefined;
  } catch {
    return undefined;
  }
}
