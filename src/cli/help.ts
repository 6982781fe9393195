import type { ProgramVersion } from "../platform/program_version.ts";
import { flagsOf, type Option } from "./option.ts";
import { OPTIONS } from "./options.ts";

const COLUMNS = 100;

/** Wide enough for the longest flag with its placeholder, and two spaces on both sides. */
const INDENT = 4 + Math.max(...OPTIONS.map((option) => titleOf(option).length));

/** The text of `--help`: every option, at most 100 columns wide. */
export function helpText(): string {
  return [
    "Makes a whole Redis Cluster reachable from outside its network: one public port per node.",
    "",
    "Usage: redis-cluster-nat [server] [options]",
    "       redis-cluster-nat healthcheck [options]",
    "",
    "healthcheck probes a running proxy that has the same options, and exits with status 0 if it",
    "serves clients, else 1.",
    "",
    ...OPTIONS.flatMap(describe),
    "",
    "The name in brackets is the environment variable of the option. A flag overrides it, and an",
    "empty variable counts as not set. Flags are also accepted in camelCase, with one dash or two,",
    "and with '=' or a space before the value; a value that is itself a flag needs the '='.",
    "--login, --cluster-tls, --access-log, --debug, --check, --help and --version take an optional",
    "value after '=': true or false.",
    "",
  ].join("\n");
}

/** The version, and the commit that an executable was compiled from. */
export function versionText({ version, commit }: ProgramVersion): string {
  return `redis-cluster-nat ${version}` + (commit === undefined ? "" : ` (${commit})`);
}

function describe(option: Option): string[] {
  const notes = [
    !option.envOnly && option.env,
    option.default !== undefined && `default ${option.default}`,
  ].filter(Boolean);
  const help = option.help + (notes.length > 0 ? ` [${notes.join(", ")}]` : "");
  return wrap(help, COLUMNS - INDENT).map((line, index) =>
    (index === 0 ? `  ${titleOf(option)}` : "").padEnd(INDENT) + line
  );
}

function titleOf(option: Option): string {
  const { env, type: { placeholder } } = option;
  const [flag] = flagsOf(option);
  const title = flag === undefined ? `${env}` : `--${flag}`;
  return placeholder === undefined ? title : `${title} ${placeholder}`;
}

function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = "";
    }
    line += line === "" ? word : ` ${word}`;
  }
  return [...lines, line];
}
