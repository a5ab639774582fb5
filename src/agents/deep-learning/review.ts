/**
 * What has become of a model's answers: on outcomes that have matured since it was made, its calibrator is learned again,
 * and what votes is compared with what voted before.
 *
 * The rows follow from the bars, and the scores from the artefact, so that the same bars and the same version come to the
 * same review, whatever was asked meanwhile.
 *
 * What can go wrong: too few outcomes for a judgement (undefined), what the model host says (ModelFileUnfit,
 * ChildFailed), a feature that is not finite (FeatureNotFinite).
 */
import { Effect, Either } from "effect"
import { logLosses } from "../../learning/evaluation/ClassMetrics.ts"
import { compareModels } from "../../learning/evaluation/ComparisonTable.ts"
import { mean } from "../../learning/evaluation/Scoring.ts"
import { decode, encode } from "../../learning/onnx/OnnxFile.ts"
import { recalibrate } from "../../learning/recalibrate.ts"
import { type Calibrator, calibratorDefaults, sides } from "../../learning/ScoreCalibrator.ts"
import type { BarSeries } from "../../market/BarSeries.ts"
import type { ModelManifest } from "../../protocols/Model.ts"
import { stepwise } from "../../runtime/breathe.ts"
import { calibrate, forecastsOf, ratesOf } from "../training/HeldOut.ts"
import { inputSchema, inputsOf, type ModelInput } from "../training/ModelInput.ts"
import { type AskModel, askRows, type ModelAnswers } from "../training/ModelRun.ts"
import { pickRows, type QuestionOptions, type QuestionRows, questionRows } from "../training/QuestionRows.ts"
import { overlapOf } from "../training/trainNetwork.ts"
import type { Fitted } from "../voter/Learner.ts"
import { learnedTo } from "./Deployed.ts"

/** Share of the outcomes that a new calibrator is judged on before it is fitted to all of them. */
const heldOutShare = 1 / 3
const rowsMin = Math.ceil(calibratorDefaults.minOutcomes / (1 - heldOutShare))

const part = (rows: QuestionRows, from: number, to: number): QuestionRows =>
  pickRows(
    rows,
    Uint32Array.from({ length: to - from }, (_, i) => from + i)
  )

/** Questions whose as-of lies behind an instant, and which have matured. */
export const maturedRows = (
  instruments: ReadonlyArray<BarSeries>,
  since: number,
  options: Omit<QuestionOptions, "matured">
): Effect.Effect<QuestionRows> =>
  Effect.map(stepwise(questionRows(instruments, { ...options, matured: true })), (rows) =>
    pickRows(
      rows,
      Uint32Array.from([...rows.asOf.keys()].filter((row) => (rows.asOf[row] as number) > since))
    )
  )

/** A model as the review asks it. */
export interface Reviewed {
  readonly input: ModelInput
  /** The instruments that it looks at together, in its order; null where it looks at one by itself. */
  readonly together: ReadonlyArray<string> | null
  readonly ask: AskModel
  /** Rows of one run. */
  readonly rowsMax: number
}

/**
 * The series that all of some models can be asked about: those that are looked at together where one of them does so, else
 * all. The left says why there are none, as the end of a sentence.
 */
export const seriesSeenBy = (
  all: ReadonlyArray<BarSeries>,
  models: ReadonlyArray<Pick<Reviewed, "together">>
): Either.Either<ReadonlyArray<BarSeries>, string> => {
  const [panel, ...others] = models.flatMap(({ together }) => (together === null ? [] : [together]))
  if (panel === undefined) return Either.right(all)
  if (others.some((other) => other.join() !== panel.join())) {
    return Either.left("it does not look at the same instruments as what it is compared with")
  }
  const found = panel.flatMap((id) => all.filter(({ instrument }) => instrument.id === id))
  return found.length === panel.length
    ? Either.right(found)
    : Either.left(
        `it looks at ${panel.length} instruments together, of which ${found.length} are followed here`
      )
}

/** What a model says of rows; where it looks at several instruments together they are of these, in its order. */
export const askMatured = ({ ask, input, rowsMax }: Omit<Reviewed, "together">, rows: QuestionRows) =>
  Effect.gen(function* () {
    const fill = yield* yield* stepwise(inputsOf(input, rows.instruments))
    return yield* askRows(ask, rows, inputSchema(input).names.length, fill, rowsMax)
  })

export interface Recalibration {
  readonly calibrator: Calibrator
  readonly outcomes: number
  /** Mean log loss on the latest third, of the calibrator that there was and of one that had seen those before. */
  readonly before: number
  readonly after: number
}

