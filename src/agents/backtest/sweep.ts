/**
 * A sweep over the lengths of a crossing rule, and what its best is worth: the whole grid by the vectorised path, then the
 * best of it judged where it was not chosen, by walk-forward and by combinatorial cross-validation, both purged and
 * embargoed; the probability that the choice was luck; and its Sharpe ratio deflated by how many different rules there
 * were, those of earlier sweeps over the same bars included. Going from one choice to the next is paid for.
 *
 * What is chosen from are the returns of the equity of each rule, each over one bar: sample t is the return from the close of
 * bar t to that of bar t + 1, known there.
 *
 * What can go wrong: a rule whose every order the account refuses (OrdersRefused), too few bars for the splits.
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
import type { Trial } from "../../learning/evaluation/Trials.ts"
import type { Steps } from "../../learning/steps.ts"
import type { BarSeries } from "../../market/BarSeries.ts"
import { crossingTargets, runTargets } from "../../market/backtest/crossing.ts"
import { oneWay } from "../../market/Costs.ts"
import { carriedExposure } from "../../market/execution/TargetExposure.ts"
import type { ExecutionRules } from "../../market/execution/Terms.ts"
import { barsPerYear } from "../../market/performance/Annualisation.ts"
import { type CurveMetrics, measureCurve } from "../../market/performance/CurveMetrics.ts"
import { livedPoints, returnsOf } from "../../market/performance/EquityCurve.ts"
import { closeTimeOf } from "../../market/time/Calendar.ts"
import { toMs } from "../../protocols/TimeFrame.ts"
import { OrdersRefused } from "./errors.ts"
import { bestOn, followed, type RuleReturns, type Stretch, sharpeOn } from "./ruleReturns.ts"

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
  /** Trials of rules like these on the same bars that are not of this grid, each once. */
  readonly before: ReadonlyArray<Trial>
}

export interface SweptRule extends CrossingLengths {
  readonly fills: number
  /** Orders that the account refused. */
  readonly rejections: number
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
  /** Different rules of the grid, and trials of others on the same bars that were made before. */
  readonly effectiveTrials: number
  readonly trialsBefore: number
  /** The chance that the best is better than what the best of all these trials shows by luck. */
  readonly deflated: {
    readonly trials: number
    readonly expectedMaximum: number
    readonly probability: number
  } | null
}

export type SweepRefused = OrdersRefused | RowRefused | SplitImpossible | OverfittingUnjudged

const groups = 6
const testGroups = 2
const cashMicro = 1e6
/** A millisecond or so of work. */
const barsPerSlice = 10_000

const samplesOf = (length: number): Uint32Array => Uint32Array.from({ length }, (_, i) => i)

/** What following these rules came to. */
function* annualSharpe(of: RuleReturns, stretches: ReadonlyArray<Stretch>, perYear: number) {
  const returns = yield* followed(of, stretches)
  const own = { ...of, rules: 1, returns }
  const sharpe = yield* sharpeOn(own, 0, samplesOf(returns.length))
  return sharpe === 0 ? null : sharpe * Math.sqrt(perYear)
}

/** Enters what a rule held and made. What is ruined earns nothing more. */
function* enterRule(
  { held, returns, rules }: RuleReturns,
  rule: number,
  sides: Int8Array,
  made: Float64Array
): Steps<void> {
  for (let t = 0; t < made.length; t++) {
    if (t % barsPerSlice === 0) yield
    held[t * rules + rule] = sides[t] as number
    returns[t * rules + rule] = made[t] as number
  }
}

function* closeTimesOf({ instrument, openTime, timeFrame }: BarSeries): Steps<Float64Array> {
  const frameMs = toMs(timeFrame)
  const closes = new Float64Array(openTime.length)
  for (let i = 0; i < closes.length; i++) {
    if (i % barsPerSlice === 0) yield
    closes[i] = closeTimeOf(instrument.calendar, frameMs, openTime[i] as number)
  }
  return closes
}

