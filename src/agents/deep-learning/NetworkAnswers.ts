/**
 * Questions into answers of a network: the sequence of bars up to the as-of, its features, the row through the model. Where
 * its features look at several instruments together, those are made of the bars of all that it learned of, in its order.
 *
 * What can go wrong: the artefact cannot be had or run (the errors of whoever gives it and of the model host); whatever
 * concerns a single question (too few bars, another horizon or time frame, an instrument that it did not learn of or one that
 * is not followed here, a feature that is not finite) is an abstention.
 * Invariant: a row follows from bars that closed by its as-of.
 */
import { Effect, Either } from "effect"
import { runThrough } from "../../learning/steps.ts"
import type { BarSeries } from "../../market/BarSeries.ts"
import { featureSchema, featuresAt, windowCloses } from "../../market/Features.ts"
import { ArtefactRefused } from "../../protocols/errors.ts"
import type { Instrument } from "../../protocols/Instrument.ts"
import type { Answer, Question } from "../../protocols/Opinion.ts"
import type { Classes, Recursion } from "../../protocols/Prediction.ts"
import { type BarsIn, makePanelWindows } from "../features/PanelWindows.ts"
import type { Asked, Row, RowAnswer } from "../model-host/RowRuns.ts"
import { barsBeforeOf, inputSchema, inputsOf, type ModelInput, standIn } from "../training/ModelInput.ts"
import { abstaining, answerOf } from "../voter/answers.ts"
import { describedBy, type NetworkDescription, whyNot, whyUnfollowed } from "./NetworkDescription.ts"

const voter = "deep-learning"
/** Descriptions of artefacts that are kept: they are small, the artefacts are not. */
const describedMax = 64

export interface NetworkAnswer {
  readonly answer: Answer
  readonly classes: Classes | null
}

export interface NetworkAnswering<E> {
  readonly describe: (version: string) => Effect.Effect<NetworkDescription, E | ArtefactRefused>
  /** Why a version cannot be asked a question, whatever the bars are; of each undefined where it can. */
  readonly whyNot: (
    version: string
  ) => Effect.Effect<(question: Question) => string | undefined, E | ArtefactRefused>
  readonly answer: (
    version: string,
    questions: ReadonlyArray<Question>
  ) => Effect.Effect<ReadonlyArray<NetworkAnswer>, E | ArtefactRefused>
}

/** What a network sees of an instrument by itself at the last of its bars, or why there is nothing to be seen. */
const seenAlone = (input: ModelInput, series: BarSeries): Either.Either<Float32Array, string> =>
  Either.mapBoth(runThrough(inputsOf(input, [series])), {
    onLeft: ({ message }) => message,
    onRight: (fill) => {
      const features = new Float32Array(inputSchema(input).names.length)
      fill(0, series.close.length - 1, features, 0)
      return features
    }
  })

/** The same where it looks at several together. */
const seenTogether = (input: ModelInput, window: Float32Array): Either.Either<Float32Array, string> => {
  const at = window.findIndex((value) => Math.abs(value) === Number.POSITIVE_INFINITY)
  if (at >= 0) return Either.left(`the feature ${inputSchema(input).names[at]} is ${window[at]}`)
  const features = window.slice()
  if (input.kind === "sequence" && input.standIns !== undefined) standIn(features, input.standIns)
  return Either.right(features)
}

/**
 * The row of a question, or why there is none.
 * @param window of a network that looks at several instruments together what it sees of this one (PanelWindows.ts)
 */
export const rowOf = (
  description: NetworkDescription,
  question: Question,
  series: BarSeries | undefined,
  window: Either.Either<Float32Array, string> = Either.left("nothing is seen of the instruments")
): Either.Either<Row, string> =>
  Either.gen(function* () {
    const { horizonBars, input, together } = description
    const reason = whyNot(description, question)
    if (reason !== undefined) yield* Either.left(reason)
    const needed = barsNeededFor(input)
    if (series === undefined || series.close.length < needed) {
      return yield* Either.left(`fewer than ${needed} bars are known at the as-of`)
    }
    const last = series.close.length - 1
    const sigmaBar = featuresAt(series.close, last, 0, new Float64Array(featureSchema(0).names.length))
    if (!(sigmaBar > 0)) yield* Either.left("the price has not moved")
    const features =
      together === null ? yield* seenAlone(input, series) : yield* seenTogether(input, yield* window)
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
  readonly barsIn: BarsIn<E>
  /** The instruments that the feed brings. */
  readonly followed: () => ReadonlyArray<Instrument>
}): NetworkAnswering<E> => {
  const { barsIn, fetch, followed, run, seriesOf } = parts
  const abstain = abstaining(voter)
  const windows = makePanelWindows(barsIn)
  const described = new Map<string, NetworkDescription>()

  const describe = (version: string) =>
    Effect.gen(function* () {
      const known = described.get(version)
      if (known !== undefined) return known
      const refused = (reason: string) => new ArtefactRefused({ digest: version, reason })
      const description = yield* Either.mapLeft(describedBy(yield* fetch(version)), refused)
      described.set(version, description)
      if (described.size > describedMax) described.delete(described.keys().next().value as string)
      return description
    })

  /** @param unfollowed why it cannot look at what is followed here, where it cannot */
  const prepare = (description: NetworkDescription, question: Question, unfollowed: string | undefined) =>
    Effect.gen(function* () {
      const { input, together } = description
      const series = yield* seriesOf(question, barsNeededFor(input))
      if (together === null || series === undefined || whyNot(description, question) !== undefined) {
        return rowOf(description, question, series)
      }
      const window =
        unfollowed === undefined ? yield* windows.at(together.panel, series) : Either.left(unfollowed)
      return rowOf(description, question, series, window)
    })

  return {
    describe,
    whyNot: (version) =>
      Effect.map(describe(version), (description) => {
        const unfollowed = whyUnfollowed(description, followed())
        return (question) => whyNot(description, question) ?? unfollowed
      }),
    answer: (version, questions) =>
      Effect.gen(function* () {
        const description = yield* describe(version)
        const unfollowed = whyUnfollowed(description, followed())
        const prepared = yield* Effect.forEach(questions, (question) =>
          prepare(description, question, unfollowed)
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
