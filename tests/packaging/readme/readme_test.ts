import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fileURLToPath } from "node:url";
import { OPTIONS } from "../../../src/cli/options.ts";
import { Compiler } from "../../support/compiler.ts";
import { Namespace } from "../../support/namespace.ts";
import { run } from "../../support/program.ts";
import { Ssh } from "../../support/ssh.ts";
import { TemporaryDirectory } from "../../support/temporary.ts";
import { unless } from "../../support/unless.ts";
import { until } from "../../support/until.ts";
import { blockAfter, blockMarked, OPERATION, readBlocks, README, RECIPES } from "./blocks.ts";
import { CLIENTS, prepareClient } from "./clients.ts";
import { ReadmeNetwork } from "./network.ts";

const compiler = await Compiler.find();

/** The commands of the documents that tls_clients_test.ts runs. */
const RUN_WITH_TLS = ["tls", "tls-redis-cli", "tls-stores"];

/** The commands of the documents that are run elsewhere, and where. */
const RUN_ELSEWHERE: Readonly<Record<string, string>> = {
  demo: "deno task demo",
  test: "deno task ok",
};

/** The first line of a block that needs what tests may lack, and is not run. */
const NEEDS = /^(#|\/\/) Needs (Docker|Kubernetes|AWS|Azure|Google Cloud|root)\n/;

/** The commands that the tests below run. */
const RUN_HERE = [
  ...["start", "file", "compile", "redis-cli", "check", "view"],
  ...["ssh-proxy", "via", "node-forwards", "dial-map", "tunnel-proxy", "tunnel"],
];

Deno.test("every command and snippet of the documents is run by a test, or says what it needs", async () => {
  const marks: string[] = [];
  for (const { language, mark, text } of await readBlocks()) {
    if (!["sh", "ts", "python", "java", "go"].includes(language)) continue;
    if (NEEDS.test(text)) assertEquals(mark, "", text);
    else marks.push(mark);
  }
  assertEquals(
    marks.sort(),
    [
      ...[...RUN_HERE, ...RUN_WITH_TLS, ...Object.keys(RUN_ELSEWHERE)]
        .map((name) => `command: ${name}`),
      "testcontainers",
      ...Object.keys(CLIENTS).flatMap((name) => [`client: ${name}`, `client with TLS: ${name}`]),
    ].sort(),
  );
  for (const [name, end] of Object.entries(RUN_ELSEWHERE)) {
    // One is run by tests/demo_test.ts, the other one runs this test.
    assert((await blockMarked(`command: ${name}`)).text.endsWith(` && ${end}\n`), name);
  }
});

Deno.test("the shell can parse every command of the documents", async () => {
  for (const { language, text } of await readBlocks()) {
    if (language !== "sh") continue;
    assertEquals(await run(["bash", "-n"], text), { code: 0, output: "" }, text);
  }
});

/** Every document, by its path in the checkout. */
const DOCUMENTS = [
  ...["README.md", ".github/docs/operation.md", ".github/docs/recipes.md"],
  ...["src/README.md", "src/resp/PROTOCOL.md", "tests/README.md", "tests/bench/README.md"],
  ...[".github/CONTRIBUTING.md", ".github/SECURITY.md"],
];

Deno.test("every link between documents leads to a file and a heading", async () => {
  for (const document of DOCUMENTS) {
    const url = new URL(document, ROOT);
    const text = (await Deno.readTextFile(url)).replaceAll(/```[^]*?```|`[^`]*`/g, "");
    for (const [, link] of text.matchAll(/\]\(([^)]+)\)/g)) {
      if (/^https?:/.test(link!)) continue;
      const target = new URL(link!, url);
      const headings = target.hash === "" ? [""] : await readAnchors(target);
      assert(headings.includes(target.hash), `${document}: ${link}`);
      await Deno.stat(target);
    }
  }
});

Deno.test("the documents name only source files that exist", async () => {
  const roots = ["src", "tests", ".ci"].map((name) => fileURLToPath(new URL(name, ROOT)));
  const { output } = await run(["find", ...roots, "-name", "*.ts"]);
  const paths = output.trim().split("\n");
  for (const document of DOCUMENTS) {
    const text = await Deno.readTextFile(new URL(document, ROOT));
    for (const [, path] of text.matchAll(/([\w./]*\w\.ts)\b/g)) {
      assert(paths.some((existing) => existing.endsWith(`/${path}`)), `${document}: ${path}`);
    }
    // The table of layers: a directory of src, and a file in it.
    for (const [, directory, file] of text.matchAll(/^\| `(\w+\/)`\s+\| `(\w+\.ts)`/gm)) {
      const layer = fileURLToPath(new URL(`src/${directory}`, ROOT));
      assert(paths.includes(`${layer}${file}`), `${document}: ${directory}${file}`);
    }
  }
});

/** The anchors of a document's headings, as GitHub makes them. */
async function readAnchors(url: URL): Promise<string[]> {
  const text = await Deno.readTextFile(url);
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    `#${heading!.toLowerCase().replaceAll(/[^\w\s-]/g, "").replaceAll(" ", "-")}`
  );
}

const ROOT = new URL("../../../", import.meta.url);

/** A reader in a hurry reads no more. */
const README_LINES = 260;

Deno.test("README is short", async () => {
  const lines = (await Deno.readTextFile(README)).match(/\n/g)!.length;
  assert(lines <= README_LINES, `${lines} lines`);
});

Deno.test("the table of options agrees with --help", async () => {
  const text = await Deno.readTextFile(README);
  const rows = [...text.matchAll(/^\| `--([\w-]+)` *\|([^|]*)\|[^|]*\|([^|]*)\|$/gm)];
  assert(rows.length > 10, `${rows.length} rows`);
  const options = new Map(OPTIONS.map((option) => [option.name as string, option]));
  for (const [, name, variable, value] of rows) {
    const option = options.get(name!);
    assert(option !== undefined, name);
    assertEquals(variable!.replaceAll("`", "").trim(), option.env ?? "", name);
    const [, defaultValue] = /^ `([^`-]*)` +$/.exec(value!) ?? [];
    assertEquals(defaultValue, option.default, name);
  }
});

Deno.test("the messages that the documents quote are those of the program", async () => {
  const sections = [
    /^## If it does not work$([^]*?)^## /m.exec(await Deno.readTextFile(README))![1]!,
    /^## Other messages$([^]*?)^## /m.exec(await Deno.readTextFile(OPERATION))![1]!,
  ].join("\n").replaceAll(/\s+/g, " ");
  // The beginning of an item, what is bold, and what leaves something out.
  const titles = sections.match(/(?<= - )`[^`]*`|\*\*.*?\*\*|`[^`]*…[^`]*`/g)!.join("\n");
  const quotes = [...titles.matchAll(/`([^`]*)`/g)].map(([, quote]) => quote!);
  const source = await readSource();
  // Messages of clients and nodes.
  const foreign = ["wrong version number"];
  for (const quote of quotes.filter((quote) => !foreign.includes(quote))) {
    for (const part of quote.split("…")) assert(source.includes(part.trim()), quote);
  }
  assert(quotes.length > 10, quotes.join("; "));
});

/** The source, with strings joined that make up one message. */
async function readSource(): Promise<string> {
  const source = fileURLToPath(new URL("../../../src", import.meta.url));
  const { output } = await run(["find", source, "-name", "*.ts", "-exec", "cat", "{}", "+"]);
  return output.replaceAll(/["`] \+\s+["`]/g, "");
}

Deno.test("the recipes name the versions of the clients that are tested", async () => {
  const text = (await Deno.readTextFile(RECIPES)).replaceAll("\n", " ");
  for (const [name, { version }] of Object.entries(CLIENTS)) {
    assertStringIncludes(text, `${name} ${version.replace(/\.\d+$/, "")}`);
  }
});

Deno.test(unless(
  await Namespace.hindrance(),
  "the commands of the documents work as shown",
  async (t) => {
    await using directory = await TemporaryDirectory.create();
    await using network = await ReadmeNetwork.create();
    const clients = Promise.all(
      Object.keys(CLIENTS).map(async (name) => {
        const { text } = await blockMarked(`client: ${name}`);
        return await prepareClient(name, text, directory);
      }),
    );
    const blocks = await readBlocks();
    const listening = blocks.find(({ text }) => text.startsWith("Listening on: "))!.text;
    const commandOf = async (name: string) => (await blockMarked(`command: ${name}`)).text;
    const start = async (
      name: string,
      { before = "", prints = listening, machine = "between" as "between" | "outside" } = {},
    ) => {
      const command = before + await commandOf(name);
      const { program, known } = await network.start(machine, command, (stdout) => {
        const from = stdout.indexOf("Listening on: ");
        return from >= 0 && stdout.length - from >= prints.length ? stdout.slice(from) : undefined;
      });
      assertEquals(known, prints);
      return program;
    };

    const none = typeof compiler === "string" ? compiler : undefined;
    await t.step(unless(none, "the program starts as one file", async () => {
      const { directory, env } = compiler as Compiler;
      const path = `PATH='${directory}':"$PATH" DENORT_BIN='${env["DENORT_BIN"]}' `;
      await (await start("compile", { before: path }))[Symbol.asyncDispose]();
      await Deno.rename(
        network.at("home/dist/redis-cluster-nat"),
        network.at("home/redis-cluster-nat"),
      );
      await using _proxy = await start("file");
    }));

    await t.step("clients of two views are shown different hosts", async () => {
      const inside = listening.replaceAll("\n", " view: default\n");
      const outside = listening.replaceAll("\n", " view: outside\n").replaceAll(": :8", ": :9");
      await using _proxy = await start("view", { prints: inside + outside });
      const views = [["between", "172.23.0.254", 8], ["outside", "redis.example.com", 9]] as const;
      for (const [machine, host, first] of views) {
        const use = `redis-cli -c -h ${host} -p ${first}000`;
        const { output } = await network.run(machine, use, "SET oslo Norway\nGET oslo\n");
        const redirected = `-> Redirected to slot [8042] located at ${host}:${first}001\n`;
        assertEquals(output, `${redirected}OK\nNorway\n`);
      }
    });

    await t.step("--check prints the mapping", async () => {
      const { code, output } = await network.run("between", await commandOf("check"));
      assertEquals(code, 0, output);
      assert(output.startsWith(listening), output);
    });

    await t.step("from a checkout", async (t) => {
      await using _proxy = await start("start");

      await t.step("clients reach only the proxy, whose replies are as drawn", async () => {
        const drawing = blocks.find(({ text }) => text.includes("MOVED"))!.text;
        const [, shown, told] = /^-(MOVED \S+ \S+) +◀── +│ +◀── +-(MOVED .*)$/m.exec(drawing)!;
        const set = "set oslo Norway";
        const near = await network.run("between", `redis-cli -h 172.23.0.2 -p 7000 ${set}`);
        assertEquals(near.output.trim(), told);
        const far = await network.run("outside", `redis-cli -h 172.23.0.2 -p 7000 ${set}`);
        assertStringIncludes(far.output, "Network is unreachable");
        const through = await network.run(
          "outside",
          `redis-cli -h redis.example.com -p 8000 ${set}`,
        );
        assertEquals(through.output.trim(), shown);
      });

      await t.step("redis-cli answers as shown", async () => {
        const { text } = await blockAfter("command: redis-cli");
        const lines = text.match(/.*\n/g)!;
        const prompt = "redis.example.com:8000> ";
        const isTyped = (line: string) => line.startsWith(prompt);
        const typed = lines.filter(isTyped).map((line) => line.slice(prompt.length)).join("");
        const { code, output } = await network.run("outside", await commandOf("redis-cli"), typed);
        assertEquals(code, 0);
        assertEquals(output, lines.filter((line) => !isTyped(line)).join(""));
      });

      for (const { name, snippet, words, hindrance } of await clients) {
        await t.step(unless(hindrance, `${name} in five lines`, async () => {
          assertEquals(snippet.match(/\n/g)!.length, 5);
          const command = words.map((word) => `'${word}'`).join(" ");
          const { code, output } = await network.run("outside", `exec ${command}`);
          assertEquals(code, 0, output);
          assertMatch(output, /\bhello$/m);
        }));
      }
    });

    await t.step(unless(await Ssh.hindrance(), "clients reach it through SSH", async (t) => {
      const prints = listening.replaceAll(": :", ": 127.0.0.1:");
      await using _server = await startSsh(network, directory);
      for (const { tunnel, proxy, machine } of TUNNELS) {
        await t.step(`with the commands ${tunnel} and ${proxy}`, async () => {
          const { program } = await network.start("outside", await commandOf(tunnel), () => true);
          await using _tunnel = program;
          await using _proxy = await start(proxy, { prints, machine });
          const use = "redis-cli -c -p 8000";
          await until("the tunnel is there", async (saw) => {
            const { output } = await network.run("outside", `${use} ping`);
            saw(output);
            return output === "PONG\n";
          }, TUNNEL_DEADLINE_MS);
          const { output } = await network.run("outside", use, "SET oslo Norway\nGET oslo\n");
          const redirected = "-> Redirected to slot [8042] located at 127.0.0.1:8001\n";
          assertEquals(output, `${redirected}OK\nNorway\n`);
        });
      }
    }));
  },
));

const TUNNEL_DEADLINE_MS = 30_000;

/** The commands that use SSH, and where the proxy runs. */
const TUNNELS = [
  { tunnel: "ssh-proxy", proxy: "via", machine: "outside" },
  { tunnel: "node-forwards", proxy: "dial-map", machine: "outside" },
  { tunnel: "tunnel", proxy: "tunnel-proxy", machine: "between" },
] as const;

/** Runs a command and exits with 0 on SIGTERM, unlike SSH. */
const ORDERLY = [
  ...["sh", "-c", 'trap "kill \\$child; wait; exit 0" TERM; "$@" & child=$!; wait "$child"', "sh"],
];

/** Starts sshd on the proxy's machine, with access for the clients' machine. */
async function startSsh(
  network: ReadmeNetwork,
  directory: TemporaryDirectory,
): Promise<AsyncDisposable> {
  const ssh = await Ssh.create(directory);
  await network.addCommand("bin/sshd", [...ORDERLY, ...ssh.server]);
  await network.addCommand("bin/ssh", [...ORDERLY, ...ssh.client]);
  return (await network.start("between", "exec sshd", () => true)).program;
}
