/** Charts as inline SVG: lines over two axes, nothing that has to be downloaded. */

export const escapeText = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)

export interface Line {
  readonly name: string
  readonly points: ReadonlyArray<readonly [x: number, y: number]>
}

export interface Chart {
  readonly title: string
  readonly x: string
  readonly y: string
  readonly lines: ReadonlyArray<Line>
  /** From, to; from what is drawn unless given. */
  readonly range?: { readonly x: readonly [number, number]; readonly y: readonly [number, number] }
  /** Where both axes are the same. */
  readonly diagonal?: boolean
  readonly dots?: boolean
}

const width = 520
const height = 320
const margin = { left: 64, right: 16, top: 52, bottom: 48 }
/** Between two names above the lines. */
const nameWidth = 146
const ticks = 5
const colours = ["#1f77b4", "#d62728", "#2ca02c", "#9467bd"]

/** What people would mark on an axis: multiples of 1, 2 or 5 times a power of ten. */
const tickValues = (low: number, high: number): ReadonlyArray<number> => {
  const raw = (high - low) / ticks
  const power = 10 ** Math.floor(Math.log10(raw))
  const step = ([1, 2, 5, 10].find((factor) => factor * power >= raw) ?? 10) * power
  const first = Math.ceil(low / step - 1e-9)
  const last = Math.floor(high / step + 1e-9)
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => (first + i) * step)
}

const rangeOf = (values: ReadonlyArray<number>): readonly [number, number] => {
  const low = values.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY)
  const high = values.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY)
  if (!Number.isFinite(low) || !Number.isFinite(high)) return [0, 1]
  const room = high > low ? 0.05 * (high - low) : Math.max(1e-6, 0.05 * Math.abs(high))
  return [low - room, high + room]
}

const show = (value: number): string => String(Number(value.toPrecision(4)))
const place = (value: number): string => value.toFixed(1)

export const chartSvg = ({ diagonal, dots, lines, range, title, x, y }: Chart): string => {
  const drawn = lines.map((line) => ({
    ...line,
    points: line.points.filter(([a, b]) => Number.isFinite(a) && Number.isFinite(b))
  }))
  const points = drawn.flatMap((line) => line.points)
  const [left, right] = range?.x ?? rangeOf(points.map(([a]) => a))
  const [low, high] = range?.y ?? rangeOf(points.map(([, b]) => b))
  const atX = (value: number) =>
    margin.left + ((value - left) / (right - left)) * (width - margin.left - margin.right)
  const atY = (value: number) =>
    height - margin.bottom - ((value - low) / (high - low)) * (height - margin.top - margin.bottom)
  const [x0, x1, y0, y1] = [margin.left, width - margin.right, height - margin.bottom, margin.top]
  const parts = [
    `<text x="${width / 2}" y="20" class="title">${escapeText(title)}</text>`,
    ...tickValues(left, right).map(
      (value) =>
        `<path d="M${place(atX(value))} ${y0}v5" class="axis"/><text x="${place(atX(value))}" y="${y0 + 18}" class="tick">${show(value)}</text>`
    ),
    ...tickValues(low, high).map(
      (value) =>
        `<path d="M${x0} ${place(atY(value))}H${x1}" class="grid"/><text x="${x0 - 8}" y="${place(atY(value) + 4)}" class="tick end">${show(value)}</text>`
    ),
    `<path d="M${x0} ${y1}V${y0}H${x1}" class="axis"/>`,
    `<text x="${(x0 + x1) / 2}" y="${height - 8}" class="tick">${escapeText(x)}</text>`,
    `<text transform="translate(14 ${(y0 + y1) / 2}) rotate(-90)" class="tick">${escapeText(y)}</text>`,
    ...(diagonal === true
      ? [
          `<path d="M${place(atX(left))} ${place(atY(low))}L${place(atX(right))} ${place(atY(high))}" class="ideal"/>`
        ]
      : []),
    ...drawn.flatMap(({ name, points: all }, i) => {
      const colour = colours[i % colours.length]
      const path = all.map(([a, b]) => `${place(atX(a))} ${place(atY(b))}`).join("L")
      const marks = all.map(
        ([a, b]) => `<circle cx="${place(atX(a))}" cy="${place(atY(b))}" r="3" fill="${colour}"/>`
      )
      return [
        ...(all.length > 1 ? [`<path d="M${path}" fill="none" stroke="${colour}" stroke-width="2"/>`] : []),
        ...(dots === true || all.length === 1 ? marks : []),
        `<text x="${x0 + nameWidth * i}" y="40" fill="${colour}" class="name">${escapeText(name)}</text>`
      ]
    })
  ]
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeText(title)}">${parts.join("")}</svg>`
}
