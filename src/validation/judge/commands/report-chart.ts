/** A line chart as inline SVG, for a page that needs no script and no network. */
export interface Series {
  readonly label: string;
  /** A colour of the page's palette: `canary`, `stable`, `harm`, `pass`. */
  readonly tone: string;
  readonly points: readonly Point[];
  readonly dashed?: boolean;
}

/** null breaks the line: nothing was known there. */
export interface Point {
  readonly x: number;
  readonly y: number | null;
}

export interface Band {
  readonly tone: string;
  readonly label: string;
  readonly points: readonly { readonly x: number; readonly low: number; readonly high: number | null }[];
}

export interface Chart {
  readonly title: string;
  readonly description: string;
  readonly xLabel: string;
  readonly scale: 'linear' | 'log';
  readonly format: (value: number) => string;
  readonly series: readonly Series[];
  readonly band?: Band;
  /** Horizontal lines with a name: bars of the evidence, tolerated ratios. */
  readonly bars: readonly { readonly at: number; readonly label: string; readonly tone: string }[];
  /** Vertical lines: decisions. */
  readonly marks: readonly { readonly at: number; readonly label: string; readonly tone: string }[];
}

const WIDTH = 960;
const HEIGHT = 300;
const LEFT = 76;
const RIGHT = 16;
const TOP = 26;
const BOTTOM = 40;

interface Axis {
  readonly low: number;
  readonly high: number;
  readonly place: (value: number) => number;
}

export function chartSvg(chart: Chart): string {
  const x = xAxis(chart);
  const y = yAxis(chart);
  const parts = [
    ...gridLines(chart, y),
    ...timeTicks(chart, x),
    ...(chart.band ? [bandArea(chart.band, x, y)] : []),
    ...chart.series.map((series) => line(series, x, y, chart.scale)),
    ...chart.bars.map((bar) =>
      barLine(
        bar,
        y,
        chart.bars.some((other) => other.at > bar.at),
      ),
    ),
    ...chart.marks.map((mark) => markLine(mark, x)),
  ];
  const label = `<title>${escaped(chart.title)}</title><desc>${escaped(chart.description)}</desc>`;
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" preserveAspectRatio="xMidYMid meet">${label}${parts.join('')}</svg>`;
}

function xAxis({ series, band }: Chart): Axis {
  const values = [...series.flatMap(({ points }) => points.map((point) => point.x)), ...(band?.points ?? []).map((point) => point.x)];
  const low = values.reduce((least, value) => Math.min(least, value), Infinity);
  const high = values.reduce((most, value) => Math.max(most, value), -Infinity);
  const span = Math.max(high - low, 1);
  return { low, high: low + span, place: (value) => LEFT + ((value - low) / span) * (WIDTH - LEFT - RIGHT) };
}

function yAxis({ series, band, bars, scale }: Chart): Axis {
  const drawn = series.flatMap(({ points }) => points.flatMap((point) => (point.y === null ? [] : [point.y])));
  const banded = (band?.points ?? []).flatMap(({ low, high }) => (high === null ? [low] : [low, high]));
  const values = [...drawn, ...banded, ...bars.map(({ at }) => at)].filter(
    (value) => Number.isFinite(value) && (scale === 'linear' || value > 0),
  );
  const least = values.reduce((low, value) => Math.min(low, value), scale === 'linear' ? 0 : Infinity);
  const most = values.reduce((high, value) => Math.max(high, value), scale === 'linear' ? 0 : 0);
  if (scale === 'linear') return linear(least, most > least ? most * 1.08 : least + 1);
  const [low, high] = most > 0 ? [Math.log10(least) - 0.1, Math.log10(most) + 0.1] : [-1, 1];
  const axis = linear(low, high);
  const inside = (value: number): number => Math.min(Math.max(value > 0 ? Math.log10(value) : low, low), high);
  return { low: 10 ** low, high: 10 ** high, place: (value) => axis.place(inside(value)) };
}

function linear(low: number, high: number): Axis {
  return { low, high, place: (value) => HEIGHT - BOTTOM - ((value - low) / (high - low)) * (HEIGHT - BOTTOM - TOP) };
}

