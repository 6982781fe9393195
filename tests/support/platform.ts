/** Tests of what only Linux has, such as `/proc`, or the distribution of clients over threads. */
export const onLinux = {
  test: Deno.build.os === "linux" ? Deno.test as typeof Deno.test.ignore : Deno.test.ignore,
};
