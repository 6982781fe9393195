import { SLOT_COUNT, type SlotRange } from "../../cluster/node.ts";
import { type Markup, markup } from "./markup.ts";

/** Whole numbers without a unit: the style gives each graphic its size. */
const SPARKLINE = { width: 600, height: 100, margin: 4 };
const SLOT_BAR = { width: 1024, height: 4 };

/** A single slot would be narrower than a pixel. */
const MIN_SLOT_WIDTH = 4;

/**
 * Draws samples as a line over a filled area, the oldest on the left.
 *
 * @param most the value at the top; the same for graphics that are to be compared
 * @param length how many samples fill the width; if there are fewer, the left remains empty
 * @param label what it shows, in words
 */
export function sparkline(
  samples: readonly number[],
  { most, length, label }: { most: number; length: number; label: string },
): Markup {
  const { width, height, margin } = SPARKLINE;
  const step = width / Math.max(1, length - 1);
  const shown = samples.slice(-length);
  const left = width - step * (shown.length - 1);
  const scale = most > 0 ? (height - 2 * margin) / most : 0;
  const points = shown.map((value, index) => {
    return `${Math.round(left + index * step)} ${Math.round(height - margin - value * scale)}`;
  });
  const line = points.join("L");
  const area = `M${Math.round(left)} ${height}L${line}L${width} ${height}Z`;
  const drawn = points.length > 1 &&
    markup`<path class="area" d="${area}"/><path class="line" d="M${line}"/>`;
  const viewBox = `0 0 ${width} ${height}`;
  return markup`
<svg class="sparkline" viewBox="${viewBox}" preserveAspectRatio="none" role="img" aria-label="${label}">${drawn}</svg>`;
}

/** Draws where ranges of slots lie among all slots. The text beside it says the same. */
export function slotBar(ranges: readonly SlotRange[]): Markup {
  const { width, height } = SLOT_BAR;
  const scale = width / SLOT_COUNT;
  const bars: { from: number; to: number }[] = [];
  for (const { first, last } of ranges) {
    const from = Math.min(first * scale, width - MIN_SLOT_WIDTH);
    const to = Math.max(from + MIN_SLOT_WIDTH, (last + 1) * scale);
    const before = bars.at(-1);
    // Bars that touch are one, so thousands of ranges take no more than the width has room for.
    if (before !== undefined && from <= before.to) before.to = to;
    else bars.push({ from, to });
  }
  const drawn = bars.map(({ from, to }) =>
    markup`<rect x="${Math.round(from)}" width="${Math.round(to - from)}" height="${height}"/>`
  );
  const viewBox = `0 0 ${width} ${height}`;
  return markup`
<svg class="slots" viewBox="${viewBox}" preserveAspectRatio="none" aria-hidden="true">${drawn}</svg>`;
}