export function* sweepCrossings(
  series: BarSeries,
  options: SweepOptions
): Steps<Either.Either<Sweep, SweepRefused>> {
  const { before, embargoBars, folds, rules, shorting, startingCash, terms } = options
  const { instrument, openTime, timeFrame } = series
  const perYear = barsPerYear(timeFrame, instrument.calendar)
  const samples = Math.max(openTime.length - 1, 0)
  const returns = new Float64Array(samples * rules.length)
  const all = {
    rules: rules.length,
    returns,
    held: new Int8Array(samples * rules.length),
    oneWay: oneWay(terms.costs)
  }
  const exposure = carriedExposure(terms)
  const swept: Array<SweptRule> = []
  for (const [k, { fast, slow }] of rules.entries()) {
    yield
    const targets = crossingTargets(series, fast, slow, shorting)
    yield
    const ran = yield* runTargets(series, targets, {
      startingCash,
      rules: terms,
      exposure,
      withEquity: true
    })
    if (ran.rejections > 0 && ran.fills === 0)
      return Either.left(new OrdersRefused({ rule: `${fast}/${slow}`, orders: ran.rejections }))
    const equity = (ran.equityCurve ?? new Float64Array()).map((micro) => micro / cashMicro)
    yield
    const lived = livedPoints(equity)
    yield
    yield* enterRule(all, k, ran.sides ?? new Int8Array(), returnsOf(lived))
    yield
    swept.push({
      fast,
      slow,
      fills: ran.fills,
      rejections: ran.rejections,
      metrics: measureCurve(equity, perYear)
    })
  }
  const closes = yield* closeTimesOf(series)
  const spans: LabelSpans = { start: closes.subarray(0, samples), end: closes.subarray(1) }
  const embargoMs = embargoBars * toMs(timeFrame)
  const namesOf = (chosen: ReadonlyArray<number>) => chosen.map((rule) => rules[rule] as CrossingLengths)

  const testLength = Math.max(1, Math.floor(samples / (folds + 2)))
  const walked = walkForward(spans, {
    trainLength: samples - folds * testLength,
    testLength,
    window: "expanding",
    embargoMs
  })
  if (Either.isLeft(walked)) return Either.left(walked.left)
  const tests: Array<Stretch> = []
  for (const { test, train } of walked.right) {
    yield
    tests.push({ rule: yield* bestOn(all, train), samples: test })
  }

  const plan = combinatorialPlan(samples, { groups, testGroups })
  if (Either.isLeft(plan)) return Either.left(plan.left)
  const splits: Array<number> = []
  for (const split of plan.right.splits.keys()) {
    yield
    const fold: Either.Either<Fold, RowRefused | SplitImpossible> = combinatorialFold(
      spans,
      plan.right,
      split,
      embargoMs
    )
    if (Either.isLeft(fold)) return Either.left(fold.left)
    splits.push(yield* bestOn(all, fold.right.train))
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
  const pathSharpes: Array<number | null> = []
  for (const path of paths) pathSharpes.push(yield* annualSharpe(all, path, perYear))
  const best = yield* bestOn(all, samplesOf(samples))
  const chosen = swept[best] as SweptRule
  return Either.right({
    bars: openTime.length,
    rules: swept,
    best: chosen,
    walkForward: {
      chosen: namesOf(tests.map(({ rule }) => rule)),
      sharpes: [yield* annualSharpe(all, tests, perYear)]
    },
    combinatorial: {
      chosen: namesOf(splits),
      sharpes: pathSharpes
    },
    overfitting: overfitting.right,
    effectiveTrials: clusters.right.clusters,
    trialsBefore: before.length,
    deflated: deflatedOf(swept, before, chosen, clusters.right.clusters + before.length, perYear)
  })
}

/** With n - 1; 0 of fewer than two. */
const varianceOf = (values: ReadonlyArray<number>): number => {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  return values.length < 2 ? 0 : squares / (values.length - 1)
}

const deflatedOf = (
  swept: ReadonlyArray<SweptRule>,
  before: ReadonlyArray<Trial>,
  { metrics }: SweptRule,
  trials: number,
  perYear: number
): Sweep["deflated"] => {
  const { bars, kurtosis, sharpePerBar, skewness } = metrics
  if (sharpePerBar === null || skewness === null || kurtosis === null) return null
  const own = swept.flatMap((rule) => rule.metrics.sharpePerBar ?? [])
  const all = [...own, ...before.flatMap((trial) => trial.sharpe ?? [])]
  // Earlier trials that lie close together make the best of this grid no better.
  const variance = Math.max(varianceOf(own), varianceOf(all))
  const estimate = { sharpe: sharpePerBar, observations: bars, skewness, kurtosis }
  const judged: Either.Either<{ readonly benchmark: number; readonly probability: number }, SharpeUnjudged> =
    deflatedSharpe(estimate, { trials, variance })
  return Either.match(judged, {
    onLeft: () => null,
    onRight: ({ benchmark, probability }) => ({
      trials,
      expectedMaximum: benchmark * Math.sqrt(perYear),
      probability
    })
  })
}
