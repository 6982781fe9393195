import { assert, assertEquals } from "@std/assert";
import type { BrowserContextOptions, Page } from "playwright-core";
import { listen } from "../../../src/platform/net.ts";
import { StatusServer } from "../../../src/http/status_server.ts";
import { TestBrowser } from "../../support/browser.ts";
import { type ClusterNode, RedisCluster } from "../../support/cluster.ts";
import { NatProcess } from "../../support/nat_process.ts";
import { nodeStatus, PROGRAM, statusWith } from "../../support/shown_program.ts";
import { STATUS_FLAG } from "../../support/status.ts";
import { unless } from "../../support/unless.ts";
import { until } from "../../support/until.ts";

/** The status page in a browser, until its block ends; then nothing may have gone wrong in it. */
class Visit implements AsyncDisposable {
  readonly page: Page;
  readonly faults: string[] = [];

  private constructor(page: Page, url: string) {
    this.page = page;
    page.on("pageerror", (error) => this.faults.push(String(error)));
    page.on("dialog", (dialog) => this.faults.push(dialog.message()));
    page.on("console", (message) => this.faults.push(message.text()));
    page.on("request", (request) => {
      if (!request.url().startsWith(url)) this.faults.push(`It loads ${request.url()}`);
    });
  }

  static async start(
    { browser }: TestBrowser,
    url: string,
    options: BrowserContextOptions = {},
  ): Promise<Visit> {
    const visit = new Visit(await browser.newPage(options), url);
    await visit.page.goto(url);
    return visit;
  }

  /** Runs an expression in the page. */
  evaluate<T>(expression: string): Promise<T> {
    return this.page.evaluate(expression);
  }

  /** The rows of nodes, the texts of their cells separated by `|`. */
  rows(): Promise<string[]> {
    return this.evaluate(`[...document.querySelectorAll("#nodes tbody tr")].map(({ cells }) =>
      [...cells].map(({ innerText }) => innerText.trim().replace(/\\s+/g, " ")).join("|"))`);
  }

  /** Waits until there are these rows and no others, in any order. The page loads no other page. */
  async untilRows(...patterns: RegExp[]): Promise<void> {
    await until("all rows are shown", async (saw) => {
      const rows = await this.rows();
      saw(`${rows.join("\n")}\nagainst\n${patterns.join("\n")}`);
      return rows.length === patterns.length &&
        patterns.every((pattern) => rows.some((row) => pattern.test(row)));
    });
  }

  /** Waits until an element has a text. */
  async untilText(selector: string, pattern: RegExp): Promise<void> {
    await until(`${selector} is ${pattern}`, async (saw) => {
      const text = await this.page.innerText(selector);
      saw(text);
      return pattern.test(text);
    });
  }

  /** How far the page can be scrolled to the side, in pixels. */
  overflow(): Promise<number> {
    return this.evaluate("document.documentElement.scrollWidth - innerWidth");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.page.close();
    assertEquals(this.faults, []);
  }
}

/**
 * The texts whose contrast with what is behind them is less than 4.5 (WCAG 2.2, 1.4.3), as an
 * expression in the page.
 */
const FAINT_TEXTS = `(() => {
  const channels = (color) => color.match(/[\\d.]+/g).map(Number);
  const luminance = (color) => {
    const [red, green, blue] = channels(color).map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const behind = (element) => {
    const color = element && getComputedStyle(element).backgroundColor;
    return channels(color)[3] === 0 ? behind(element.parentElement) : color;
  };
  return [...document.querySelectorAll("body *")].filter((element) => {
    const { length } = [...element.childNodes].filter(({ nodeType, data }) =>
      nodeType === 3 && data.trim());
    if (!length || !element.checkVisibility()) return false;
    const [dark, light] = [luminance(getComputedStyle(element).color), luminance(behind(element))]
      .sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05) < 4.5;
  }).map(({ outerHTML }) => outerHTML);
})()`;

