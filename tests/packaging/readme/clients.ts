import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "../../support/program.ts";
import type { TemporaryDirectory } from "../../support/temporary.ts";

/** A client of which README shows a snippet. */
export interface ShownClient {
  readonly version: string;
  /**
   * Downloads the dependencies of a snippet, and returns the words that run it offline.
   *
   * @throws {Error} with the reason in one line, if that fails
   */
  readonly prepare: (snippet: string, directory: string) => Promise<string[]>;
}

/** The clients that README shows, by its names for them. */
export const CLIENTS: Readonly<Record<string, ShownClient>> = {
  "ioredis": { version: "6.0.0", prepare: prepareDeno },
  "node-redis": { version: "6.3.1", prepare: prepareDeno },
  "redis-py": { version: "8.1.0", prepare: preparePython },
  "Jedis": { version: "8.0.2", prepare: prepareJava },
  "Lettuce": { version: "7.7.0", prepare: prepareJava },
  "go-redis": { version: "9.23.0", prepare: prepareGo },
};

/** A client that is ready to run, unless something hinders it. */
export interface PreparedClient {
  readonly name: string;
  readonly snippet: string;
  readonly words: readonly string[];
  readonly hindrance: string | undefined;
}

/** Prepares a snippet of a client, or says why that fails. */
export async function prepareClient(
  name: string,
  snippet: string,
  directory: TemporaryDirectory,
): Promise<PreparedClient> {
  await Deno.mkdir(directory.at(name));
  try {
    const words = await CLIENTS[name]!.prepare(snippet, directory.at(name));
    return { name, snippet, words, hindrance: undefined };
  } catch (error) {
    return { name, snippet, words: [], hindrance: (error as Error).message };
  }
}

/** For downloads, and for compiling Go packages. */
const GET_DEADLINE_MS = 300_000;

const CONFIG = fileURLToPath(new URL("../../../deno.json", import.meta.url));

async function prepareDeno(snippet: string, directory: string): Promise<string[]> {
  const path = join(directory, "snippet.ts");
  await Deno.writeTextFile(path, snippet);
  await get([Deno.execPath(), "cache", "--config", CONFIG, path]);
  return [Deno.execPath(), "run", "-A", "--cached-only", "--config", CONFIG, path];
}

async function preparePython(snippet: string, directory: string): Promise<string[]> {
  const path = join(directory, "snippet.py");
  const packages = join(directory, "packages");
  await Deno.writeTextFile(path, snippet);
  const pip = ["python3", "-m", "pip", "install", "--quiet", "--target", packages];
  await get([...pip, `redis==${CLIENTS["redis-py"]!.version}`]);
  return ["env", `PYTHONPATH=${packages}`, "python3", path];
}

async function prepareJava(snippet: string, directory: string): Promise<string[]> {
  const dependencies = [
    ["redis.clients", "jedis", CLIENTS["Jedis"]!.version],
    ["io.lettuce", "lettuce-core", `${CLIENTS["Lettuce"]!.version}.RELEASE`],
  ].map(([group, artifact, version]) =>
    `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId>` +
    `<version>${version}</version></dependency>`
  );
  await Deno.writeTextFile(
    join(directory, "pom.xml"),
    "<project><modelVersion>4.0.0</modelVersion><groupId>example</groupId>" +
      "<artifactId>snippet</artifactId><version>1</version>" +
      `<dependencies>${dependencies.join("")}</dependencies></project>`,
  );
  const copy = ["dependency:copy-dependencies", `-DoutputDirectory=${join(directory, "packages")}`];
  await get(["mvn", "-q", "-B", "-f", join(directory, "pom.xml"), ...copy]);
  const path = join(directory, "Snippet.java");
  const { imports, statements } = split(snippet);
  const main = `public static void main(String[] args) throws Exception {\n${statements}}\n`;
  await Deno.writeTextFile(path, `${imports}class Snippet {\n${main}}\n`);
  const classes = `${join(directory, "packages/*")}:${directory}`;
  await get(["javac", "-cp", classes, "-d", directory, path]);
  return ["java", "-cp", classes, "Snippet"];
}

async function prepareGo(snippet: string, directory: string): Promise<string[]> {
  const { imports, statements } = split(snippet);
  await Deno.writeTextFile(
    join(directory, "snippet.go"),
    `package main\n\n${imports}import ("context"; "fmt")\n\n` +
      `func main() {\nctx := context.Background()\n${statements}}\n`,
  );
  const module = `github.com/redis/go-redis/v9@v${CLIENTS["go-redis"]!.version}`;
  for (const words of [["mod", "init", "snippet"], ["get", module], ["build", "-o", "snippet"]]) {
    await get(["go", ...words], directory);
  }
  return [join(directory, "snippet")];
}

/** Separates imports from statements. */
function split(snippet: string): { imports: string; statements: string } {
  const lines = snippet.match(/.*\n/g)!;
  const isImport = (line: string) => line.startsWith("import ");
  return {
    imports: lines.filter(isImport).join(""),
    statements: lines.filter((line) => !isImport(line)).join(""),
  };
}

async function get(command: readonly string[], cwd?: string): Promise<void> {
  let reason: string;
  try {
    const options = { deadlineMs: GET_DEADLINE_MS, ...cwd === undefined ? {} : { cwd } };
    const { code, output } = await run(command, "", options);
    if (code === 0) return;
    reason = output.trim().split("\n").at(-1)!;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    reason = "it is not installed";
  }
  throw new Error(`${command[0]} cannot get what it needs: ${reason}`);
}