function gridLines(chart: Chart, y: Axis): readonly string[] {
  const ticks = chart.scale === 'linear' ? linearTicks(y.low, y.high, 5) : powerTicks(y.low, y.high);
  return ticks.map((tick) => {
    const at = fixed(y.place(tick));
    return `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at}" y2="${at}"/><text class="tick" x="${LEFT - 8}" y="${at}" text-anchor="end" dominant-baseline="middle">${escaped(chart.format(tick))}</text>`;
  });
}

function timeTicks(chart: Chart, x: Axis): readonly string[] {
  const ticks = linearTicks(x.low, x.high, 8).filter(Number.isInteger);
  const labels = ticks.map(
    (tick) => `<text class="tick" x="${fixed(x.place(tick))}" y="${HEIGHT - BOTTOM + 16}" text-anchor="middle">${tick}</text>`,
  );
  return [...labels, `<text class="tick" x="${WIDTH - RIGHT}" y="${HEIGHT - 6}" text-anchor="end">${escaped(chart.xLabel)}</text>`];
}

/** Steps of 1, 2 or 5 times a power of ten. */
function linearTicks(low: number, high: number, about: number): readonly number[] {
  const rough = (high - low) / about;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, index) => Number(((first + index) * step).toPrecision(12)));
}

/** Powers of ten, with 2 and 5 between them when they are few, and every n-th when they are many. */
function powerTicks(low: number, high: number): readonly number[] {
  const [from, to] = [Math.ceil(Math.log10(low)), Math.floor(Math.log10(high))];
  const every = Math.max(1, Math.ceil((to - from + 1) / 8));
  const powers = Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index).filter((power) => power % every === 0);
  const between =
    to - from < 3
      ? Array.from({ length: to - from + 3 }, (_, index) => from - 1 + index).flatMap((power) => [2 * 10 ** power, 5 * 10 ** power])
      : [];
  return [...powers.map((power) => 10 ** power), ...between.filter((tick) => tick > low && tick < high)];
}

/** Zero has no place on a logarithmic scale: the line breaks there. */
function line({ points, tone, dashed }: Series, x: Axis, y: Axis, scale: Chart['scale']): string {
  let drawing = false;
  const path = points.map((point) => {
    if (point.y === null || !Number.isFinite(point.y) || (scale === 'log' && point.y <= 0)) {
      drawing = false;
      return '';
    }
    const command = drawing ? 'L' : 'M';
    drawing = true;
    return `${command}${fixed(x.place(point.x))} ${fixed(y.place(point.y))}`;
  });
  return `<path class="line ${tone}${dashed ? ' dashed' : ''}" d="${path.join('')}"/>`;
}

/** An upper bound that is not there yet reaches the top of the chart. */
function bandArea({ points, tone }: Band, x: Axis, y: Axis): string {
  const upper = points.map(({ x: at, high }) => `${fixed(x.place(at))} ${fixed(high === null ? TOP : y.place(high))}`);
  const lower = points.map(({ x: at, low }) => `${fixed(x.place(at))} ${fixed(y.place(low))}`).toReversed();
  return points.length === 0 ? '' : `<path class="band ${tone}" d="M${[...upper, ...lower].join('L')}Z"/>`;
}

/** The name of the highest bar stands above it, the others' below, so that two close ones do not collide. */
function barLine({ at, label, tone }: Chart['bars'][number], y: Axis, below: boolean): string {
  const place = fixed(y.place(at));
  return `<line class="bar ${tone}" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${place}" y2="${place}"/><text class="note ${tone}" x="${WIDTH - RIGHT - 4}" y="${fixed(y.place(at) + (below ? 14 : -5))}" text-anchor="end">${escaped(label)}</text>`;
}

function markLine({ at, label, tone }: Chart['marks'][number], x: Axis): string {
  const place = x.place(at);
  const anchor = place > WIDTH / 2 ? 'end' : 'start';
  return `<line class="mark ${tone}" x1="${fixed(place)}" x2="${fixed(place)}" y1="${TOP - 8}" y2="${HEIGHT - BOTTOM}"/><text class="note ${tone}" x="${fixed(place + (anchor === 'end' ? -5 : 5))}" y="${TOP - 10}" text-anchor="${anchor}">${escaped(label)}</text>`;
}

function fixed(value: number): string {
  return String(Math.round(value * 10) / 10);
}

export function escaped(text: string): string {
  const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return text.replaceAll(/[&<>"']/g, (character) => entities[character] ?? character);
}
