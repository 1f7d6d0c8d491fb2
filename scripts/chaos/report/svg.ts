import { escapeMarkup } from "../../../shared/escape.js";

const rounded = (value: number): string => String(Math.round(value * 10) / 10);

interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

export function rect({ x, y, width, height }: Box, fill: string, title = ""): string {
  const place = `x="${rounded(x)}" y="${rounded(y)}" width="${rounded(Math.max(0, width))}" height="${rounded(height)}"`;
  return title === ""
    ? `<rect ${place} fill="${fill}"/>`
    : `<rect ${place} fill="${fill}"><title>${escapeMarkup(title)}</title></rect>`;
}

export function text(x: number, y: number, content: string, { anchor = "start", isSoft = false } = {}): string {
  const soft = isSoft ? ` class="soft"` : "";
  return `<text x="${rounded(x)}" y="${rounded(y)}" text-anchor="${anchor}"${soft}>${escapeMarkup(content)}</text>`;
}

export function line(from: [number, number], to: [number, number], stroke: string): string {
  const [x1, y1, x2, y2] = [...from, ...to].map(rounded);
  return `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="${stroke}"/>`;
}

export function polyline(points: readonly [number, number][], stroke: string): string {
  const places = points.map(([x, y]) => `${rounded(x)},${rounded(y)}`);
  return `<polyline points="${places.join(" ")}" fill="none" stroke="${stroke}" stroke-width="1.3"/>`;
}

/** The next round number that is at least `value`. */
export function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, value)));
  return [1, 2, 2.5, 5, 10].map((step) => step * power).find((top) => top >= value) ?? value;
}
