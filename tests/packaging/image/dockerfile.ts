import { join, resolve } from "node:path";
import { run } from "../../support/program.ts";

/** What is in an image, and how it is started. */
export interface Image {
  /** Its root directory. */
  readonly root: string;
  /** The base images of all stages. */
  readonly bases: readonly string[];
  readonly user: string;
  readonly entrypoint: readonly string[];
  /** The command of HEALTHCHECK. */
  readonly healthcheck: readonly string[];
  readonly exposed: string;
  readonly stopSignal: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** What an image is built from. */
export interface BuildOptions {
  /** The directory of the Dockerfile and of all that it copies. */
  readonly context: string;
  /** An empty one, for all that comes to be. */
  readonly directory: string;
  /** Build arguments, those that the builder sets itself included. */
  readonly args: Readonly<Record<string, string>>;
  /** The environment that the base images have. */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Builds the image of a Dockerfile without Docker: it does what each line says, in its order, and
 * knows no more instructions than are in use. In the place of every base image there is this
 * machine: what a stage writes lies in a layer above its root directory, which stays as it is.
 * Needs Linux and root.
 *
 * @throws {Error} for what it does not know, and when a line fails
 */
export async function buildImage(options: BuildOptions): Promise<Image> {
  const text = await Deno.readTextFile(join(options.context, "Dockerfile"));
  const build = new Build(options, await copyContext(options));
  for (const instruction of parse(text)) await build.step(instruction);
  return build.image;
}

/** The word that a line begins with, and what follows. */
interface Instruction {
  readonly word: string;
  readonly rest: string;
}

/** Lines without comments, those that end in a backslash joined with the next. */
function parse(text: string): Instruction[] {
  const joined = text.replaceAll(/^\s*(#.*)?\n/gm, "").replaceAll("\\\n", "");
  return joined.trimEnd().split("\n").map((line) => {
    const [, word, rest] = /^([A-Z]+) +(.*)$/.exec(line) ?? [];
    if (word === undefined) throw new Error(`Cannot read the line '${line}'`);
    return { word, rest: rest! };
  });
}

/** The part of the context that .dockerignore lets through: nothing but what it excepts. */
async function copyContext({ context, directory }: BuildOptions): Promise<string> {
  const [all, ...excepted] = (await Deno.readTextFile(join(context, ".dockerignore")))
    .trimEnd().split("\n");
  if (all !== "*") throw new Error(".dockerignore does not begin with *");
  const copy = join(directory, "context");
  await Deno.mkdir(copy);
  for (const line of excepted) {
    if (!line.startsWith("!")) throw new Error(`Cannot read the line '${line}' of .dockerignore`);
    await must(["cp", "--archive", "--parents", line.slice(1), copy], { cwd: context });
  }
  return copy;
}

/** What one FROM begins. */
interface Stage {
  /** Where what it writes lies; all that there is, if it is built from scratch. */
  readonly layer: string;
  readonly variables: Map<string, string>;
  workdir: string;
}

class Build {
  readonly #options: BuildOptions;
  readonly #context: string;
  /** By name, or by number if it has none. */
  readonly #stages = new Map<string, Stage>();
  readonly #bases: string[] = [];
  /** The last one that has begun, or undefined before the first. */
  #stage: Stage | undefined;
  /** Of arguments before the first stage. */
  readonly #globals = new Map<string, string>();
  readonly #config = new Map<string, string>();
  #labels: Record<string, string> = {};

  constructor(options: BuildOptions, context: string) {
    this.#options = options;
    this.#context = context;
  }

  get image(): Image {
    return {
      root: this.#current.layer,
      bases: this.#bases,
      user: this.#setting("USER"),
      entrypoint: JSON.parse(this.#setting("ENTRYPOINT")),
      healthcheck: JSON.parse(/ CMD (\[.*\])$/.exec(this.#setting("HEALTHCHECK"))![1]!),
      exposed: this.#setting("EXPOSE"),
      stopSignal: this.#setting("STOPSIGNAL"),
      labels: this.#labels,
    };
  }

  async step({ word, rest }: Instruction): Promise<void> {
    switch (word) {
      case "ARG":
        return this.#declare(rest);
      case "FROM":
        return await this.#begin(this.#expand(rest));
      case "WORKDIR":
        this.#current.workdir = resolve(this.#current.workdir, this.#expand(rest));
        return await Deno.mkdir(this.#path(this.#current.workdir), { recursive: true });
      case "COPY":
        return await this.#copy(this.#expand(rest));
      case "RUN":
        return await this.#run(rest);
      case "LABEL":
        return this.#label(this.#expand(rest));
      case "USER":
      case "EXPOSE":
      case "STOPSIGNAL":
      case "HEALTHCHECK":
      case "ENTRYPOINT":
        this.#config.set(word, this.#expand(rest));
        return;
      default:
        throw new Error(`Cannot do what ${word} says`);
    }
  }

  get #current(): Stage {
    if (this.#stage === undefined) throw new Error("No FROM before an instruction of a stage");
    return this.#stage;
  }

  #setting(word: string): string {
    const rest = this.#config.get(word);
    if (rest === undefined) throw new Error(`The Dockerfile has no ${word}`);
    return rest;
  }

  /** The value of an argument is what the builder is told, or the default. */
  #declare(rest: string): void {
    const [name, fallback] = rest.split("=") as [string, string?];
    const variables = this.#stage?.variables ?? this.#globals;
    const value = this.#options.args[name] ?? fallback ?? this.#globals.get(name) ?? "";
    variables.set(name, value);
  }

  #expand(text: string): string {
    return text.replaceAll(/\$(?:(\w+)|\{(\w+)\})/g, (_match, plain, braced) => {
      const name = plain ?? braced;
      const value = this.#stage?.variables.get(name) ?? this.#globals.get(name) ??
        this.#options.args[name];
      if (value === undefined) throw new Error(`Nothing sets $${name}`);
      return value;
    });
  }

  async #begin(rest: string): Promise<void> {
    const [, base, name = `${this.#stages.size}`] =
      /^(?:--platform=\S+ +)?(\S+)(?: +AS +(\S+))?$/.exec(rest) ?? [];
    if (base === undefined) throw new Error(`Cannot begin a stage by '${rest}'`);
    const layer = join(this.#options.directory, name, "layer");
    await Deno.mkdir(layer, { recursive: true });
    this.#stage = { layer, variables: new Map(), workdir: "/" };
    this.#stages.set(name, this.#stage);
    this.#config.clear();
    this.#labels = {};
    this.#bases.push(base);
  }

  /** The place of an absolute path, in the stage at work unless told. */
  #path(path: string, stage = this.#current): string {
    return join(stage.layer, path);
  }

  async #copy(rest: string): Promise<void> {
    const words = rest.split(/ +/);
    const flags = new Map<string, string>();
    while (words[0]!.startsWith("--")) {
      const [name, value] = words.shift()!.split("=") as [string, string];
      if (!["--from", "--chown"].includes(name)) throw new Error(`Cannot copy with ${name}`);
      flags.set(name, value);
    }
    const from = flags.get("--from");
    const source = from === undefined ? this.#context : this.#stages.get(from)?.layer;
    if (source === undefined) throw new Error(`Cannot copy from '${from}'`);
    const target = words.pop()!;
    const place = this.#path(resolve(this.#current.workdir, target));
    if (!target.endsWith("/")) throw new Error(`Cannot copy to '${target}': it has no / behind it`);
    await Deno.mkdir(place, { recursive: true });
    for (const word of words) {
      const path = join(source, word);
      // Of a directory its contents are copied.
      const { isDirectory } = await Deno.stat(path);
      await must(["cp", "--archive", isDirectory ? `${path}/.` : path, place]);
    }
    const owner = flags.get("--chown") ?? "0:0";
    await must(["chown", "--recursive", owner, place]);
  }

  async #run(command: string): Promise<void> {
    const { layer, variables, workdir } = this.#current;
    const work = join(layer, "../work");
    const merged = join(layer, "../merged");
    for (const directory of [work, merged]) await Deno.mkdir(directory, { recursive: true });
    await must(
      ["unshare", "--mount", "sh", "-euc", RUN, layer, work, merged, workdir, command],
      { env: { ...this.#options.env, ...Object.fromEntries(variables) } },
    );
  }

  #label(rest: string): void {
    const left = rest.replaceAll(/([\w.]+)="([^"]*)"/g, (_match, name, value) => {
      this.#labels[name] = value;
      return "";
    });
    if (left.trim() !== "") throw new Error(`Cannot read the labels '${left}'`);
  }
}

/** Runs a command where this machine is the base image; a shell's own words are its arguments. */
const RUN = `
  mount -t overlay overlay -o "lowerdir=/,upperdir=$0,workdir=$1" "$2"
  mount --rbind /dev "$2/dev"
  mount --rbind /proc "$2/proc"
  exec chroot "$2" sh -euc 'cd "$0"; eval "$1"' "$3" "$4"
`;

/** Why no image can be built here, or by this user; undefined if it can. */
export async function buildHindrance(directory: string): Promise<string | undefined> {
  const layers = ["layer", "work", "merged"].map((name) => join(directory, name));
  for (const layer of layers) await Deno.mkdir(layer);
  const { code, output } = await run([
    "unshare",
    "--mount",
    "sh",
    "-euc",
    RUN,
    ...layers,
    "/",
    ":",
  ]);
  return code === 0 ? undefined : output.trim();
}

async function must(
  command: readonly string[],
  options: Parameters<typeof run>[2] = {},
): Promise<void> {
  const { code, output } = await run(command, "", options);
  if (code !== 0) throw new Error(`'${command.join(" ")}' failed: ${output.trim()}`);
}
