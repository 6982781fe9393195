import { assertEquals, assertRejects } from "@std/assert";
import { SharedText } from "../../../src/http/shared_text.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { statusWith } from "../../support/shown_program.ts";

Deno.test("those who ask at the same time get the same text, later ones a newer one", async () => {
  using clock = new FakeClock("setInterval");
  let rendered = 0;
  const text = new SharedText(() => Promise.resolve(statusWith()), () => `${++rendered}`);
  assertEquals(await Promise.all([text.get(), text.get(), text.get()]), ["1", "1", "1"]);
  clock.aheadMs = 60_000;
  assertEquals(await text.get(), "2");
});

Deno.test("a text that takes long is made less often", async () => {
  using clock = new FakeClock("setInterval");
  let rendered = 0;
  const text = new SharedText(() => Promise.resolve(undefined), () => {
    clock.aheadMs = 1000;
    return `${++rendered}`;
  });
  await text.get();
  clock.aheadMs = 20_000;
  assertEquals(await text.get(), "1");
  clock.aheadMs = 30_000;
  assertEquals(await text.get(), "2");
});

Deno.test("a text that failed is made again", async () => {
  let asked = 0;
  const status = () =>
    asked++ === 0 ? Promise.reject(new Error("lost")) : Promise.resolve(undefined);
  const text = new SharedText(status, () => "text");
  await assertRejects(() => text.get());
  assertEquals(await text.get(), "text");
});
