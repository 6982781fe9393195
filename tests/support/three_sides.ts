import { fileURLToPath } from "node:url";
import { cable, fetchModules, Namespace, type Sides } from "./namespace.ts";

/**
 * ```
 *  outside           between            inside
 *  client ─ public ─ proxy  ─ private ─ six nodes, one address each, and one address more
 *  192.0.2.2         192.0.2.1          10.77.0.1 …
 *                    10.77.0.254
 * ```
 * Namespaces share nothing, so these addresses may be the same in every run.
 */
export const NODES = [1, 2, 3, 4, 5, 6].map((number) => `10.77.0.${number}`);

/** For a node that joins. */
export const SPARE = "10.77.0.7";

/** The addresses of the proxy. */
export const PROXY = { private: "10.77.0.254", public: "192.0.2.1" };

const CLIENT = "192.0.2.2";

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

/**
 * Creates the three sides, which end with the stack.
 *
 * @param program the path of a program that runs there, besides the proxy
 */
export async function connectSides(
  stack: AsyncDisposableStack,
  program: string,
): Promise<Sides> {
  const inside = stack.use(await Namespace.create("inside"));
  const between = stack.use(await Namespace.create("between"));
  const outside = stack.use(await Namespace.create("outside"));
  const sides = { inside, between, outside };
  await cable(sides, { nodes: [...NODES, SPARE], proxy: PROXY, client: CLIENT });
  await fetchModules(program, MAIN);
  return sides;
}
