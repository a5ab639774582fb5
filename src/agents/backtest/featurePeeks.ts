/**
 * Looks for features that peek: computes each set over the whole history and over the history cut off at some as-ofs,
 * and compares the columns at every bar of the shorter one. A feature that says something else about a bar once later
 * bars are there has looked at them.
 *
 * What can go wrong: a peek that shows at none of the bars that are compared is not found; all of them are.
 */
import type { Steps } from "../../learning/steps.ts"
import { type BarSeries, closeTimeAt } from "../../market/BarSeries.ts"
import type { InstrumentId } from "../../protocols/Instrument.ts"
import type { FeatureSet } from "./featureSets.ts"

export interface FeaturePeek {
  readonly set: string
  readonly column: string
  readonly instrument: InstrumentId
  /** Close of the bar it is about, and where the history ended: it looked beyond the latter. */
  readonly asOf: number
  readonly cutAt: number
  readonly whole: number
  readonly cut: number
}

/** The bars that have closed by an instant. */
export const closedBy = (series: BarSeries, instant: number): BarSeries => {
  const { openTime } = series
  let count = 0
  while (count < openTime.length && closeTimeAt(series, count) <= instant) count++
  const head = (column: Float64Array) => column.subarray(0, count)
  return {
    ...series,
    openTime: head(openTime),
    open: head(series.open),
    high: head(series.high),
    low: head(series.low),
    close: head(series.close),
    volume: series.volume === null ? null : head(series.volume)
  }
}

/** Where the series are cut off: evenly, between the first bars and the last. */
export const cutsOf = (series: ReadonlyArray<BarSeries>, count: number): ReadonlyArray<number> => {
  const ends = [
    ...new Set(series.flatMap((one) => Array.from(one.openTime, (_, bar) => closeTimeAt(one, bar))))
  ].sort((a, b) => a - b)
  const cuts = Array.from(
    { length: count },
    (_, i) => ends[Math.floor(((i + 1) * ends.length) / (count + 1)) - 1]
  )
  return [...new Set(cuts)].filter((cut) => cut !== undefined)
}

/** The first difference of each column of each set. */
export function* featurePeeks(
  sets: ReadonlyArray<FeatureSet>,
  series: ReadonlyArray<BarSeries>,
  cuts: ReadonlyArray<number>
): Steps<ReadonlyArray<FeaturePeek>> {
  const peeks: Array<FeaturePeek> = []
  for (const set of sets) {
    const whole = yield* set.of(series)
    const found = new Set<string>()
    for (const cutAt of cuts) {
      const shorter = series.map((one) => closedBy(one, cutAt))
      const cut = yield* set.of(shorter)
      for (const [i, one] of shorter.entries()) {
        for (const [k, column] of set.columns.entries()) {
          yield
          if (found.has(column)) continue
          const [a, b] = [whole[i]?.[k], cut[i]?.[k]]
          if (a === undefined || b === undefined) continue
          const bar = one.openTime.findIndex((_, at) => !Object.is(a[at], b[at]))
          if (bar < 0) continue
          found.add(column)
          const values = { whole: a[bar] as number, cut: b[bar] as number }
          const asOf = closeTimeAt(one, bar)
          peeks.push({ set: set.name, column, instrument: one.instrument.id, asOf, cutAt, ...values })
        }
      }
    }
  }
  return peeks
}
