/**
 * Questions into answers of a network: the sequence of bars up to the as-of, its features, the row through the model.
 *
 * What can go wrong: the artefact cannot be had or run (the errors of whoever gives it and of the model host); whatever
 * concerns a single question (too few bars, another horizon or time frame, a feature that is not finite) is an
 * abstention.
 * Invariant: a row follows from bars that closed by its as-of.
 */
import { Effect, Either } from "effect"
import { classOutput } from "../../learning/ClassOpinion.ts"
import { runThrough } from "../../learning/steps.ts"
import { normalisedOutput, recursionOf } from "../../learning/trm/TrmOpinion.ts"
import { trmOutputNames } from "../../learning/trm/TrmServing.ts"
import type { BarSeries } from "../../market/BarSeries.ts"
import { featureSchema, featuresAt, windowCloses } from "../../market/Features.ts"
import { ArtefactRefused } from "../../protocols/errors.ts"
import type { Answer, Question } from "../../protocols/Opinion.ts"
import type { Classes, Recursion } from "../../protocols/Prediction.ts"
import { type TimeFrame, toMs } from "../../protocols/TimeFrame.ts"
import type { OutputName } from "../model-host/ModelHost.ts"
import { type Asked, type Row, type RowAnswer, rowsPerRunMax } from "../model-host/RowRuns.ts"
import { checkModel, type ModelFile } from "../training/ModelFile.ts"
import {
  barsBeforeOf,
  inputSchema,
  inputsOf,
  looksAtAll,
  looksAtAllUnserved,
  type ModelInput
} from "../training/ModelInput.ts"
import type { TrainedModel } from "../training/TrainedModel.ts"
import { servedRowsPerRun } from "../training-host/RunSizes.ts"
import { abstaining, answerOf } from "../voter/answers.ts"

const voter = "deep-learning"
/** Descriptions of artefacts that are kept: they are small, the artefacts are not. */
const describedMax = 64

export interface NetworkDescription {
  readonly kind: string
  readonly input: ModelInput
  readonly timeFrame: TimeFrame
  readonly horizonBars: number
  readonly more: ReadonlyArray<OutputName>
  readonly classes: TrainedModel["classes"] | null
  /** Of a Tiny Recursive Model. */
  readonly recursion: ReturnType<typeof recursionOf> | null
  /** Rows of one run. */
  readonly rowsMax: number
}

export interface NetworkAnswer {
  readonly answer: Answer
  readonly classes: Classes | null
}

export interface NetworkAnswering<E> {
  readonly describe: (version: string) => Effect.Effect<NetworkDescription, E | ArtefactRefused>
  readonly answer: (
    version: string,
    questions: ReadonlyArray<Question>
  ) => Effect.Effect<ReadonlyArray<NetworkAnswer>, E | ArtefactRefused>
}

/** What the description of a network says of how to ask it. */
export const descriptionOf = (model: Omit<ModelFile, "path" | "digest">): NetworkDescription | undefined => {
  const { description, input, trained } = model
  if (input === undefined || trained === undefined) return undefined
  const { classes, training } = trained
  const recursive =
    "trm" in training
      ? [
          { name: trmOutputNames.haltProbability, width: 1 },
          { name: trmOutputNames.steps, width: 1 },
          { name: normalisedOutput, width: inputSchema(input).names.length }
        ]
      : []
  return {
    kind: description.kind,
    input,
    timeFrame: trained.timeFrame,
    horizonBars: trained.horizonBars,
    more: classes === undefined ? [] : [{ name: classOutput, width: classes.each.length }, ...recursive],
    classes: classes ?? null,
    recursion: "trm" in training ? recursionOf(training.trm.sizes, training.supervisionSteps) : null,
    rowsMax: servedRowsPerRun(training, rowsPerRunMax)
  }
}

/** The row of a question, or why there is none. */
export const rowOf = (
  { horizonBars, input, timeFrame }: NetworkDescription,
  question: Question,
  series: BarSeries | undefined
): Either.Either<Row, string> =>
  Either.gen(function* () {
    if (question.horizonBars !== horizonBars) {
      yield* Either.left(`the model looks ${horizonBars} bars ahead, not ${question.horizonBars}`)
    }
    if (toMs(question.timeFrame) !== toMs(timeFrame)) {
      yield* Either.left(`the model is of bars of ${timeFrame}, not ${question.timeFrame}`)
    }
    const needed = barsNeededFor(input)
    if (series === undefined || series.close.length < needed) {
      return yield* Either.left(`fewer than ${needed} bars are known at the as-of`)
    }
    const last = series.close.length - 1
    const sigmaBar = featuresAt(series.close, last, 0, new Float64Array(featureSchema(0).names.length))
    if (!(sigmaBar > 0)) yield* Either.left("the price has not moved")
    const fill = runThrough(inputsOf(input, [series]))
    if (Either.isLeft(fill)) return yield* Either.left(fill.left.message)
    const features = new Float32Array(inputSchema(input).names.length)
    fill.right(0, last, features, 0)
    return { features, sigma: sigmaBar * Math.sqrt(horizonBars), band: question.band }
  })

