/**
 * The latest bars of each instrument, as far back as the sequences of networks usually reach: plain data, changed in
 * place. Whoever needs more asks the context.
 */
import { Schema } from "effect"
import { type BarSeries, volumesOf } from "../../market/BarSeries.ts"
import { closeTimeOf } from "../../market/time/Calendar.ts"
import type { Bar, BarsEvent } from "../../protocols/Bar.ts"
import { Instrument, type InstrumentId } from "../../protocols/Instrument.ts"
import { type TimeFrame, toMs } from "../../protocols/TimeFrame.ts"

/** The longest sequence of the mission's networks with what is before it, and as-ofs that may be asked about late. */
export const barsKept = 160
/** A little more than is kept, so that the front is not cut off at every bar. */
const slack = 64

const names = ["openTime", "open", "high", "low", "close", "volume"] as const

/** For snapshots: the columns one after the other as float64, little endian, in base64; no volume is NaN. */
export const EncodedWindows = Schema.Struct({
  instruments: Schema.Array(Instrument),
  windows: Schema.Array(
    Schema.Struct({ instrument: Schema.String, columns: Schema.String, closeOnly: Schema.Boolean })
  )
})
export type EncodedWindows = typeof EncodedWindows.Type

interface Window {
  readonly columns: Readonly<Record<(typeof names)[number], Array<number>>>
  closeOnly: boolean
}

export interface BarWindows {
  /** That the feed brings. */
  instruments: ReadonlyArray<Instrument>
  readonly windows: Map<string, Window>
}

const emptyWindow = (): Window => ({
  columns: { openTime: [], open: [], high: [], low: [], close: [], volume: [] },
  closeOnly: false
})

export const emptyWindows = (): BarWindows => ({ instruments: [], windows: new Map() })

export const encodeWindows = ({ instruments, windows }: BarWindows): EncodedWindows => ({
  instruments,
  windows: [...windows].map(([instrument, { closeOnly, columns }]) => ({
    instrument,
    closeOnly,
    columns: Buffer.from(Float64Array.from(names.flatMap((name) => columns[name])).buffer).toString("base64")
  }))
})

export const decodeWindows = ({ instruments, windows }: EncodedWindows): BarWindows => ({
  instruments,
  windows: new Map(
    windows.map(({ closeOnly, columns, instrument }) => {
      const bytes = Buffer.from(columns, "base64")
      const all = [...new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))]
      const length = all.length / names.length
      const window = emptyWindow()
      names.forEach((name, i) => {
        window.columns[name].push(...all.slice(i * length, (i + 1) * length))
      })
      return [instrument, { ...window, closeOnly }] as const
    })
  )
})

const push = (window: Window, bar: Bar): void => {
  const { columns } = window
  if (bar.openTime <= (columns.openTime.at(-1) ?? Number.NEGATIVE_INFINITY)) return
  window.closeOnly = bar.closeOnly
  for (const name of names) columns[name].push(bar[name] ?? Number.NaN)
  if (columns.openTime.length > barsKept + slack) {
    for (const name of names) columns[name].splice(0, columns[name].length - barsKept)
  }
}

/** A fold over bars. */
export const evolveWindows = (state: BarWindows, event: BarsEvent): BarWindows => {
  if (event.type === "FeedOpened") state.instruments = event.payload.instruments
  if (event.type !== "BarsClosed") return state
  for (const bar of event.payload.bars) {
    const window = state.windows.get(bar.instrument) ?? emptyWindow()
    state.windows.set(bar.instrument, window)
    push(window, bar)
  }
  return state
}

/** Bars as columns. */
export const seriesOf = (
  instrument: Instrument,
  timeFrame: TimeFrame,
  bars: ReadonlyArray<Bar>
): BarSeries => {
  const column = (name: (typeof names)[number]) => Float64Array.from(bars, (bar) => bar[name] ?? Number.NaN)
  return wholeSeries(instrument, timeFrame, column, bars.at(-1)?.closeOnly ?? false)
}

const wholeSeries = (
  instrument: Instrument,
  timeFrame: TimeFrame,
  column: (name: (typeof names)[number]) => Float64Array,
  closeOnly: boolean
): BarSeries => {
  const close = column("close")
  const prices = (name: "open" | "high" | "low") => (closeOnly ? close : column(name))
  return {
    instrument,
    timeFrame,
    openTime: column("openTime"),
    open: prices("open"),
    high: prices("high"),
    low: prices("low"),
    close,
    volume: volumesOf(column("volume")),
    closeOnly,
    gaps: 0,
    barsMissing: 0
  }
}

/** The bars up to the one that closed at an as-of, if it and so many before it are still held. */
export const windowSeries = (
  state: BarWindows,
  instrument: InstrumentId,
  timeFrame: TimeFrame,
  asOf: number,
  count: number
): BarSeries | undefined => {
  const found = state.instruments.find(({ id }) => id === instrument)
  const window = state.windows.get(instrument)
  if (found === undefined || window === undefined) return undefined
  const frameMs = toMs(timeFrame)
  const isLast = (openTime: number) => closeTimeOf(found.calendar, frameMs, openTime) === asOf
  const end = window.columns.openTime.findLastIndex(isLast) + 1
  if (end < count || end === 0) return undefined
  const column = (name: (typeof names)[number]) =>
    Float64Array.from(window.columns[name].slice(end - count, end))
  return wholeSeries(found, timeFrame, column, window.closeOnly)
}

/** The bars that closed in [from, to], oldest first; undefined where some of them may have been let go. */
export const windowBars = (
  state: BarWindows,
  { calendar, id }: Pick<Instrument, "calendar" | "id">,
  timeFrame: TimeFrame,
  from: number,
  to: number
): ReadonlyArray<Bar> | undefined => {
  const window = state.windows.get(id)
  if (window === undefined) return []
  const { closeOnly, columns } = window
  const bars: Array<Bar> = []
  for (let at = columns.openTime.length - 1; at >= 0; at--) {
    const openTime = columns.openTime[at] as number
    const closeTime = closeTimeOf(calendar, toMs(timeFrame), openTime)
    if (closeTime < from) return bars.reverse()
    if (closeTime > to) continue
    const volume = columns.volume[at] as number
    bars.push({
      ...{ instrument: id, timeFrame, openTime, closeTime, closeOnly },
      open: columns.open[at] as number,
      high: columns.high[at] as number,
      low: columns.low[at] as number,
      close: columns.close[at] as number,
      volume: Number.isNaN(volume) ? null : volume,
      ...{ source: "window", sequence: at, revision: 0, knownAt: closeTime }
    })
  }
  return columns.openTime.length < barsKept ? bars.reverse() : undefined
}
