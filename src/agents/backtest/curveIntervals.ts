/**
 * Intervals of what an equity curve and its trades came to, by the block bootstrap of their returns and profits.
 *
 * Each measure is resampled on a scale on which it can be moved to and fro and stays what it is: growth and whatever is
 * positive as logarithms, the depth of a drawdown as the logarithm of its logarithm. A resampled curve is made of blocks of
 * neighbouring returns; the blocks are as long as the returns and their squares ask for, so that calm and wild times
 * stay together.
 *
 * What can go wrong: too few bars or trades (TooFewOutcomes). A measure that one resample does not have has no interval.
 * A slice of the work is one resample: 5 ms for about 50,000 bars.
 */
import { Either } from "effect"
import type { TooFewOutcomes } from "../../learning/errors.ts"
import { blockLengthFor } from "../../learning/evaluation/BlockBootstrap.ts"
import { bootstrapStatistics, type StatisticInterval } from "../../learning/evaluation/StatisticBootstrap.ts"
import type { Steps } from "../../learning/steps.ts"
import { type CurveMetrics, measureCurve } from "../../market/performance/CurveMetrics.ts"
import { equityMax } from "../../market/performance/EquityCurve.ts"
import { momentsOf } from "../../market/performance/Moments.ts"
import { measureTrades, type TradeMetrics } from "../../market/performance/TradeMetrics.ts"

export interface IntervalOptions {
  readonly confidence: number
  readonly resamples: number
  /** Names the random stream. */
  readonly key: ReadonlyArray<string | number>
}

/** By the names of the measures; null for one without. */
export type Intervals<Name extends string> = Readonly<Record<Name, StatisticInterval | null>>

interface Scale {
  readonly to: (value: number) => number
  readonly from: (value: number) => number
}

const asItIs: Scale = { to: (value) => value, from: (value) => value }
const growth: Scale = { to: Math.log1p, from: Math.expm1 }
const positive: Scale = { to: Math.log, from: Math.exp }
/** Of what was left of the peak: in (0, 1) again, wherever it is moved to. */
const depth: Scale = {
  to: (value) => Math.log(-Math.log1p(-value)),
  from: (value) => -Math.expm1(-Math.exp(value))
}
const share: Scale = { to: (value) => value, from: (value) => Math.min(1, Math.max(0, value)) }

const curveScales = {
  totalReturn: growth,
  annualisedReturn: growth,
  volatility: positive,
  sharpe: asItIs,
  sortino: asItIs,
  calmar: asItIs,
  maximumDrawdown: depth,
  skewness: asItIs,
  kurtosis: positive
} satisfies Partial<Record<keyof CurveMetrics, Scale>>
export type CurveMeasure = keyof typeof curveScales

const tradeScales = { hitRate: share, profitFactor: positive } satisfies Partial<
  Record<keyof TradeMetrics, Scale>
>
export type TradeMeasure = keyof typeof tradeScales

const comparisonScales = { returnDifference: asItIs, sharpeDifference: asItIs }
export type ComparisonMeasure = keyof typeof comparisonScales

function* intervalsOf<Name extends string>(
  rows: number,
  scales: Readonly<Record<Name, Scale>>,
  measures: (positions: Uint32Array) => Readonly<Record<NoInfer<Name>, number | null>>,
  options: IntervalOptions & { readonly blockLength: number }
): Steps<Either.Either<Intervals<Name>, TooFewOutcomes>> {
  const names = Object.keys(scales) as Array<Name>
  const found = yield* bootstrapStatistics(
    rows,
    (positions) => {
      const measured = measures(positions)
      return names.map((name) => scales[name].to(measured[name] ?? Number.NaN))
    },
    options
  )
  return Either.map(found, (intervals) => {
    const byName = names.map((name, i) => {
      const interval = intervals[i] ?? null
      const { from } = scales[name]
      return [name, interval && { low: from(interval.low), high: from(interval.high) }] as const
    })
    return Object.fromEntries(byName) as Intervals<Name>
  })
}

/** As long as the returns of each series and their squares ask for. */
export function* blockBars(series: ReadonlyArray<Float64Array>): Steps<number> {
  let longest = 1
  for (const returns of series) {
    for (const values of [returns, returns.map((value) => value * value)]) {
      longest = Math.max(longest, yield* blockLengthFor(values, 1))
    }
  }
  return longest
}

/** The rows at these positions. */
const gather = (values: Float64Array, positions: Uint32Array, out: Float64Array): Float64Array => {
  for (let i = 0; i < positions.length; i++) out[i] = values[positions[i] as number] as number
  return out
}

export function* curveIntervals(
  returns: Float64Array,
  barsPerYear: number,
  options: IntervalOptions & { readonly blockLength: number }
): Steps<Either.Either<Intervals<CurveMeasure>, TooFewOutcomes>> {
  const path = new Float64Array(returns.length + 1).fill(1)
  const measures = (positions: Uint32Array) => {
    for (let i = 0; i < positions.length; i++) {
      path[i + 1] = Math.min(
        equityMax,
        (path[i] as number) * (1 + (returns[positions[i] as number] as number))
      )
    }
    return measureCurve(path, barsPerYear)
  }
  return yield* intervalsOf(returns.length, curveScales, measures, options)
}

/** @param profits of closed trades, in the order in which they were closed */
export function* tradeIntervals(
  profits: Float64Array,
  options: IntervalOptions
): Steps<Either.Either<Intervals<TradeMeasure>, TooFewOutcomes>> {
  const drawn = new Float64Array(profits.length)
  const measures = (positions: Uint32Array) => measureTrades(gather(profits, positions, drawn))
  const blockLength = yield* blockLengthFor(profits, 1)
  return yield* intervalsOf(profits.length, tradeScales, measures, { ...options, blockLength })
}

/** Of two series of returns over the same bars: the first less the second, a year. */
export function* comparisonIntervals(
  returns: Float64Array,
  others: Float64Array,
  barsPerYear: number,
  options: IntervalOptions
): Steps<Either.Either<Intervals<ComparisonMeasure>, TooFewOutcomes>> {
  const drawn = new Float64Array(returns.length)
  const otherDrawn = new Float64Array(returns.length)
  const measures = (positions: Uint32Array) => {
    const own = momentsOf(gather(returns, positions, drawn))
    const other = momentsOf(gather(others, positions, otherDrawn))
    const ratioOf = ({ mean, deviation }: typeof own) => (deviation > 0 ? mean / deviation : Number.NaN)
    return {
      returnDifference: (own.mean - other.mean) * barsPerYear,
      sharpeDifference: (ratioOf(own) - ratioOf(other)) * Math.sqrt(barsPerYear)
    }
  }
  const differences = returns.map((value, i) => value - (others[i] as number))
  const blockLength = yield* blockBars([returns, others, differences])
  return yield* intervalsOf(returns.length, comparisonScales, measures, { ...options, blockLength })
}