export const barsNeededFor = (input: ModelInput): number => Math.max(barsBeforeOf(input) + 1, windowCloses)

const isProbability = (value: number | undefined): value is number =>
  value !== undefined && value >= 0 && value <= 1

/** How the network came to the answer of a row; null where it is not recursive. */
const recursionAt = (
  { input, recursion }: NetworkDescription,
  raw: Float32Array,
  [halt, steps, normalised]: ReadonlyArray<Float32Array>
): Recursion | null => {
  const haltProbability = halt?.[0]
  const used = steps?.[0]
  if (recursion === null || !isProbability(haltProbability) || used === undefined) return null
  const { cycles, effectiveDepth, latentSteps, supervisionSteps } = recursion
  const features = inputSchema(input).names.map((name, i) => ({
    name,
    raw: raw[i] as number,
    normalised: normalised?.[i] ?? Number.NaN
  }))
  if (!features.every((one) => Number.isFinite(one.normalised)) || !Number.isFinite(used)) return null
  return {
    haltProbability,
    supervisionSteps: used,
    supervisionStepsMax: supervisionSteps,
    cycles,
    latentSteps,
    effectiveDepth,
    features
  }
}

/** What a classifier saw in a row; null where it is none, or says what is no distribution. */
const classesOf = (description: NetworkDescription, { features }: Row, said: RowAnswer): Classes | null => {
  const [probabilities, ...recursive] = said.more
  const { classes } = description
  if (classes == null || probabilities === undefined) return null
  const each = classes.each.map(({ name }, i) => ({ name, probability: probabilities[i] ?? Number.NaN }))
  const [first, ...others] = each
  if (first === undefined || !each.every(({ probability }) => isProbability(probability))) return null
  const top = others.reduce((best, one) => (one.probability > best.probability ? one : best), first)
  const recursion = recursionAt(description, features, recursive)
  return { kind: classes.kind, top: top.name, confidence: top.probability, each, recursion }
}

export const makeNetworkAnswering = <E>(parts: {
  readonly fetch: (version: string) => Effect.Effect<Uint8Array, E>
  /** Runs rows of one version. */
  readonly run: (asked: Asked<E>, rows: ReadonlyArray<Row>) => Effect.Effect<ReadonlyArray<RowAnswer>, E>
  /** The last bars up to the as-of; undefined where there are none. */
  readonly seriesOf: (question: Question, count: number) => Effect.Effect<BarSeries | undefined, E>
}): NetworkAnswering<E> => {
  const { fetch, run, seriesOf } = parts
  const abstain = abstaining(voter)
  const described = new Map<string, NetworkDescription>()

  const describe = (version: string) =>
    Effect.gen(function* () {
      const known = described.get(version)
      if (known !== undefined) return known
      const refused = (reason: string) => new ArtefactRefused({ digest: version, reason })
      const checked = checkModel(yield* fetch(version))
      if (Either.isLeft(checked)) return yield* refused(checked.left)
      const description = descriptionOf(checked.right)
      if (description === undefined) return yield* refused("it does not say how it sees bars")
      if (looksAtAll(description.input)) return yield* refused(looksAtAllUnserved)
      described.set(version, description)
      if (described.size > describedMax) described.delete(described.keys().next().value as string)
      return description
    })

  return {
    describe,
    answer: (version, questions) =>
      Effect.gen(function* () {
        const description = yield* describe(version)
        const prepared = yield* Effect.forEach(questions, (question) =>
          Effect.map(seriesOf(question, barsNeededFor(description.input)), (series) =>
            rowOf(description, question, series)
          )
        )
        const rows = prepared.flatMap((item) => (Either.isRight(item) ? [item.right] : []))
        const { more, rowsMax } = description
        const asked: Asked<E> = { version, artefact: fetch(version), more, rowsMax }
        const answers = rows.length === 0 ? [] : yield* run(asked, rows)
        let next = 0
        return questions.map((question, i): NetworkAnswer => {
          const item = prepared[i] as Either.Either<Row, string>
          if (Either.isLeft(item)) return { answer: abstain(question, item.left), classes: null }
          const said = answers[next++]
          if (said === undefined) return { answer: abstain(question, "no model ran"), classes: null }
          return {
            answer: answerOf({ voter, kind: description.kind, version }, question, said),
            classes: classesOf(description, item.right, said)
          }
        })
      })
  }
}
