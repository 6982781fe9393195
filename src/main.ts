import project from "../deno.json" with { type: "json" };
import { check } from "./cli/check.ts";
import { parseCommand } from "./cli/config.ts";
import { EXIT, reportFailure } from "./cli/exit.ts";
import { healthcheck } from "./cli/healthcheck.ts";
import { helpText, versionText } from "./cli/help.ts";
import { serve } from "./cli/serve.ts";
import { print } from "./cli/stdout.ts";

// The program: parse → command → exit status.

async function main(args: readonly string[]): Promise<number> {
  try {
    const command = parseCommand(args, (name) => Deno.env.get(name));
    switch (command.kind) {
      case "help":
        print(helpText().trimEnd());
        break;
      case "version":
        print(versionText(project));
        break;
      case "healthcheck":
        await healthcheck(command.listeners, command.headerVersions);
        break;
      case "check":
        await check(command.config);
        break;
      case "serve":
        await serve(command.config, project);
    }
    return EXIT.ok;
  } catch (error) {
    return reportFailure(error, args);
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
