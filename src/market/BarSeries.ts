/**
 * The bars of one instrument as columns: what indicators, networks and environments compute on, and from
 * which single `Bar`s are made where one travels.
 *
 * Invariants: all columns have the same length, at least one; open times rise strictly; prices are finite and
 * positive with low <= open, close <= high. In a close-only series open, high, low and close are the same
 * array and there is no volume.
 */
import type { Bar } from "../protocols/Bar.ts"
import type { Instrument } from "../protocols/Instrument.ts"
import { type TimeFrame, toMs } from "../protocols/TimeFrame.ts"
import { closeTimeOf } from "./time/Calendar.ts"

export interface BarColumns {
  /** Start of the bar, epoch milliseconds UTC. */
  readonly openTime: Float64Array
  readonly open: Float64Array
  readonly high: Float64Array
  readonly low: Float64Array
  readonly close: Float64Array
  /** In base units, NaN where a bar has none; null where the source has none. */
  readonly volume: Float64Array | null
  readonly closeOnly: boolean
}

export interface BarSeries extends BarColumns {
  readonly instrument: Instrument
  readonly timeFrame: TimeFrame
  /** Places where the calendar has bars and the series has none. */
  readonly gaps: number
  /** Bars that are missing at these places, together. */
  readonly barsMissing: number
}

/** A column of volumes, NaN where a bar has none; null where none of the bars has one. */
export const volumesOf = (column: Float64Array): Float64Array | null =>
  column.every(Number.isNaN) ? null : column

/** When the bar at a position closes, epoch milliseconds UTC: by the calendar of its instrument. */
export const closeTimeAt = (
  { instrument, openTime, timeFrame }: Pick<BarSeries, "instrument" | "openTime" | "timeFrame">,
  index: number
): number => closeTimeOf(instrument.calendar, toMs(timeFrame), openTime[index] as number)

/** The bar at a position, as it came first: known when it closed, never corrected. */
export const barAt = (series: BarSeries, index: number, source: string): Bar => {
  const openTime = series.openTime[index]
  if (openTime === undefined) throw new RangeError(`no bar ${index} in ${series.openTime.length}`)
  const closeTime = closeTimeAt(series, index)
  const volume = series.volume?.[index] ?? Number.NaN
  return {
    instrument: series.instrument.id,
    timeFrame: series.timeFrame,
    openTime,
    closeTime,
    open: series.open[index] as number,
    high: series.high[index] as number,
    low: series.low[index] as number,
    close: series.close[index] as number,
    volume: Number.isNaN(volume) ? null : volume,
    closeOnly: series.closeOnly,
    source,
    sequence: index,
    revision: 0,
    knownAt: closeTime
  }
}

const initialCapacity = 1_024

/** Columns that grow: the number of rows of a stream is not known before its end. */
export class ColumnsBuilder {
  private size = 0
  private readonly columns: Array<Float64Array>
  private latest = Number.NEGATIVE_INFINITY

  constructor(
    private readonly closeOnly: boolean,
    private readonly hasVolume: boolean
  ) {
    const width = closeOnly ? 2 : hasVolume ? 6 : 5
    this.columns = Array.from({ length: width }, () => new Float64Array(initialCapacity))
  }

  get length(): number {
    return this.size
  }

  /** Open time of the last bar; minus infinity before the first. */
  get lastTime(): number {
    return this.latest
  }

  /** @param volume NaN where the bar has none */
  push(time: number, close: number, open: number, high: number, low: number, volume: number): void {
    const at = this.size
    if (at === (this.columns[0] as Float64Array).length) this.grow()
    const columns = this.columns as ReadonlyArray<Float64Array> as [
      Float64Array,
      Float64Array,
      Float64Array,
      Float64Array,
      Float64Array,
      Float64Array
    ]
    columns[0][at] = time
    columns[1][at] = close
    if (!this.closeOnly) {
      columns[2][at] = open
      columns[3][at] = high
      columns[4][at] = low
      if (this.hasVolume) columns[5][at] = volume
    }
    this.latest = time
    this.size = at + 1
  }

  finish(): BarColumns {
    const [openTime, close, open, high, low, volume] = this.columns.map((column) =>
      column.slice(0, this.size)
    ) as [Float64Array, Float64Array, ...Array<Float64Array>]
    return {
      openTime,
      open: open ?? close,
      high: high ?? close,
      low: low ?? close,
      close,
      volume: volume === undefined ? null : volumesOf(volume),
      closeOnly: this.closeOnly
    }
  }

  private grow(): void {
    for (const [i, column] of this.columns.entries()) {
      const larger = new Float64Array(column.length * 2)
      larger.set(column)
      this.columns[i] = larger
    }
  }
}
