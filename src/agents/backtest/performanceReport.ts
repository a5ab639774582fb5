/**
 * The performance of a backtest in one object: the measures of `src/market/performance`, with intervals by the block
 * bootstrap and with what the Sharpe ratio proves (`src/learning/evaluation`), at several multiples of the costs, beside
 * named baselines.
 *
 * What can go wrong: a curve that no account has had, or curves of other bars, are thrown as RangeError. Too few bars or
 * trades for an interval leave it null, and the report says why.
 * Invariant: equal inputs, options and key give equal reports.
 */
import { Either } from "effect"
import { confidenceDefault, resamplesDefault } from "../../learning/evaluation/BlockBootstrap.ts"
import {
  deflatedSharpe,
  minimumTrackRecord,
  probabilisticSharpe,
  type SharpeEstimate
} from "../../learning/evaluation/SharpeStatistics.ts"
import type { StatisticInterval } from "../../learning/evaluation/StatisticBootstrap.ts"
import type { TrialSummary } from "../../learning/evaluation/Trials.ts"
import type { Steps } from "../../learning/steps.ts"
import { toQuote } from "../../market/execution/Money.ts"
import { annualTurnover, exposureOf } from "../../market/performance/Activity.ts"
import { barsPerYear } from "../../market/performance/Annualisation.ts"
import { type CurveMetrics, measureCurve } from "../../market/performance/CurveMetrics.ts"
import { drawdownsOf } from "../../market/performance/Drawdowns.ts"
import { checkCurve, type EquityCurve, livedPoints, returnsOf } from "../../market/performance/EquityCurve.ts"
import { measureTrades } from "../../market/performance/TradeMetrics.ts"
import type { Calendar } from "../../protocols/Instrument.ts"
import type { Estimate, Performance } from "../../protocols/Performance.ts"
import type { TimeFrame } from "../../protocols/TimeFrame.ts"
import {
  blockBars,
  comparisonIntervals,
  curveIntervals,
  type IntervalOptions,
  tradeIntervals
} from "./curveIntervals.ts"

export interface NamedCurve {
  readonly name: string
  /** At the times of the curve it is compared with. */
  readonly equity: Float64Array
}

export interface PerformanceInput {
  /** At the costs as configured. */
  readonly curve: EquityCurve
  readonly timeFrame: TimeFrame
  readonly calendar: Calendar
  /** Signed share of the equity that was held over each bar; null where it was not kept. */
  readonly exposure: Float64Array | null
  /** Value bought and sold, in quote units; null where it was not kept. */
  readonly traded: number | null
  /** Profits of closed trades after costs, in micro-quote, in the order in which they were closed. */
  readonly tradeProfits: ReadonlyArray<number>
  /** The same decisions at other multiples of the costs. */
  readonly otherCosts: ReadonlyArray<{ readonly multiple: number; readonly equity: Float64Array }>
  readonly baselines: ReadonlyArray<NamedCurve>
}

export interface PerformanceOptions {
  /** Names the random stream of the intervals. */
  readonly key: ReadonlyArray<string | number>
  /** Of the intervals, and of the minimum track record: above 0.5. */
  readonly confidence?: number
  readonly resamples?: number
  /** Sharpe ratio a year that is to be beaten; 0 unless said otherwise. */
  readonly benchmark?: number
  /** What this is the best of, by the trial ledger. */
  readonly trials?: TrialSummary
}

const estimateOf = (value: number | null, interval: StatisticInterval | null | undefined): Estimate =>
  value === null || !interval
    ? { value, low: null, high: null }
    : { value, low: interval.low, high: interval.high }

const summaryOf = (metrics: CurveMetrics) => ({
  totalReturn: metrics.totalReturn,
  annualisedReturn: metrics.annualisedReturn,
  volatility: metrics.volatility,
  sharpe: metrics.sharpe,
  maximumDrawdown: metrics.maximumDrawdown
})

const drawdownOf = (time: Float64Array, points: Float64Array) => {
  const { deepest, longestBars } = drawdownsOf(points)
  if (deepest === null) return { drawdown: null, underwaterBarsMax: longestBars }
  const { depth, peak, recovered, trough } = deepest
  const drawdown = {
    depth,
    peakAt: time[peak] as number,
    troughAt: time[trough] as number,
    recoveredAt: recovered === null ? null : (time[recovered] as number),
    fallBars: trough - peak,
    recoveryBars: recovered === null ? null : recovered - trough
  }
  return { drawdown, underwaterBarsMax: longestBars }
}

const deflatedBy = ({ sharpeVariance, trials }: TrialSummary, estimate: SharpeEstimate, annual: number) => {
  // Where trials were entered without ratios, chance alone spreads them by this.
  const variance = sharpeVariance ?? 1 / (estimate.observations - 1)
  return Either.map(deflatedSharpe(estimate, { trials, variance }), ({ benchmark, probability }) => ({
    trials,
    expectedMaximum: benchmark * annual,
    probability
  }))
}

