import { dirname, resolve } from "node:path";
import { OperatorError } from "./operator_error.ts";
import { writeAll } from "./net.ts";

/** Readable to all, as the file of a program is that other programs are to read. */
const NEW_FILE_MODE = 0o644;

/**
 * Puts a text in the place of a file, or makes the file. Whoever reads it meanwhile, and whoever
 * comes after a crash, finds all of the old text or all of the new. The file keeps its mode; of a
 * symbolic link the target is replaced. Of several at once the last to finish stays.
 *
 * @throws {OperatorError} that names the file and what the system has against it; the file is then as it
 * was, and nothing is left beside it
 */
export async function replaceFile(path: string, text: string): Promise<void> {
  await writeBeside(path, text, (temporary, target) => Deno.rename(temporary, target));
}

/**
 * Does all that `replaceFile` does but the last step, so that nothing has changed.
 *
 * @throws {OperatorError} as `replaceFile` would
 */
export async function checkReplaceable(path: string, text: string): Promise<void> {
  await writeBeside(path, text, (temporary) => Deno.remove(temporary));
}

/** Writes a file that is like the one at a path but for the text, and hands over both. */
async function writeBeside(
  path: string,
  text: string,
  finish: (temporary: string, target: string) => Promise<void>,
): Promise<void> {
  try {
    const target = await followLinks(path);
    const mode = await modeOf(target);
    // Only within a file system is a rename one step, so it is in the same directory.
    const temporary = `${target}.${crypto.randomUUID()}`;
    try {
      await writeNew(temporary, text, mode ?? NEW_FILE_MODE);
      // It was made with less than that, if the umask is strict; the old file was made its own.
      if (mode !== undefined) await Deno.chmod(temporary, mode);
      await finish(temporary, target);
    } catch (error) {
      // It may not have come to be; and what went wrong first is what there is to say.
      await Deno.remove(temporary).catch(() => {});
      throw error;
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new OperatorError(`Cannot write the file '${path}': ${reason}`, { cause: error });
  }
}

/** Where a file is or, at the end of links that lead nowhere yet, would be. */
async function followLinks(path: string): Promise<string> {
  try {
    return await Deno.realPath(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const directory = await Deno.realPath(dirname(path));
  const link = await readLink(path);
  return link === undefined ? path : await followLinks(resolve(directory, link));
}

/** What a symbolic link says; undefined if there is none, which may be so only by now. */
async function readLink(path: string): Promise<string | undefined> {
  try {
    const { isSymlink } = await Deno.lstat(path);
    return isSymlink ? await Deno.readLink(path) : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** The permissions of a file; undefined if it does not exist, or the system has none. */
async function modeOf(path: string): Promise<number | undefined> {
  try {
    const { isFile, mode } = await Deno.stat(path);
    // Root could put a file in the place of /dev/null.
    if (!isFile) throw new TypeError("it is a directory or a device, not a file");
    return mode === null ? undefined : mode & 0o777;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function writeNew(path: string, text: string, mode: number): Promise<void> {
  using file = await Deno.open(path, { write: true, createNew: true, mode });
  await writeAll(file, new TextEncoder().encode(text));
  // Without it the rename may survive a loss of power, and the text not.
  await file.sync();
}
