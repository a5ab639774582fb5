/**
 * A sweep over the lengths of a crossing rule, and what its best is worth: the whole grid by the vectorised path, then the
 * best of it judged where it was not chosen, by walk-forward and by combinatorial cross-validation, both purged and
 * embargoed; the probability that the choice was luck; and its Sharpe ratio deflated by how many different rules there
 * were.
 *
 * What is chosen from are the returns of the equity of each rule, each over one bar: sample t is the return from the close of
 * bar t to that of bar t + 1, known there.
 *
 * What can go wrong: a grid without a rule, too few bars for the splits.
 */
import { Either } from "effect"
import type { RowRefused } from "../../learning/errors.ts"
import { backtestOverfitting, type Overfitting } from "../../learning/evaluation/BacktestOverfitting.ts"
import { combinatorialFold, combinatorialPlan } from "../../learning/evaluation/CombinatorialSplits.ts"
import type {
  OverfittingUnjudged,
  SharpeUnjudged,
  SplitImpossible
} from "../../learning/evaluation/errors.ts"
import type { LabelSpans } from "../../learning/evaluation/LabelSpans.ts"
import { deflatedSharpe } from "../../learning/evaluation/SharpeStatistics.ts"
import { type Fold, walkForward } from "../../learning/evaluation/Splits.ts"
import { trialClusters } from "../../learning/evaluation/TrialClusters.ts"
import type { Steps } from "../../learning/steps.ts"
import type { BarSeries } from "../../market/BarSeries.ts"
import { crossingTargets, runTargets } from "../../market/backtest/crossing.ts"
import type { ExecutionRules } from "../../market/execution/Terms.ts"
import { barsPerYear } from "../../market/performance/Annualisation.ts"
import { type CurveMetrics, measureCurve } from "../../market/performance/CurveMetrics.ts"
import { livedPoints, returnsOf } from "../../market/performance/EquityCurve.ts"
import { closeTimeOf } from "../../market/time/Calendar.ts"
import { toMs } from "../../protocols/TimeFrame.ts"

export interface CrossingLengths {
  readonly fast: number
  readonly slow: number
}

export interface SweepOptions {
  readonly rules: ReadonlyArray<CrossingLengths>
  readonly shorting: boolean
  /** On which the rules trade. */
  readonly terms: ExecutionRules
  readonly startingCash: number
  /** Tests of the walk-forward, after a first training of as many samples as two of them. */
  readonly folds: number
  readonly embargoBars: number
}

export interface SweptRule extends CrossingLengths {
  readonly fills: number
  readonly metrics: CurveMetrics
}

/** What the choice came to on the bars that it was not made on. */
export interface OutOfSample {
  /** The rules that were chosen, of each fold or split. */
  readonly chosen: ReadonlyArray<CrossingLengths>
  /** Annualised Sharpe ratio of the chosen ones where they were tested; of each path there are several. */
  readonly sharpes: ReadonlyArray<number | null>
}

export interface Sweep {
  readonly bars: number
  readonly rules: ReadonlyArray<SweptRule>
  readonly best: SweptRule
  readonly walkForward: OutOfSample
  readonly combinatorial: OutOfSample
  readonly overfitting: Overfitting
  /** Different rules, and the chance that the best is better than what the best of so many shows by luck. */
  readonly effectiveTrials: number
  readonly deflated: { readonly expectedMaximum: number; readonly probability: number } | null
}

export type SweepRefused = RowRefused | SplitImpossible | OverfittingUnjudged

const groups = 6
const testGroups = 2
const cashMicro = 1e6

/** Sharpe ratio a bar of some samples of a rule; 0 where nothing moved. */
const sharpeOn = (returns: Float64Array, rule: number, rules: number, samples: Uint32Array): number => {
  let sum = 0
  let squares = 0
  for (const sample of samples) {
    const value = returns[sample * rules + rule] as number
    sum += value
    squares += value * value
  }
  const count = samples.length
  const mean = sum / count
  const variance = squares / count - mean * mean
  return variance > 1e-18 ? mean / Math.sqrt(variance) : 0
}

/** Of rules that are equally good the first. */
function* bestOn(returns: Float64Array, rules: number, samples: Uint32Array): Steps<number> {
  let best = 0
  let highest = Number.NEGATIVE_INFINITY
  for (let rule = 0; rule < rules; rule++) {
    yield
    const sharpe = sharpeOn(returns, rule, rules, samples)
    if (sharpe > highest) {
      highest = sharpe
      best = rule
    }
  }
  return best
}

const samplesOf = (length: number): Uint32Array => Uint32Array.from({ length }, (_, i) => i)

/** Returns of what was chosen, test by test, in the order of the tests. */
const chosenReturns = (
  returns: Float64Array,
  rules: number,
  tests: ReadonlyArray<{ readonly rule: number; readonly samples: Uint32Array }>
): Float64Array =>
  Float64Array.from(
    tests.flatMap(({ rule, samples }) =>
      Array.from(samples, (sample) => returns[sample * rules + rule] as number)
    )
  )

const annualSharpe = (returns: Float64Array, perYear: number): number | null => {
  if (returns.length < 2) return null
  const sharpe = sharpeOn(returns, 0, 1, samplesOf(returns.length))
  return sharpe === 0 ? null : sharpe * Math.sqrt(perYear)
}