/** A calibrator learned from matured outcomes; undefined where there are too few, or the one that there is does better. */
export const recalibration = (answers: ModelAnswers, rows: QuestionRows) =>
  Effect.gen(function* () {
    if (rows.rows < rowsMin) return undefined
    const cut = rows.rows - Math.floor(rows.rows * heldOutShare)
    const late = part(rows, cut, rows.rows)
    // What was learned from was known when the first of these was asked.
    const before = rows.labelEnd.subarray(0, cut).findIndex((end) => end > (late.asOf[0] as number))
    const early = part(rows, 0, before < 0 ? cut : before)
    const scores = Float64Array.from(answers.score)
    const seen = yield* stepwise(calibrate(scores.subarray(0, early.rows), early))
    const all = yield* stepwise(calibrate(scores, rows))
    if (Either.isLeft(seen) || Either.isLeft(all)) return undefined
    const said = forecastsOf(seen.right, scores.subarray(cut), late).probabilities
    const lossOf = (probabilities: ArrayLike<number>) =>
      Either.map(logLosses(Float64Array.from(probabilities), late.label, sides.length), mean)
    const losses = Either.all([lossOf(answers.probabilities.subarray(sides.length * cut)), lossOf(said)])
    if (Either.isLeft(losses)) return undefined
    const [was, is] = losses.right
    return is < was
      ? ({ calibrator: all.right, outcomes: rows.rows, before: was, after: is } satisfies Recalibration)
      : undefined
  })

/** The artefact with another calibrator. */
export const recalibrated = (artefact: Uint8Array, calibrator: Calibrator): Uint8Array | undefined => {
  const changed = Either.flatMap(decode(artefact), (model) => recalibrate(model, calibrator))
  return Either.isLeft(changed) ? undefined : encode(changed.right)
}

/** The version that a recalibration makes of another; undefined where its artefact cannot be changed. */
export const recalibratedVersion = (
  before: { readonly artefact: Uint8Array; readonly manifest: ModelManifest },
  better: Recalibration,
  /** Up to when the model has learned, and up to when it is calibrated now. */
  { asOf, since }: { readonly since: number; readonly asOf: number }
): Fitted | undefined => {
  const artefact = recalibrated(before.artefact, better.calibrator)
  if (artefact === undefined) return undefined
  const { manifest } = before
  return {
    artefact,
    manifest: {
      ...manifest,
      fittedAsOf: asOf,
      metrics: [
        ...manifest.metrics.filter(({ name }) => name !== learnedTo && !name.startsWith("matured-")),
        { name: learnedTo, value: since },
        { name: "matured-outcomes", value: better.outcomes },
        { name: "matured-log-loss", value: better.after },
        { name: "matured-log-loss-before", value: better.before }
      ]
    },
    reason: `calibrated on ${better.outcomes} matured outcomes: log loss ${better.after.toFixed(4)} after ${better.before.toFixed(4)}`
  }
}

export interface Comparison {
  readonly outcomes: number
  /** Mean log loss of what votes, of what voted before it, and of the base rate of these outcomes. */
  readonly serving: number
  readonly before: number
  readonly baseRate: number
  /** Whether the 95% interval of the difference says that what voted before is better. */
  readonly isWorse: boolean
}

/** What votes beside what voted before, on the same matured outcomes; undefined where there are too few. */
export const compareMatured = (
  serving: ModelAnswers,
  before: ModelAnswers,
  rows: QuestionRows,
  options: { readonly horizonBars: number; readonly seed: number }
) =>
  Effect.gen(function* () {
    if (rows.rows < rowsMin) return undefined
    const judged = ({ probabilities }: ModelAnswers, model: string) =>
      Either.map(logLosses(Float64Array.from(probabilities), rows.label, sides.length), (losses) => ({
        model,
        losses,
        metrics: []
      }))
    const both = Either.all([judged(before, "before"), judged(serving, "serving"), ratesOf(rows)])
    if (Either.isLeft(both)) return undefined
    const [one, other, rates] = both.right
    const table = yield* stepwise(
      compareModels(one, [other], {
        overlap: overlapOf(rows.instruments, options.horizonBars),
        key: [options.seed, "review", rows.asOf.at(-1) ?? 0]
      })
    )
    return {
      outcomes: rows.rows,
      serving: mean(other.losses),
      before: mean(one.losses),
      baseRate: mean(Float64Array.from(rows.label, (side) => -Math.log(rates[side] as number))),
      isWorse: table.rows.at(-1)?.verdict === "loses to the baseline"
    } satisfies Comparison
  })

/** Why what votes is to vote no longer; undefined where it may go on. */
export const whyDismissed = (compared: Comparison, rollbackThreshold: number): string | undefined => {
  const { baseRate, before, isWorse, outcomes, serving } = compared
  const excess = serving - baseRate
  if (!isWorse && excess <= rollbackThreshold) return undefined
  const why = isWorse
    ? `its log loss ${serving.toFixed(4)} is higher than the ${before.toFixed(4)} of what voted before`
    : `its log loss exceeds the base rate's by ${excess.toFixed(4)}, ${rollbackThreshold} is allowed`
  return `on ${outcomes} matured outcomes ${why}`
}
