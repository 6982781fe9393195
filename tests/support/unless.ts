/**
 * A test, or a step of one, that is skipped and says why in its name where something hinders it:
 *
 *     Deno.test(unless(await Namespace.hindrance(), "clients reach the proxy", async () => …));
 *
 * @param hindrance the reason, or undefined
 */
export function unless(
  hindrance: string | undefined,
  name: string,
  fn: (t: Deno.TestContext) => void | Promise<void>,
): { name: string; ignore: boolean; fn: (t: Deno.TestContext) => void | Promise<void> } {
  const ignore = hindrance !== undefined;
  return { name: ignore ? `${name} (SKIPPED: ${hindrance})` : name, ignore, fn };
}