Deno.test(unless(await TestBrowser.hindrance(), "the status page in a browser", async (t) => {
  await using browser = await TestBrowser.start();
  await using cluster = await RedisCluster.start({ primaries: 1, replicasEach: 1 });
  const [first, second] = cluster.nodes as [ClusterNode, ClusterNode];
  await using nat = await new NatProcess([
    ...[`--cluster-addr=${first.address}`, "--listen-addr=127.0.0.1:0", STATUS_FLAG],
    ...["--refresh-interval=200ms", "--username=default", "--password=s3cr3t"],
  ]).untilMapped(2);
  const [url] = await nat.untilLogged(/http:\S+/);
  await using visit = await Visit.start(browser, url);
  const { page } = visit;
  /** The row of a node, which begins with its addresses. */
  const row = ({ address, id }: ClusterNode, text: string) =>
    new RegExp(`:${nat.mapping.get(address)}\\|${address} ${id}\\|${text}`);
  const replica = (primary: ClusterNode) => `replica of ${nat.mapping.get(primary.address)}\\|–`;
  const PRIMARY = "primary\\|0–16383 16,384 slots\\|";

  await t.step("it has a row for each node", async () => {
    await visit.untilRows(row(first, `${PRIMARY}up`), row(second, `${replica(first)}`));
    assertEquals(await page.title(), "All 2 nodes are up – 127.0.0.1");
  });

  await t.step("it shows no secret", async () => {
    await page.click("summary");
    await visit.untilText("#settings", /--password\s+\*\*\*/);
    assert(!(await page.content()).includes("s3cr3t"));
  });

  await t.step("after a failover it shows the new roles", async () => {
    await cluster.failover(second);
    await visit.untilRows(row(first, replica(second)), row(second, `${PRIMARY}up`));
  });

  await t.step("a node that joins gets a row", async () => {
    const third = await cluster.add({ replicaOf: second });
    await nat.untilMapped(3);
    await visit.untilRows(
      row(first, replica(second)),
      row(second, `${PRIMARY}up`),
      row(third, replica(second)),
    );
  });

  await t.step("a node that dies is a problem, in words", async () => {
    await first.kill();
    const port = nat.mapping.get(first.address);
    await visit.untilText(
      "#problems",
      new RegExp(`${first.address} does not accept connections\\s+Port ${port} has been closed`),
    );
    await visit.untilText("[role=status].verdict", /^1 problem/);
    await until("the title says so", async () => /^1 problem /.test(await page.title()));
    assert((await visit.rows()).some((text) => /\|refuses connections \d+ s\|/.test(text)));
    assertEquals(await visit.evaluate(FAINT_TEXTS), []);
  });

  await t.step("in the dark it is dark, and as readable", async () => {
    await page.emulateMedia({ colorScheme: "dark" });
    const background = await visit.evaluate("getComputedStyle(document.body).backgroundColor");
    assertEquals(background, "rgb(21, 22, 20)");
    assertEquals(await visit.evaluate(FAINT_TEXTS), []);
  });

  await t.step("on a phone nothing has to be scrolled to the side", async () => {
    for (const width of [1280, 1160, 1150, 820, 390, 320]) {
      await page.setViewportSize({ width, height: 800 });
      assertEquals(await visit.overflow(), 0, `at a width of ${width}`);
    }
    // The rows are cards here, and still rows for those who have the page read to them.
    assertEquals(await page.getByRole("row").count(), 4);
    assertEquals(await page.getByRole("rowheader").count(), 3);
  });

  await t.step("a node that comes back is none any more", async () => {
    await first.start();
    await visit.untilText("[role=status].verdict", /^All 3 nodes are up/);
    // What was opened, stays open when the page is brought up to date.
    assert(await visit.evaluate("document.querySelector('#settings').open"));
  });

  await t.step("all can be done by keyboard", async () => {
    await using fresh = await Visit.start(browser, url);
    const { keyboard } = fresh.page;
    const focused = () =>
      fresh.evaluate<string>("document.activeElement.id || document.activeElement.innerText");
    const reached: string[] = [];
    for (let presses = 0; presses < 9; presses++) {
      await keyboard.press("Tab");
      const outline = await fresh.evaluate("getComputedStyle(document.activeElement).outlineStyle");
      assertEquals(outline, "solid", await focused());
      reached.push(await focused());
    }
    const [skip, button, ...others] = reached;
    assertEquals([skip, button], ["Skip to the nodes", "Pause"]);
    assertEquals(others.slice(2), ["Settings", "nodes", "metrics", "healthz", "readyz"]);
    await fresh.page.focus(".skip");
    await keyboard.press("Enter");
    assertEquals(await focused(), "nodes");
    await fresh.page.focus("summary");
    await keyboard.press("Enter");
    assert(await fresh.evaluate("document.querySelector('#settings').open"));
    await fresh.page.focus("button");
    await keyboard.press("Space");
    assertEquals(await focused(), "Resume");
  });

  await t.step("without scripts it is complete", async () => {
    await using plain = await Visit.start(browser, url, { javaScriptEnabled: false });
    assertEquals(await plain.page.getByRole("row").count(), 4);
    const text = await plain.page.innerText("body");
    assert(text.includes("Reload for newer figures"), text);
    assertEquals(await plain.page.getByRole("button").count(), 0);
  });

  await t.step("markup in names is text", () => assertEscaped(browser));

  await t.step("when the program is gone, it says so", async () => {
    await nat.kill();
    await visit.untilText("#silence", /^The proxy does not answer/);
    await page.close();
    // Each refresh that fails is in the console.
    const lost = visit.faults.splice(0);
    assert(lost.every((fault) => fault.includes("net::ERR_CONNECTION_REFUSED")), lost.join());
  });
}));

/** Checks that names are shown letter by letter, also those that come with a refresh. */
async function assertEscaped(browser: TestBrowser): Promise<void> {
  const bad = `<img src=x onerror="alert(1)"><script>alert(2)</script>${"x".repeat(99)}`;
  const node = nodeStatus(8000);
  let times = 1;
  const listener = listen("127.0.0.1", 0);
  const server = new StatusServer("127.0.0.1", [listener], {
    ...PROGRAM,
    about: { version: bad },
    settings: [{ flag: "--map-file", value: bad, isDefault: false }],
    proxy: {
      map: "",
      whyNotReady: () => Promise.resolve(undefined),
      status: () =>
        Promise.resolve({
          ...statusWith({ ...node, id: bad, address: { host: bad, hostname: `${bad}.`, port: 1 } }),
          noPortReason: bad,
          problems: [{ level: "error", text: `Client ${bad}`, count: times++, lastAtMs: 0 }],
        }),
    },
  });
  try {
    const url = `http://127.0.0.1:${listener.addr.port}/`;
    await using visit = await Visit.start(browser, url);
    await visit.page.click("summary");
    // As it was loaded, and as the script has changed it.
    const before = times;
    for (let refresh = 0; refresh < 2; refresh++) {
      await until("it is brought up to date", () => times > before + refresh);
      const elements = await visit.evaluate(
        "document.querySelectorAll('img, #page script').length",
      );
      assertEquals(elements, 0);
      await visit.page.setViewportSize({ width: refresh === 0 ? 1160 : 320, height: 800 });
      assertEquals(await visit.overflow(), 0);
      const text = await visit.page.innerText("body");
      assertEquals(text.split(bad).length - 1, 7, text);
    }
  } finally {
    await server.close();
  }
}
