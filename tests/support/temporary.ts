import { join } from "node:path";

/**
 * A directory that is removed when its block ends:
 *
 *     await using directory = await TemporaryDirectory.create();
 */
export class TemporaryDirectory implements AsyncDisposable {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  static async create(): Promise<TemporaryDirectory> {
    // The system's directory may be a symbolic link.
    return new TemporaryDirectory(await Deno.realPath(await Deno.makeTempDir({ prefix: "nat-" })));
  }

  /** The path of a file in it. */
  at(name: string): string {
    return join(this.#path, name);
  }

  /** Its entries by name: the text of a file, `-> target` of a link, `/` for a directory. */
  async read(): Promise<Record<string, string>> {
    const found: Record<string, string> = {};
    for await (const { name, isSymlink, isDirectory } of Deno.readDir(this.#path)) {
      const path = this.at(name);
      if (isSymlink) found[name] = `-> ${await Deno.readLink(path)}`;
      else found[name] = isDirectory ? "/" : await Deno.readTextFile(path);
    }
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#path, { recursive: true });
  }
}
