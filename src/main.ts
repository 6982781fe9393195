import project from "../deno.json" with { type: "json" };
import { parseCommand } from "./cli/config.ts";
import { EXIT, reportFailure } from "./cli/exit.ts";
import { print } from "./cli/stdout.ts";

// The program: parse → command → exit status. Only the command that runs is loaded: serve is most of
// the program, and an orchestrator runs healthcheck every few seconds.

async function main(args: readonly string[]): Promise<number> {
  try {
    const command = parseCommand(args, (name) => Deno.env.get(name));
    switch (command.kind) {
      case "help":
      case "version": {
        const { helpText, versionText } = await import("./cli/help.ts");
        print(command.kind === "help" ? helpText().trimEnd() : versionText(project));
        break;
      }
      case "healthcheck": {
        const { healthcheck } = await import("./cli/healthcheck.ts");
        await healthcheck(command.listeners, command.headerVersions);
        break;
      }
      case "check": {
        const { check } = await import("./cli/check.ts");
        await check(command.config);
        break;
      }
      case "serve": {
        const { serve } = await import("./cli/serve.ts");
        await serve(command.config, project);
      }
    }
    return EXIT.ok;
  } catch (error) {
    return reportFailure(error, args);
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