/** Null where nothing moved, or nothing can be said of how it moved. */
const evidenceOf = (
  metrics: CurveMetrics,
  perYear: number,
  confidence: number,
  { benchmark = 0, trials }: PerformanceOptions
): Performance["evidence"] => {
  const { bars, kurtosis, sharpePerBar, skewness } = metrics
  if (sharpePerBar === null || skewness === null || kurtosis === null) return null
  const estimate: SharpeEstimate = { sharpe: sharpePerBar, observations: bars, skewness, kurtosis }
  const annual = Math.sqrt(perYear)
  const judged = Either.gen(function* () {
    const record = yield* minimumTrackRecord(estimate, benchmark / annual, confidence)
    return {
      sharpePerBar,
      benchmark,
      probability: yield* probabilisticSharpe(estimate, benchmark / annual),
      minimumTrackRecordBars: Number.isFinite(record) ? record : null,
      deflated: trials === undefined || trials.trials < 1 ? null : yield* deflatedBy(trials, estimate, annual)
    }
  })
  return Either.getOrNull(judged)
}

function* baselineOf(
  { equity, name }: NamedCurve,
  metrics: CurveMetrics,
  returns: Float64Array,
  perYear: number,
  options: IntervalOptions
): Steps<Performance["baselines"][number]> {
  const own = measureCurve(equity, perYear)
  const others = returnsOf(livedPoints(equity))
  // One of them was ruined before the other: their bars are not the same any more.
  const isComparable = others.length === returns.length && returns.length > 0
  const intervals = isComparable
    ? Either.getOrNull(yield* comparisonIntervals(returns, others, perYear, options))
    : null
  const meanOf = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0) / values.length
  const returnDifference = isComparable ? (meanOf(returns) - meanOf(others)) * perYear : null
  const sharpeDifference =
    !isComparable || metrics.sharpe === null || own.sharpe === null ? null : metrics.sharpe - own.sharpe
  return {
    name,
    ...summaryOf(own),
    returnDifference: estimateOf(returnDifference, intervals?.returnDifference),
    sharpeDifference: estimateOf(sharpeDifference, intervals?.sharpeDifference)
  }
}

const checkSameBars = (curve: EquityCurve, what: string, points: number): void => {
  if (points === curve.equity.length) return
  throw new RangeError(`${what} has ${points} points, the curve it stands beside ${curve.equity.length}`)
}

export function* describePerformance(
  input: PerformanceInput,
  options: PerformanceOptions
): Steps<Performance> {
  const { curve, exposure, traded } = input
  const { confidence = confidenceDefault, key, resamples = resamplesDefault } = options
  checkCurve(curve)
  if (exposure !== null) checkSameBars(curve, "the exposure", exposure.length + 1)
  for (const { multiple, equity } of input.otherCosts) {
    checkSameBars(curve, `the curve at ${multiple} times the costs`, equity.length)
  }
  for (const { equity, name } of input.baselines) checkSameBars(curve, name, equity.length)

  const perYear = barsPerYear(input.timeFrame, input.calendar)
  const points = livedPoints(curve.equity)
  const returns = returnsOf(points)
  const metrics = measureCurve(points, perYear)
  const intervalOptions = { confidence, resamples, key: [...key, "performance"] }
  const blockLength = yield* blockBars([returns])
  const intervals = yield* curveIntervals(returns, perYear, { ...intervalOptions, blockLength })
  const ofCurve = Either.getOrNull(intervals)

  const profits = Float64Array.from(input.tradeProfits, toQuote)
  const trades = measureTrades(input.tradeProfits)
  const ofTrades = Either.getOrNull(yield* tradeIntervals(profits, intervalOptions))

  const baselines: Array<Performance["baselines"][number]> = []
  for (const baseline of input.baselines) {
    baselines.push(yield* baselineOf(baseline, metrics, returns, perYear, intervalOptions))
  }
  const costs = [{ multiple: 1, equity: curve.equity }, ...input.otherCosts].map(({ equity, multiple }) => ({
    multiple,
    ...summaryOf(measureCurve(equity, perYear))
  }))
  return {
    from: curve.time[0] as number,
    to: curve.time[returns.length] as number,
    bars: metrics.bars,
    barsPerYear: perYear,
    ruined: metrics.ruined,
    intervals: {
      confidence,
      blockBars: ofCurve === null ? null : blockLength,
      reason: Either.match(intervals, { onLeft: ({ message }) => message, onRight: () => "" })
    },
    totalReturn: estimateOf(metrics.totalReturn, ofCurve?.totalReturn),
    annualisedReturn: estimateOf(metrics.annualisedReturn, ofCurve?.annualisedReturn),
    volatility: estimateOf(metrics.volatility, ofCurve?.volatility),
    sharpe: estimateOf(metrics.sharpe, ofCurve?.sharpe),
    sortino: estimateOf(metrics.sortino, ofCurve?.sortino),
    calmar: estimateOf(metrics.calmar, ofCurve?.calmar),
    maximumDrawdown: estimateOf(metrics.maximumDrawdown, ofCurve?.maximumDrawdown),
    skewness: estimateOf(metrics.skewness, ofCurve?.skewness),
    kurtosis: estimateOf(metrics.kurtosis, ofCurve?.kurtosis),
    ...drawdownOf(curve.time, points),
    exposure: exposure === null ? null : exposureOf(exposure.subarray(0, returns.length)),
    annualTurnover: traded === null ? null : annualTurnover(traded, points, perYear),
    trades: {
      count: trades.trades,
      profit: toQuote(trades.profit),
      hitRate: estimateOf(trades.hitRate, ofTrades?.hitRate),
      profitFactor: estimateOf(trades.profitFactor, ofTrades?.profitFactor)
    },
    evidence: evidenceOf(metrics, perYear, confidence, options),
    costs: costs.sort((a, b) => a.multiple - b.multiple),
    baselines
  }
}
