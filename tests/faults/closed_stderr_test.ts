import { assertEquals } from "@std/assert";

Deno.test("a closed stderr does not end the program", async () => {
  const program = `
    import { configureLog, log } from ${
    JSON.stringify(import.meta.resolve("../../src/platform/log.ts"))
  };
    configureLog({ level: "info", format: "text", echo: false });
    await Deno.stdin.read(new Uint8Array(1));
    for (let i = 0; i < 1000; i++) log.error("unread");
    console.log("still here");
  `;
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--quiet", "--no-lock", `--config=${config}`, program],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  await child.stderr.cancel();
  const stdin = child.stdin.getWriter();
  await stdin.write(new Uint8Array(1));
  await stdin.close();
  const [stdout, { code }] = await Promise.all([new Response(child.stdout).text(), child.status]);
  assertEquals([code, stdout], [0, "still here\n"]);
});
