import { parse } from "yaml";

/** What this project uses of a Compose file, its variables filled in. */
export interface ComposeFile {
  readonly services: Readonly<Record<string, Service>>;
  readonly networks: Readonly<Record<string, { readonly internal?: boolean } | null>>;
}

/** One service of a Compose file. */
export interface Service {
  readonly image: string;
  /** Where the image is built from, if it is the project's own. */
  readonly build?: string;
  readonly command?: readonly string[];
  /** Variables whose value is null are those of the environment of Compose. */
  readonly environment: Readonly<Record<string, string | null>>;
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly networks: readonly string[];
  /** `address:first-last:first-last`. */
  readonly ports?: readonly string[];
  /** `volume:path`. */
  readonly volumes?: readonly string[];
}

/** The path of the project's Compose file. */
export const COMPOSE_FILE = new URL("../../compose.yaml", import.meta.url);

/** Reads the project's Compose file as Compose does with an environment. */
export async function readCompose(env: Readonly<Record<string, string>>): Promise<ComposeFile> {
  const text = await Deno.readTextFile(COMPOSE_FILE);
  return parse(
    text,
    (_key, value) => typeof value === "string" ? interpolate(value, env) : value,
    { merge: true },
  );
}

/** The environment of a service, without the variables that nobody has set. */
export function environmentOf(
  service: Service,
  env: Readonly<Record<string, string>>,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(service.environment).flatMap(([name, value]) => {
      const given = value ?? env[name];
      return given === undefined ? [] : [[name, given]];
    }),
  );
}

/** Fills in variables: of the forms that Compose knows, those with a default for an empty one. */
function interpolate(text: string, env: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\$(?:(\$)|\{(\w+):-([^}]*)\}|)/g, (form, dollar, name, fallback) => {
    if (dollar !== undefined) return dollar;
    if (name === undefined) throw new SyntaxError(`Cannot fill in '${form}' of '${text}'`);
    return env[name] || fallback;
  });
}
