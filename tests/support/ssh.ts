import { assertEquals } from "@std/assert";
import { run } from "./program.ts";
import type { TemporaryDirectory } from "./temporary.ts";

const SSHD = "/usr/sbin/sshd";

/** The files of an SSH server that admits the user of the tests, without any file of the machine. */
export class Ssh {
  readonly #directory: TemporaryDirectory;

  private constructor(directory: TemporaryDirectory) {
    this.#directory = directory;
  }

  /** Why this machine has no SSH server; undefined if it has one. */
  static async hindrance(): Promise<string | undefined> {
    return await Deno.stat(SSHD).then(() => undefined, () => `there is no ${SSHD}`);
  }

  /** Makes the keys of the server and the user in a directory. */
  static async create(directory: TemporaryDirectory): Promise<Ssh> {
    for (const name of ["host-key", "user-key"]) {
      const words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory.at(name)];
      assertEquals(await run(words), { code: 0, output: "" });
    }
    // The privilege separation directory of sshd.
    await Deno.mkdir("/run/sshd", { recursive: true });
    return new Ssh(directory);
  }

  /** The words that start the server, in the foreground. */
  get server(): string[] {
    const settings = {
      HostKey: this.#directory.at("host-key"),
      AuthorizedKeysFile: this.#directory.at("user-key.pub"),
      PidFile: "none",
      StrictModes: "no",
      // Without PAM, sshd refuses users with a locked password.
      UsePAM: "yes",
    };
    const options = Object.entries(settings).map(([name, value]) => `-o${name}=${value}`);
    return [SSHD, "-D", "-f", "/dev/null", ...options];
  }

  /** The words that begin a command line of a client. It waits for the server. */
  get client(): string[] {
    return [
      ...["/usr/bin/ssh", "-F", "none", "-i", this.#directory.at("user-key"), "-oBatchMode=yes"],
      ...["-oStrictHostKeyChecking=no", "-oUserKnownHostsFile=/dev/null"],
      ...["-oConnectionAttempts=30", "-oLogLevel=ERROR"],
    ];
  }
}
