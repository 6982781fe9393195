import { dirname, resolve } from "node:path";
import { OperatorError } from "./operator_error.ts";
import { writeAll } from "./net.ts";

/** Readable by all, because other users may run the programs that read the file. */
const NEW_FILE_MODE = 0o644;

/**
 * Replaces the content of a file, or creates the file. A reader at any time, even after a crash,
 * gets all of the old text or all of the new. The file keeps its mode. A symbolic link stays, and
 * its target is replaced. If several calls run at once, the last one to finish wins.
 *
 * @throws {OperatorError} with the path and the reason; the file is then unchanged, and no
 * temporary file is left
 */
export async function replaceFile(path: string, text: string): Promise<void> {
  await writeTemporary(path, text, (temporary, target) => Deno.rename(temporary, target));
}

/**
 * Does everything that `replaceFile` does except the rename, and so changes nothing.
 *
 * @throws {OperatorError} as `replaceFile` would
 */
export async function checkReplaceable(path: string, text: string): Promise<void> {
  await writeTemporary(path, text, (temporary) => Deno.remove(temporary));
}

/**
 * Writes a temporary file with the mode of the target, and passes the paths of both to `finish`.
 */
async function writeTemporary(
  path: string,
  text: string,
  finish: (temporary: string, target: string) => Promise<void>,
): Promise<void> {
  try {
    const target = await followLinks(path);
    const mode = await modeOf(target);
    // In the same directory, because a rename is atomic only within a file system.
    const temporary = `${target}.${crypto.randomUUID()}`;
    try {
      await writeNew(temporary, text, mode ?? NEW_FILE_MODE);
      // The umask may have cleared bits that the old file has.
      if (mode !== undefined) await Deno.chmod(temporary, mode);
      await finish(temporary, target);
    } catch (error) {
      // The file may not exist; and the first error is the one to report.
      await Deno.remove(temporary).catch(() => {});
      throw error;
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new OperatorError(`Cannot write the file '${path}': ${reason}`, { cause: error });
  }
}

/** Resolves the symbolic links of a path. The file itself need not exist yet. */
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

/** The target of a symbolic link; undefined if there is no link, or no longer. */
async function readLink(path: string): Promise<string | undefined> {
  try {
    const { isSymlink } = await Deno.lstat(path);
    return isSymlink ? await Deno.readLink(path) : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** The mode of a file; undefined if it does not exist, or on Windows. */
async function modeOf(path: string): Promise<number | undefined> {
  try {
    const { isFile, mode } = await Deno.stat(path);
    // Without this, root could replace /dev/null with a file.
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
  // Without this, a power loss may keep the rename and lose the text.
  await file.sync();
}