export function* sweepCrossings(
  series: BarSeries,
  options: SweepOptions
): Steps<Either.Either<Sweep, SweepRefused>> {
  const { embargoBars, folds, rules, shorting, startingCash, terms } = options
  const { instrument, openTime, timeFrame } = series
  const frameMs = toMs(timeFrame)
  const perYear = barsPerYear(timeFrame, instrument.calendar)
  const samples = Math.max(openTime.length - 1, 0)
  const returns = new Float64Array(samples * rules.length)
  const swept: Array<SweptRule> = []
  for (const [k, { fast, slow }] of rules.entries()) {
    yield
    const targets = crossingTargets(series, fast, slow, shorting)
    const ran = yield* runTargets(series, targets, {
      startingCash,
      rules: terms,
      exposure: 1,
      withEquity: true
    })
    const equity = (ran.equityCurve ?? new Float64Array()).map((micro) => micro / cashMicro)
    // What is ruined earns nothing more.
    for (const [t, value] of returnsOf(livedPoints(equity)).entries()) returns[t * rules.length + k] = value
    swept.push({ fast, slow, fills: ran.fills, metrics: measureCurve(equity, perYear) })
  }
  const closeAt = (bar: number) => closeTimeOf(instrument.calendar, frameMs, openTime[bar] as number)
  const spans: LabelSpans = {
    start: Float64Array.from({ length: samples }, (_, t) => closeAt(t)),
    end: Float64Array.from({ length: samples }, (_, t) => closeAt(t + 1))
  }
  const embargoMs = embargoBars * frameMs
  const namesOf = (chosen: ReadonlyArray<number>) => chosen.map((rule) => rules[rule] as CrossingLengths)

  const testLength = Math.max(1, Math.floor(samples / (folds + 2)))
  const walked = walkForward(spans, {
    trainLength: samples - folds * testLength,
    testLength,
    window: "expanding",
    embargoMs
  })
  if (Either.isLeft(walked)) return Either.left(walked.left)
  const tests: Array<{ readonly rule: number; readonly samples: Uint32Array }> = []
  for (const { test, train } of walked.right) {
    tests.push({ rule: yield* bestOn(returns, rules.length, train), samples: test })
  }

  const plan = combinatorialPlan(samples, { groups, testGroups })
  if (Either.isLeft(plan)) return Either.left(plan.left)
  const splits: Array<number> = []
  for (const split of plan.right.splits.keys()) {
    const fold: Either.Either<Fold, RowRefused | SplitImpossible> = combinatorialFold(
      spans,
      plan.right,
      split,
      embargoMs
    )
    if (Either.isLeft(fold)) return Either.left(fold.left)
    splits.push(yield* bestOn(returns, rules.length, fold.right.train))
  }
  const paths = plan.right.paths.map((path) =>
    Array.from(path, (split, group) => {
      const { end, first } = plan.right.groups[group] ?? { first: 0, end: 0 }
      return {
        rule: splits[split] as number,
        samples: Uint32Array.from({ length: end - first }, (_, i) => first + i)
      }
    })
  )

  const overfitting = yield* backtestOverfitting(returns, { strategies: rules.length })
  if (Either.isLeft(overfitting)) return Either.left(overfitting.left)
  const clusters = yield* trialClusters(returns, { trials: rules.length })
  if (Either.isLeft(clusters)) return Either.left(clusters.left)
  const best = yield* bestOn(returns, rules.length, samplesOf(samples))
  const chosen = swept[best] as SweptRule
  return Either.right({
    bars: openTime.length,
    rules: swept,
    best: chosen,
    walkForward: {
      chosen: namesOf(tests.map(({ rule }) => rule)),
      sharpes: [annualSharpe(chosenReturns(returns, rules.length, tests), perYear)]
    },
    combinatorial: {
      chosen: namesOf(splits),
      sharpes: paths.map((path) => annualSharpe(chosenReturns(returns, rules.length, path), perYear))
    },
    overfitting: overfitting.right,
    effectiveTrials: clusters.right.clusters,
    deflated: deflatedOf(swept, chosen, clusters.right.clusters, perYear)
  })
}

const deflatedOf = (
  swept: ReadonlyArray<SweptRule>,
  { metrics }: SweptRule,
  trials: number,
  perYear: number
): Sweep["deflated"] => {
  const { bars, kurtosis, sharpePerBar, skewness } = metrics
  if (sharpePerBar === null || skewness === null || kurtosis === null) return null
  const sharpes = swept.flatMap((rule) => rule.metrics.sharpePerBar ?? [])
  const mean = sharpes.reduce((sum, sharpe) => sum + sharpe, 0) / sharpes.length
  const squares = sharpes.reduce((sum, sharpe) => sum + (sharpe - mean) ** 2, 0)
  const variance = sharpes.length < 2 ? 0 : squares / (sharpes.length - 1)
  const estimate = { sharpe: sharpePerBar, observations: bars, skewness, kurtosis }
  const judged: Either.Either<{ readonly benchmark: number; readonly probability: number }, SharpeUnjudged> =
    deflatedSharpe(estimate, { trials, variance })
  return Either.match(judged, {
    onLeft: () => null,
    onRight: ({ benchmark, probability }) => ({
      expectedMaximum: benchmark * Math.sqrt(perYear),
      probability
    })
  })
}
