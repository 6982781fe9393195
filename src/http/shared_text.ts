import type { ProxyStatus } from "../proxy/status.ts";

/** How long a text is good for everybody who asks. */
const MIN_AGE_MS = 250;

/** Rendering a thousand nodes takes 100 ms; this limits its part of the time of the thread. */
const MAX_RENDERING_SHARE = 1 / 20;

/** A text about the status of the proxy, as of now or of a moment ago, so that many who ask cost no more. */
export class SharedText {
  readonly #statusNow: () => Promise<ProxyStatus | undefined>;
  readonly #render: (status: ProxyStatus | undefined) => string;
  #text: Promise<string> | undefined;
  /** Until when `#text` is good. */
  #freshUntilMs = -Infinity;

  /** @param statusNow returns undefined until the proxy is created */
  constructor(
    statusNow: () => Promise<ProxyStatus | undefined>,
    render: (status: ProxyStatus | undefined) => string,
  ) {
    this.#statusNow = statusNow;
    this.#render = render;
  }

  /** The text; rendered now, unless that was done a moment ago. */
  get(): Promise<string> {
    if (this.#text === undefined || performance.now() >= this.#freshUntilMs) {
      this.#freshUntilMs = Infinity;
      this.#text = this.#renderNow();
    }
    return this.#text;
  }

  async #renderNow(): Promise<string> {
    let freshUntilMs = -Infinity;
    try {
      const status = await this.#statusNow();
      const startMs = performance.now();
      const text = this.#render(status);
      const endMs = performance.now();
      freshUntilMs = endMs + Math.max(MIN_AGE_MS, (endMs - startMs) / MAX_RENDERING_SHARE);
      return text;
    } finally {
      this.#freshUntilMs = freshUntilMs;
    }
  }
}
