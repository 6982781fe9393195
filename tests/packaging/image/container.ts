import { join } from "node:path";
import type { Namespace } from "../../support/namespace.ts";
import { type Ending, NatProcess } from "../../support/nat_process.ts";
import { type Outcome, run } from "../../support/program.ts";
import type { Image } from "./dockerfile.ts";

/** How a container is run. */
export interface ContainerOptions {
  /** The machine that it is, as far as the network goes. */
  readonly namespace: Namespace;
  /** An empty directory, for all that the container writes. */
  readonly directory: string;
  /** What Docker puts in these files. */
  readonly hosts: string;
  readonly resolvConf: string;
  readonly env?: Readonly<Record<string, string>>;
  /** The command, behind the entry point. */
  readonly args?: readonly string[];
}

/**
 * A container without Docker: an image's root directory below a layer of its own, with the few
 * files and devices that every container gets, and the entry point as process 1 of its user. It
 * is gone when the block ends.
 */
export class Container implements AsyncDisposable {
  readonly #image: Image;
  readonly #env: Readonly<Record<string, string>>;
  /** The entry point. */
  readonly process: NatProcess;

  constructor(image: Image, options: ContainerOptions) {
    const { namespace, directory, hosts, resolvConf, env = {}, args = [] } = options;
    this.#image = image;
    this.#env = { PATH, HOME: "/", ...env };
    const files = { hosts, "resolv.conf": resolvConf };
    for (const name of ["layer", "work", "root"]) Deno.mkdirSync(join(directory, name));
    for (const [name, text] of Object.entries(files)) {
      Deno.writeTextFileSync(join(directory, name), text);
    }
    const [executable, ...words] = image.entrypoint;
    this.process = new NatProcess([...words, ...args], {
      executable: executable!,
      before: [
        ...namespace.before,
        ...["unshare", "--mount", "--pid", "--fork", "--kill-child"],
        ...["sh", "-euc", ENTER, image.root, directory],
        ...["env", "-i", ...Object.entries(this.#env).map(([name, value]) => `${name}=${value}`)],
        ...["chroot", `--userspec=${image.user}`, "--groups=", join(directory, "root")],
      ],
    });
  }

  /**
   * The id of process 1, outside.
   *
   * @throws {Deno.errors.NotFound} when it has ended
   */
  async pid(): Promise<number> {
    const { pid } = this.process;
    const children = await Deno.readTextFile(`/proc/${pid}/task/${pid}/children`);
    const [child] = children.match(/\d+/) ?? [];
    if (child === undefined) throw new Deno.errors.NotFound("There is no process 1 any more");
    return Number(child);
  }

  /** Runs a command in the container, as `docker exec` and HEALTHCHECK do. */
  async run(command: readonly string[]): Promise<Outcome> {
    const [uid, gid] = this.#image.user.split(":");
    return await run(
      [
        ...[
          "nsenter",
          `--target=${await this.pid()}`,
          "--mount",
          "--net",
          "--pid",
          "--root",
          "--wd",
        ],
        ...[`--setuid=${uid}`, `--setgid=${gid}`, ...command],
      ],
      "",
      { env: this.#env },
    );
  }

  /** Stops it as `docker stop` does, and waits for its end. */
  async stop(): Promise<Ending> {
    Deno.kill(await this.pid(), this.#image.stopSignal as Deno.Signal);
    return await this.process.ended();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      // Whoever becomes another user does not end with the process that started it.
      Deno.kill(await this.pid(), "SIGKILL");
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    await this.process[Symbol.asyncDispose]();
  }
}

/** What Docker sets unless an image does. */
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Mounts what a container sees, and becomes the rest of the command line. */
const ENTER = `
  image=$0 directory=$1
  shift
  mount -t overlay overlay \\
    -o "lowerdir=$image,upperdir=$directory/layer,workdir=$directory/work" "$directory/root"
  cd "$directory/root"
  mkdir -p proc sys dev etc
  mount -t proc proc proc
  mount -t sysfs -o ro sysfs sys
  mount -t tmpfs tmpfs dev
  for device in null zero full random urandom; do
    touch "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
  done
  for file in hosts resolv.conf; do
    touch "etc/$file"
    mount --bind "$directory/$file" "etc/$file"
  done
  exec "$@"
`;
