// Types of the functions of Deno's standard library that the project uses. The package in the
// import map is plain JavaScript and has no types.

declare module "@std/cli/parse-args" {
  /** Splits arguments into flags and positional arguments; each flag's value is kept as text. */
  export function parseArgs(
    args: string[],
    options: {
      string: string[];
      boolean?: string[];
      collect?: string[];
      unknown?: (argument: string, key?: string, value?: unknown) => unknown;
    },
  ): { _: (string | number)[]; [flag: string]: unknown };
}

declare module "@std/assert" {
  export function assert(condition: unknown, message?: string): asserts condition;
  export function assertEquals<T>(actual: T, expected: T, message?: string): void;
  export function assertMatch(actual: string, expected: RegExp, message?: string): void;
  export function assertStringIncludes(actual: string, expected: string, message?: string): void;
  export function assertThrows(
    call: () => unknown,
    // deno-lint-ignore no-explicit-any -- any constructor of an error is welcome here
    kind?: new (...args: any[]) => Error,
    messageIncludes?: string,
  ): Error;
  export function assertRejects(
    call: () => Promise<unknown>,
    // deno-lint-ignore no-explicit-any -- any constructor of an error is welcome here
    kind?: new (...args: any[]) => Error,
    messageIncludes?: string,
  ): Promise<Error>;
}
