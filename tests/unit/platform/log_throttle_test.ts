import { assertEquals } from "@std/assert";
import { LogThrottle } from "../../../src/platform/log_throttle.ts";
import { Logged } from "../../support/logged.ts";

/** What is new at times that a test chooses. */
class Scene implements Disposable {
  nowMs = 0;
  readonly throttle = new LogThrottle(() => this.nowMs);
  readonly #logged = new Logged();

  say(topic: string, cause: string): void {
    this.throttle.log("warning", { topic, cause }, ["{topic} {cause}", { topic, cause }]);
  }

  get lines(): readonly string[] {
    return this.#logged.lines.map((line) => line.replace(/^warning /, ""));
  }

  [Symbol.dispose](): void {
    this.#logged[Symbol.dispose]();
  }
}

Deno.test("what happens again and again is said once a minute, and how often it was not", () => {
  using scene = new Scene();
  for (let second = 0; second < 150; second++) {
    scene.nowMs = second * 1000;
    scene.say("a", "fails");
  }
  const again = "a fails (59 times more)";
  assertEquals(scene.lines, ["a fails", again, again]);
});

Deno.test("every topic and every cause is news of its own", () => {
  using scene = new Scene();
  for (let times = 0; times < 3; times++) {
    for (const topic of ["a", "b"]) for (const cause of ["fails", "hangs"]) scene.say(topic, cause);
  }
  assertEquals(scene.lines, ["a fails", "a hangs", "b fails", "b hangs"]);
});

Deno.test("what is over is news when it begins anew, but not if it comes and goes", () => {
  using scene = new Scene();
  assertEquals(scene.throttle.recovered("a"), false);
  scene.say("a", "fails");
  scene.nowMs += 900;
  assertEquals(scene.throttle.recovered("a"), false);
  scene.say("a", "fails");
  scene.nowMs += 1000;
  assertEquals([scene.throttle.recovered("a"), scene.throttle.recovered("a")], [true, false]);
  scene.say("a", "fails");
  assertEquals(scene.lines, ["a fails", "a fails"]);
});

Deno.test("of one topic no more than a hundred causes are said, and of all a thousand", () => {
  using scene = new Scene();
  for (let cause = 0; cause < 200; cause++) scene.say("a", `${cause}`);
  assertEquals(scene.lines.length, 100);
  scene.say("b", "fails");
  assertEquals(scene.lines.at(-1), "b fails");
  for (let topic = 0; topic < 2000; topic++) scene.say(`${topic}`, "fails");
  assertEquals(scene.lines.length, 1000);
  // By and by there is room for others.
  scene.nowMs += 120_000;
  scene.say("c", "fails");
  scene.say("a", "199");
  assertEquals(scene.lines.slice(1000), ["c fails", "a 199"]);
});
