/**
 * How good a model is on rows that it has not learned from, beside what needs no network: the base rate of the sides, a
 * ridge regression on the last returns (the linear forecaster of the running system, in one fit), and the price that stays
 * where it is.
 *
 * Two losses: the log loss of the sides, by which voters are weighed, and the squared error of the return in sigmas.
 * A model beats a baseline only where the interval of the difference says so (ComparisonTable.ts).
 *
 * What can go wrong: too few rows, or rows that cannot be fitted; the comparison then says in its row why there is none.
 * Invariant: baselines have seen what the model has seen, and no more.
 */
import { Either } from "effect"
import type { FitImpossible, RowRefused, TooFewOutcomes } from "../../learning/errors.ts"
import { baseRates, forecastRates } from "../../learning/evaluation/Baselines.ts"
import { accuracy, brierScores, logLosses, topLabels } from "../../learning/evaluation/ClassMetrics.ts"
import {
  type ComparisonTable,
  compareModels,
  type Judged
} from "../../learning/evaluation/ComparisonTable.ts"
import type { OutcomesRefused } from "../../learning/evaluation/checks.ts"
import { directionalAccuracy, squaredErrors } from "../../learning/evaluation/RegressionMetrics.ts"
import { type Reliability, reliability } from "../../learning/evaluation/Reliability.ts"
import { mean } from "../../learning/evaluation/Scoring.ts"
import * as LeastSquares from "../../learning/LeastSquares.ts"
import { evaluateScore } from "../../learning/OpinionModel.ts"
import { type Calibrator, fitCalibrator, sides } from "../../learning/ScoreCalibrator.ts"
import type { Steps } from "../../learning/steps.ts"
import { featureSchema, featuresAt } from "../../market/Features.ts"
import type { ClassReport } from "./ClassReport.ts"
import type { QuestionRows } from "./QuestionRows.ts"

export const baseRateName = "base rate"
export const linearName = "linear baseline"
export const repeatLastName = "repeat-last"

/** What a model says of rows: their sides, and their return in sigmas. */
export interface Forecasts {
  /** [rows, 3]: sell, hold, buy. */
  readonly probabilities: Float64Array
  /** [rows] */
  readonly z: Float64Array
}

export interface Assessed extends Forecasts {
  readonly model: string
}

const rowsPerStep = 500
const reliabilityBins = 10

export type JudgeError = OutcomesRefused | RowRefused | TooFewOutcomes | FitImpossible

/** The calibrator of scores on rows whose outcomes are known. */
export function* calibrate(
  scores: Float64Array,
  rows: QuestionRows
): Steps<Either.Either<Calibrator, TooFewOutcomes | RowRefused>> {
  return yield* fitCalibrator({
    score: scores,
    logBandRatio: rows.band.map((band, i) => Math.log(band / (rows.sigma[i] as number))),
    label: rows.label,
    z: rows.z
  })
}

/** What calibrated scores say of rows. */
export const forecastsOf = (calibrator: Calibrator, scores: Float64Array, rows: QuestionRows): Forecasts => {
  const probabilities = new Float64Array(rows.rows * sides.length)
  const z = new Float64Array(rows.rows)
  for (let i = 0; i < rows.rows; i++) {
    const sigma = rows.sigma[i] as number
    const said = evaluateScore(calibrator, scores[i] as number, { sigma, band: rows.band[i] as number })
    sides.forEach((side, k) => {
      probabilities[i * sides.length + k] = said.probabilities[side]
    })
    z[i] = said.expectedReturn / sigma
  }
  return { probabilities, z }
}

/** Base rates of what was learned from, and prices that stay where they are. */
export const staying = (rates: Float64Array, rows: QuestionRows): Forecasts => ({
  probabilities: forecastRates(rates, rows.rows),
  z: new Float64Array(rows.rows)
})

export const ratesOf = (...parts: ReadonlyArray<QuestionRows>): Either.Either<Float64Array, RowRefused> =>
  baseRates(
    parts.flatMap(({ label }) => [...label]),
    sides.length
  )

const linearFeatures = (rows: QuestionRows, lags: number) => (row: number, out: Float64Array) =>
  featuresAt(
    (rows.instruments[rows.instrument[row] as number] as (typeof rows.instruments)[number]).close,
    rows.bar[row] as number,
    lags,
    out
  )

