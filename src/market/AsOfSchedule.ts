/**
 * The bars of several series in the order in which they become known: one as-of per distinct close time, with
 * the bars of all instruments that close then.
 *
 * Whoever handles an as-of must have all of its bars, or ranks and correlations would see a part of the
 * market: so the schedule is built over all series at once. It keeps eight bytes per bar and makes `Bar`s
 * only for the as-of that is asked for. An instrument without a bar at an as-of is absent from it.
 *
 * Invariants: close times rise strictly; every bar of every series occurs exactly once (of those in the last
 * as-ofs, where only these are kept); within an as-of bars are in the order of the series. All series have
 * one time frame, and no instrument occurs twice.
 */
import { Either } from "effect"
import type { Bar } from "../protocols/Bar.ts"
import { type TimeFrame, toMs } from "../protocols/TimeFrame.ts"
import { Limits } from "../protocols/wire/Limits.ts"
import { type BarSeries, barAt } from "./BarSeries.ts"
import { DuplicateInstrument, MixedTimeFrames, type ScheduleError, TooManyInstruments } from "./errors.ts"
import { closeTimeOf } from "./time/Calendar.ts"

export interface AsOf {
  /** From 0, counted from the first as-of that is kept. */
  readonly index: number
  /** The close time of its bars, epoch milliseconds UTC. */
  readonly asOf: number
  readonly bars: ReadonlyArray<Bar>
}

export interface AsOfSchedule extends Iterable<AsOf> {
  readonly series: ReadonlyArray<BarSeries>
  readonly timeFrame: TimeFrame
  /** Number of as-ofs. */
  readonly length: number
  /** Bars of all as-ofs together. */
  readonly bars: number
  /** Bars of the as-ofs below an index, which is at most `length`. */
  readonly barsBefore: (index: number) => number
  /** The as-of at an index; a `RangeError` outside [0, length). */
  readonly at: (index: number) => AsOf
  /** Close time of an as-of without its bars. */
  readonly closeTimeAt: (index: number) => number
}

export interface AsOfScheduleOptions {
  /** Keeps only the last so many as-ofs. */
  readonly lastAsOfs?: number
  /** The feed that the bars name as their source. */
  readonly source?: string
}

/** As-ofs of the warm-up, which is learned from and never traded on: the first max(250, 20%), or all. */
export const warmUpAsOfs = (total: number, asOfsMin = 250, share = 0.2): number =>
  Math.min(total, Math.max(asOfsMin, Math.ceil(share * total)))

const distinctRising = (seriesTimes: ReadonlyArray<Float64Array>): Float64Array => {
  const all = new Float64Array(seriesTimes.reduce((sum, times) => sum + times.length, 0))
  let filled = 0
  for (const times of seriesTimes) {
    all.set(times, filled)
    filled += times.length
  }
  all.sort()
  let distinct = 0
  for (let i = 0; i < all.length; i++) {
    if (i === 0 || all[i] !== all[i - 1]) all[distinct++] = all[i] as number
  }
  return all.slice(0, distinct)
}

const whyNot = (series: ReadonlyArray<BarSeries>): ScheduleError | undefined => {
  const seen = new Set<string>()
  const first = series[0]
  for (const { instrument, timeFrame } of series) {
    if (first !== undefined && timeFrame !== first.timeFrame) {
      return new MixedTimeFrames({
        first: first.instrument.id,
        firstTimeFrame: first.timeFrame,
        other: instrument.id,
        otherTimeFrame: timeFrame
      })
    }
    if (seen.has(instrument.id)) return new DuplicateInstrument({ instrument: instrument.id })
    seen.add(instrument.id)
  }
  return seen.size > Limits.barsPerEventMax
    ? new TooManyInstruments({ instruments: seen.size, instrumentsMax: Limits.barsPerEventMax })
    : undefined
}

interface BarPlaces {
  /** Distinct close times, rising. */
  readonly asOfs: Float64Array
  /** The bars of as-of i are the entries from starts[i] to starts[i + 1]. */
  readonly starts: Uint32Array
  readonly seriesOf: Uint32Array
  readonly rowOf: Uint32Array
}

/** The bars of the last so many as-ofs: first the counts, then their sums, then the entries, series by series. */
const placesOf = (series: ReadonlyArray<BarSeries>, frameMs: number, lastAsOfs: number): BarPlaces => {
  const closeTimes = series.map(({ instrument: { calendar }, openTime }) =>
    openTime.map((time) => closeTimeOf(calendar, frameMs, time))
  )
  const every = distinctRising(closeTimes)
  const asOfs = every.subarray(Math.max(0, every.length - lastAsOfs))
  const length = asOfs.length
  const starts = new Uint32Array(length + 1)
  // Each series walks along the times it shares with the schedule.
  const walk = (visit: (asOf: number, seriesIndex: number, row: number) => void) => {
    for (const [seriesIndex, times] of closeTimes.entries()) {
      let asOf = 0
      for (let row = 0; row < times.length; row++) {
        const time = times[row] as number
        while (asOf < length && (asOfs[asOf] as number) < time) asOf++
        if (asOfs[asOf] === time) visit(asOf, seriesIndex, row)
      }
    }
  }
  walk((asOf) => {
    starts[asOf + 1] = (starts[asOf + 1] as number) + 1
  })
  for (let i = 0; i < length; i++) starts[i + 1] = (starts[i + 1] as number) + (starts[i] as number)
  const bars = starts[length] as number
  const seriesOf = new Uint32Array(bars)
  const rowOf = new Uint32Array(bars)
  const next = starts.slice(0, length)
  walk((asOf, seriesIndex, row) => {
    const entry = next[asOf] as number
    seriesOf[entry] = seriesIndex
    rowOf[entry] = row
    next[asOf] = entry + 1
  })
  return { asOfs, starts, seriesOf, rowOf }
}

/** Of at least one series. */
export const makeAsOfSchedule = (
  series: readonly [BarSeries, ...ReadonlyArray<BarSeries>],
  options: AsOfScheduleOptions = {}
): Either.Either<AsOfSchedule, ScheduleError> => {
  const refused = whyNot(series)
  if (refused !== undefined) return Either.left(refused)
  const { timeFrame } = series[0]
  const source = options.source ?? "csv"
  const { asOfs, rowOf, seriesOf, starts } = placesOf(
    series,
    toMs(timeFrame),
    options.lastAsOfs ?? Number.POSITIVE_INFINITY
  )
  const length = asOfs.length

  const closeTimeAt = (index: number): number => {
    const asOf = asOfs[index]
    if (asOf === undefined) throw new RangeError(`no as-of ${index} in ${length}`)
    return asOf
  }
  const at = (index: number): AsOf => {
    const asOf = closeTimeAt(index)
    const found: Array<Bar> = []
    for (let entry = starts[index] as number; entry < (starts[index + 1] as number); entry++) {
      found.push(barAt(series[seriesOf[entry] as number] as BarSeries, rowOf[entry] as number, source))
    }
    return { index, asOf, bars: found }
  }
  return Either.right({
    series,
    timeFrame,
    length,
    bars: rowOf.length,
    barsBefore: (index) => starts[index] ?? rowOf.length,
    at,
    closeTimeAt,
    *[Symbol.iterator]() {
      for (let index = 0; index < length; index++) yield at(index)
    }
  })
}
