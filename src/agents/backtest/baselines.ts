/**
 * What plain rules would have come to over the bars of a run, on the same terms: the starting cash in equal parts,
 * each instrument held throughout, or while its fast average is above its slow one. They learn from the warm-up's
 * bars and trade from the same as-of on as the committee.
 */
import { Either } from "effect"
import type { Steps } from "../../learning/steps.ts"
import { type AsOfSchedule, makeAsOfSchedule } from "../../market/AsOfSchedule.ts"
import { type BarSeries, ColumnsBuilder, closeTimeAt } from "../../market/BarSeries.ts"
import { crossingTargets } from "../../market/backtest/crossing.ts"
import { runEvents } from "../../market/backtest/EventEngine.ts"
import { targetStrategy } from "../../market/backtest/targetStrategy.ts"
import { toQuote } from "../../market/execution/Money.ts"
import { carriedExposure } from "../../market/execution/TargetExposure.ts"
import type { ExecutionRules } from "../../market/execution/Terms.ts"
import type { Instrument } from "../../protocols/Instrument.ts"
import type { TimeFrame } from "../../protocols/TimeFrame.ts"
import type { NamedCurve } from "./performanceReport.ts"
import type { AsOfRecord } from "./records.ts"

/** A millisecond or so of work. */
const barsPerSlice = 10_000

/** The bars of the records by instrument, of those that have any. */
function* seriesOf(
  records: ReadonlyArray<AsOfRecord<unknown>>,
  instruments: ReadonlyArray<Instrument>,
  timeFrame: TimeFrame
): Steps<ReadonlyArray<BarSeries>> {
  const builders = new Map<string, ColumnsBuilder>()
  let taken = 0
  for (const { bars } of records) {
    taken += bars.length
    if (taken >= barsPerSlice) {
      taken = 0
      yield
    }
    for (const bar of bars) {
      const { close, closeOnly, high, instrument, low, open, openTime, volume } = bar
      const builder = builders.get(instrument) ?? new ColumnsBuilder(closeOnly, true)
      builders.set(instrument, builder)
      // A bar that corrects an earlier one is none to trade on anew.
      if (openTime > builder.lastTime) builder.push(openTime, close, open, high, low, volume ?? Number.NaN)
    }
  }
  return instruments.flatMap((instrument) => {
    const builder = builders.get(instrument.id)
    return builder === undefined
      ? []
      : [{ ...builder.finish(), instrument, timeFrame, gaps: 0, barsMissing: 0 }]
  })
}

/** Targets by as-of, of those by bar: where an instrument has no bar its target stays. None before trading begins. */
function* byAsOf(
  schedule: AsOfSchedule,
  series: BarSeries,
  targets: Int8Array,
  warmUp: number
): Steps<Int8Array> {
  const spread = new Int8Array(schedule.length)
  let bar = -1
  for (let index = 0; index < schedule.length; index++) {
    if (index % barsPerSlice === 0) yield
    const asOf = schedule.closeTimeAt(index)
    while (bar + 1 < targets.length && closeTimeAt(series, bar + 1) <= asOf) bar++
    spread[index] = index < warmUp || bar < 0 ? 0 : (targets[bar] as number)
  }
  return spread
}

/** A day and a week of hourly bars (Brock, Lakonishok and LeBaron, Journal of Finance, 1992, with these lengths). */
const fastBars = 24
const slowBars = 168

const rules = [
  { name: "buy and hold", targetsOf: ({ close }: BarSeries) => new Int8Array(close.length).fill(1) },
  {
    name: `crossing ${fastBars}/${slowBars}`,
    targetsOf: (series: BarSeries) => crossingTargets(series, fastBars, slowBars, false)
  }
] as const

export interface BaselineOptions {
  readonly instruments: ReadonlyArray<Instrument>
  readonly timeFrame: TimeFrame
  readonly startingCash: number
  readonly rules: ExecutionRules
}

/** Each in quote units: the starting cash, then the equity at each traded as-of. */
export function* baselinesOf(
  records: ReadonlyArray<AsOfRecord<unknown>>,
  { instruments, rules: terms, startingCash, timeFrame }: BaselineOptions
): Steps<ReadonlyArray<NamedCurve>> {
  const [first, ...rest] = yield* seriesOf(records, instruments, timeFrame)
  if (first === undefined) return []
  const schedule = Either.getOrThrowWith(makeAsOfSchedule([first, ...rest]), (error) => error)
  const warmUp = records.filter((record) => record.warmUp).length
  const found: Array<NamedCurve> = []
  for (const { name, targetsOf } of rules) {
    const positions = new Map<string, Int8Array>()
    for (const series of schedule.series) {
      yield
      positions.set(series.instrument.id, yield* byAsOf(schedule, series, targetsOf(series), warmUp))
    }
    const strategy = targetStrategy({ positions, exposure: carriedExposure(terms) / schedule.series.length })
    const { equity } = yield* runEvents(schedule, strategy, { startingCash, rules: terms, warmUp })
    const curve = new Float64Array(schedule.length - warmUp + 1)
    curve[0] = startingCash
    curve.set(equity.subarray(warmUp).map(toQuote), 1)
    found.push({ name, equity: curve })
  }
  return found
}