/** The linear forecaster, fitted to the training rows and calibrated on the validation rows as a network is. */
export function* linearBaseline(
  parts: {
    readonly training: QuestionRows
    readonly validation: QuestionRows
    readonly heldOut: QuestionRows
  },
  options: { readonly lags: number; readonly ridge: number }
): Steps<Either.Either<Forecasts, JudgeError>> {
  const columns = featureSchema(options.lags).names.length
  const sums = LeastSquares.make(columns)
  const x = new Float64Array(columns)
  const { training } = parts
  const fill = linearFeatures(training, options.lags)
  for (let row = 0; row < training.rows; row++) {
    if (row % rowsPerStep === 0) yield
    fill(row, x)
    const added = sums.add(x, training.z[row] as number)
    if (Either.isLeft(added)) return Either.left(added.left)
  }
  const fitted = sums.fit(options.ridge)
  if (Either.isLeft(fitted)) return Either.left(fitted.left)
  const { coefficients, deviations, intercept, means } = fitted.right
  const scoresOf = function* (rows: QuestionRows): Steps<Float64Array> {
    const fillRow = linearFeatures(rows, options.lags)
    const scores = new Float64Array(rows.rows)
    for (let row = 0; row < rows.rows; row++) {
      if (row % rowsPerStep === 0) yield
      fillRow(row, x)
      let score = intercept
      for (let k = 0; k < columns; k++) {
        const centred = (x[k] as number) - (means[k] as number)
        score += ((coefficients[k] as number) * centred) / (deviations[k] as number)
      }
      scores[row] = score
    }
    return scores
  }
  const calibrator = yield* calibrate(yield* scoresOf(parts.validation), parts.validation)
  if (Either.isLeft(calibrator)) return Either.left(calibrator.left)
  return Either.right(forecastsOf(calibrator.right, yield* scoresOf(parts.heldOut), parts.heldOut))
}

const sidesOf = ({ model, probabilities }: Assessed, { label }: QuestionRows) =>
  Either.gen(function* () {
    const losses = yield* logLosses(probabilities, label, sides.length)
    const brier = mean(yield* brierScores(probabilities, label, sides.length))
    const { predicted } = yield* topLabels(probabilities, label, sides.length)
    const judged: Judged = {
      model,
      losses,
      metrics: [
        { name: "log-loss", value: mean(losses) },
        { name: "brier", value: brier },
        { name: "accuracy", value: yield* accuracy(predicted, label, sides.length) }
      ]
    }
    return judged
  })

const returnsOf = ({ model, z }: Assessed, rows: QuestionRows) =>
  Either.gen(function* () {
    const losses = yield* squaredErrors(z, rows.z)
    const { correct, judged: told } = yield* directionalAccuracy(z, rows.z)
    const judged: Judged = {
      model,
      losses,
      metrics: [
        { name: "squared-error", value: mean(losses) },
        ...(told > 0 ? [{ name: "direction", value: correct / told }] : [])
      ]
    }
    return judged
  })

export interface Baselines {
  readonly rates: Float64Array
  readonly ratesName: string
  /** Of the voter that there is: the linear baseline, unless it names itself. */
  readonly linear: (Forecasts & { readonly model?: string }) | null
}

export interface HeldOutReport {
  readonly rows: number
  /** Log loss of the sides, beside the base rate. */
  readonly sides: ComparisonTable
  /** Squared error of the return in sigmas, beside repeat-last. */
  readonly returns: ComparisonTable
  /** Log loss of the model beside that of the linear baseline, where there is one. */
  readonly beside: ComparisonTable | null
  /** Of the model's probabilities, side by side. */
  readonly reliability: Readonly<Record<(typeof sides)[number], Reliability>>
  /** Of a classifier, how often its classes are right. */
  readonly classes?: ClassReport
}

/** @param overlap consecutive rows that share part of their horizons */
export function* judgeHeldOut(
  rows: QuestionRows,
  model: Assessed,
  baselines: Baselines,
  options: { readonly overlap: number; readonly seed: number }
): Steps<Either.Either<HeldOutReport, OutcomesRefused>> {
  const still = staying(baselines.rates, rows)
  const linear = baselines.linear === null ? [] : [{ model: linearName, ...baselines.linear }]
  const judged = Either.gen(function* () {
    const curve = (side: number) =>
      reliability(
        Float64Array.from(rows.label, (_, i) => model.probabilities[i * sides.length + side] as number),
        rows.label.map((label) => (label === side ? 1 : 0)),
        { kind: "equal-mass", bins: reliabilityBins }
      )
    return {
      sides: {
        baseline: yield* sidesOf({ ...still, model: baselines.ratesName }, rows),
        others: yield* Either.all([...linear, model].map((one) => sidesOf(one, rows)))
      },
      returns: {
        baseline: yield* returnsOf({ ...still, model: repeatLastName }, rows),
        others: yield* Either.all([...linear, model].map((one) => returnsOf(one, rows)))
      },
      reliability: { sell: yield* curve(0), hold: yield* curve(1), buy: yield* curve(2) }
    }
  })
  if (Either.isLeft(judged)) return Either.left(judged.left)
  const { returns, sides: ofSides } = judged.right
  const keyed = (table: string) => ({ overlap: options.overlap, key: [options.seed, "held-out", table] })
  const [first, second] = ofSides.others
  return Either.right({
    rows: rows.rows,
    sides: yield* compareModels(ofSides.baseline, ofSides.others, keyed("sides")),
    returns: yield* compareModels(returns.baseline, returns.others, keyed("returns")),
    beside:
      first === undefined || second === undefined
        ? null
        : yield* compareModels(first, [second], keyed("beside")),
    reliability: judged.right.reliability
  })
}
