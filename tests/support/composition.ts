import { type ComposeFile, environmentOf, readCompose, type Service } from "./compose.ts";
import { Namespace } from "./namespace.ts";
import { NatProcess, runNat } from "./nat_process.ts";
import { type Outcome, Program, run } from "./program.ts";
import type { TemporaryDirectory } from "./temporary.ts";
import { until } from "./until.ts";

/** What differs from one `up` to the next. */
export interface CompositionOptions {
  /** The environment that Compose is started in. */
  env: Readonly<Record<string, string>>;
  /** What the addresses of services begin with: three numbers and three dots. */
  network: string;
  /** Holds the volumes. */
  volumes: TemporaryDirectory;
}

/** Compose gives a container of the file half as long again, at least. */
const HEALTH_DEADLINE_MS = 60_000;

/**
 * The services of the project's Compose file, run by their own commands where there is no Docker:
 * a container is a network namespace, a volume is a directory, an image is what is installed, and
 * the one that the project builds is the program itself.
 *
 * ```
 *  redis-1  redis-2  …  redis-6  create-cluster  proxy
 *     └────────┴─────────┴──────── switch ─────────┘
 * ```
 */
export class Composition implements AsyncDisposable {
  readonly #file: ComposeFile;
  readonly #options: CompositionOptions;
  readonly #stack = new AsyncDisposableStack();
  readonly #places = new Map<string, Namespace>();
  readonly #starts = new Map<string, Promise<void>>();
  #proxy: NatProcess | undefined;

  private constructor(file: ComposeFile, options: CompositionOptions) {
    this.#file = file;
    this.#options = options;
  }

  /** Starts all services, each when what it depends on is as it wants it; then all are healthy. */
  static async up(options: CompositionOptions): Promise<Composition> {
    const composition = new Composition(await readCompose(options.env), options);
    try {
      await composition.#connect();
      for (const service of Object.keys(composition.#file.services)) {
        await composition.#start(service);
        await composition.#untilHealthy(service);
      }
      return composition;
    } catch (error) {
      await composition[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The public ports by private address that the proxy has printed. */
  get mapping(): ReadonlyMap<string, number> {
    return this.#proxy!.mapping;
  }

  /** Runs a service that comes to an end. */
  async runOnce(name: string): Promise<Outcome> {
    return await this.exec(name, this.#service(name).command!);
  }

  /** Runs a command beside a service, in its environment. */
  async exec(name: string, command: readonly string[], input?: string): Promise<Outcome> {
    return await run(this.#inside(name, command), input);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  async #connect(): Promise<void> {
    const names = Object.keys(this.#file.services);
    const addresses = Object.fromEntries(
      names.map((name, index) => [name, `${this.#options.network}${index + 2}`]),
    );
    const middle = this.#stack.use(await Namespace.create("switch"));
    for (const name of names) {
      const place = this.#stack.use(await Namespace.create(name));
      this.#places.set(name, place);
      await middle.connect(place, { name, here: [], there: [`${addresses[name]}/24`] });
      await place.name({ localhost: "127.0.0.1", ...addresses });
    }
    await middle.join(...names);
  }

  #start(name: string): Promise<void> {
    const start = this.#starts.get(name) ?? this.#startAfterOthers(name);
    this.#starts.set(name, start);
    return start;
  }

  async #startAfterOthers(name: string): Promise<void> {
    const service = this.#service(name);
    for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
      await this.#start(other);
      // One that must complete is run to its end by its start.
      if (condition === "service_healthy") await this.#untilHealthy(other);
    }
    const awaited = Object.values(this.#file.services).map(({ depends_on }) => depends_on?.[name]);
    if (awaited.some((wish) => wish?.condition === "service_completed_successfully")) {
      const { code, output } = await this.runOnce(name);
      if (code !== 0) throw new Error(`'${name}' ended with the code ${code}: ${output}`);
    } else if (service.build !== undefined) {
      const { before } = this.#places.get(name)!;
      const proxy = new NatProcess([], { before, env: environmentOf(service, this.#options.env) });
      this.#stack.use(proxy);
      this.#proxy = proxy;
    } else {
      const command = this.#inside(name, service.command!);
      const { program } = await Program.start(command, () => true, HEALTH_DEADLINE_MS);
      this.#stack.use(program);
    }
  }

  async #untilHealthy(name: string): Promise<void> {
    const { healthcheck } = this.#service(name);
    if (healthcheck === undefined) return;
    await until(`'${name}' is healthy`, async (saw) => {
      const outcome = await this.#check(name, healthcheck.test);
      saw(outcome);
      return outcome.code === 0;
    }, HEALTH_DEADLINE_MS);
  }

  async #check(name: string, [kind, ...words]: readonly string[]): Promise<{ code: number }> {
    if (kind === "CMD-SHELL") return await this.exec(name, ["sh", "-c", ...words]);
    const service = this.#service(name);
    if (service.build === undefined) return await this.exec(name, words);
    const { before } = this.#places.get(name)!;
    return await runNat(words.slice(1), {
      before,
      env: environmentOf(service, this.#options.env),
    });
  }

  /** The words that run a command in the place of a service. */
  #inside(name: string, command: readonly string[]): string[] {
    const service = this.#service(name);
    const variables = Object.entries(environmentOf(service, this.#options.env));
    return [
      ...this.#places.get(name)!.before,
      ...["env", `--chdir=${this.#volumeOf(service)}`],
      ...variables.map(([variable, value]) => `${variable}=${value}`),
      ...command,
    ];
  }

  /** The directory that a service works in: its volume, which is empty when it is new. */
  #volumeOf({ volumes = [] }: Service): string {
    const [volume] = volumes.map((volume) => volume.split(":")[0]!);
    if (volume === undefined) return "/";
    const path = this.#options.volumes.at(volume);
    Deno.mkdirSync(path, { recursive: true });
    return path;
  }

  #service(name: string): Service {
    const service = this.#file.services[name];
    if (service === undefined) throw new RangeError(`There is no service '${name}'`);
    return service;
  }
}
