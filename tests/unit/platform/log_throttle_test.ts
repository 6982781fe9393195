import { assertEquals } from "@std/assert";
import { LogThrottle } from "../../../src/platform/log_throttle.ts";
import { Logged } from "../../support/logged.ts";

/** A throttle whose clock the test sets. */
class Fixture implements Disposable {
  nowMs = 0;
  readonly throttle = new LogThrottle(() => this.nowMs);
  readonly #logged = new Logged();

  log(topic: string, cause: string): void {
    this.throttle.log("warning", { topic, cause }, ["{topic} {cause}", { topic, cause }]);
  }

  get lines(): readonly string[] {
    return this.#logged.lines.map((line) => line.replace(/^warning /, ""));
  }

  [Symbol.dispose](): void {
    this.#logged[Symbol.dispose]();
  }
}

Deno.test("a cause that continues is logged once a minute, with the number of suppressed messages", () => {
  using fixture = new Fixture();
  for (let second = 0; second < 150; second++) {
    fixture.nowMs = second * 1000;
    fixture.log("a", "fails");
  }
  const again = "a fails (59 times more)";
  assertEquals(fixture.lines, ["a fails", again, again]);
});

Deno.test("every topic and every cause is throttled separately", () => {
  using fixture = new Fixture();
  for (let times = 0; times < 3; times++) {
    for (const topic of ["a", "b"]) {
      for (const cause of ["fails", "hangs"]) fixture.log(topic, cause);
    }
  }
  assertEquals(fixture.lines, ["a fails", "a hangs", "b fails", "b hangs"]);
});

Deno.test("a cause is logged at once again after a recovery of a second, but not if it comes and goes", () => {
  using fixture = new Fixture();
  assertEquals(fixture.throttle.recovered("a"), false);
  fixture.log("a", "fails");
  fixture.nowMs += 900;
  assertEquals(fixture.throttle.recovered("a"), false);
  fixture.log("a", "fails");
  fixture.nowMs += 1000;
  assertEquals([fixture.throttle.recovered("a"), fixture.throttle.recovered("a")], [true, false]);
  fixture.log("a", "fails");
  assertEquals(fixture.lines, ["a fails", "a fails"]);
});

Deno.test("at most a hundred causes of one topic are logged, and a thousand of all topics", () => {
  using fixture = new Fixture();
  for (let cause = 0; cause < 200; cause++) fixture.log("a", `${cause}`);
  assertEquals(fixture.lines.length, 100);
  fixture.log("b", "fails");
  assertEquals(fixture.lines.at(-1), "b fails");
  for (let topic = 0; topic < 2000; topic++) fixture.log(`${topic}`, "fails");
  assertEquals(fixture.lines.length, 1000);
  // Old entries make room for others.
  fixture.nowMs += 120_000;
  fixture.log("c", "fails");
  fixture.log("a", "199");
  assertEquals(fixture.lines.slice(1000), ["c fails", "a 199"]);
});

Deno.test("the problems of the last two minutes are listed, the latest first, until they recover", () => {
  using fixture = new Fixture();
  const problems = () => fixture.throttle.problems.map(({ text, count }) => `${text} ${count}`);
  fixture.log("a", "fails");
  for (let times = 0; times < 3; times++) fixture.log("b", "fails");
  fixture.nowMs += 90_000;
  fixture.log("b", "fails");
  assertEquals(problems(), ["b fails 4", "a fails 1"]);
  fixture.nowMs += 31_000;
  assertEquals(problems(), ["b fails 4"]);
  assertEquals(fixture.throttle.recovered("b"), true);
  assertEquals(problems(), []);
});
