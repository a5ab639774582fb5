/**
 * Questions into answers of a policy: the latest bars of the instruments that it looks at together, the features at the as-of,
 * the row through the model.
 *
 * What can go wrong: the artefact cannot be had or run (the errors of whoever gives it and of the model host); whatever
 * concerns a single question (too few bars, another horizon or time frame, an instrument that it did not learn of) is an
 * abstention.
 * Invariant: a row follows from bars that closed by its as-of.
 */
import { Effect, Either } from "effect"
import { type BarSeries, closeTimeAt } from "../../market/BarSeries.ts"
import { featureSchema, featuresAt, windowCloses } from "../../market/Features.ts"
import { ArtefactRefused } from "../../protocols/errors.ts"
import type { InstrumentId } from "../../protocols/Instrument.ts"
import type { Answer, Question } from "../../protocols/Opinion.ts"
import { type TimeFrame, toMs } from "../../protocols/TimeFrame.ts"
import { type BarsIn, makePanelWindows } from "../features/PanelWindows.ts"
import type { Asked as AskedRows, Row, RowAnswer } from "../model-host/RowRuns.ts"
import { standIn } from "../training/ModelInput.ts"
import { readTrainedPolicy, type TrainedPolicy } from "../training/policies/TrainedPolicy.ts"
import { policyKind } from "../training/policies/trainPolicy.ts"
import { abstaining, answerOf } from "../voter/answers.ts"
import { voterName } from "./Policies.ts"

/** Bars of each instrument that the row of the last one follows from, and those of the question's deviation. */
export const panelBars = windowCloses + 1
/** Descriptions of artefacts that are kept. */
const describedMax = 16
const abstain = abstaining(voterName)

export type SeriesAt<E> = (
  instrument: InstrumentId,
  timeFrame: TimeFrame,
  asOf: number,
  count: number
) => Effect.Effect<BarSeries | undefined, E>

/** Of the latest bars of an instrument the standard deviation of one log return; 0 where nothing has moved. */
export const sigmaAt = ({ close }: BarSeries): number =>
  close.length < windowCloses
    ? 0
    : featuresAt(close, close.length - 1, 0, new Float64Array(featureSchema(0).names.length))

/** What a policy sees of an instrument at an as-of. */
export interface Seen {
  /** Raw; what is absent is as usual. */
  readonly features: Float32Array
  /** Whether each of them is known. */
  readonly isKnown: ReadonlyArray<boolean>
  /** Standard deviation of one bar's log return. */
  readonly sigmaBar: number
}

type Learned = Pick<TrainedPolicy, "horizonBars" | "instruments" | "timeFrame">
type Asked = Pick<Question, "horizonBars" | "timeFrame">

const whyNotSuch = ({ horizonBars, timeFrame }: Learned, asked: Asked): string | undefined => {
  if (asked.horizonBars !== horizonBars) {
    return `the policy looks ${horizonBars} bars ahead, not ${asked.horizonBars}`
  }
  return toMs(asked.timeFrame) === toMs(timeFrame)
    ? undefined
    : `the policy is of bars of ${timeFrame}, not ${asked.timeFrame}`
}

/** Why a policy has not learned to answer such a question; undefined where it has. */
export const whyNot = (
  trained: Learned,
  question: Asked & Pick<Question, "instrument">
): string | undefined =>
  whyNotSuch(trained, question) ??
  (trained.instruments.some((id) => id === question.instrument)
    ? undefined
    : `the policy has learned of ${trained.instruments.length} instruments, and this one is not among them`)

/** Why a policy has learned to answer nothing that is asked of the instruments that are followed; undefined where it has. */
export const whyNothing = (
  trained: Learned,
  asked: Asked,
  isFollowed: (instrument: InstrumentId) => boolean
): string | undefined =>
  whyNotSuch(trained, asked) ??
  (trained.instruments.some(isFollowed)
    ? undefined
    : `the policy has learned of ${trained.instruments.join(", ")} alone, and that is not followed here`)

export const makePolicyAnswering = <E>(parts: {
  readonly fetch: (version: string) => Effect.Effect<Uint8Array, E>
  /** Runs rows of one version. */
  readonly run: (asked: AskedRows<E>, rows: ReadonlyArray<Row>) => Effect.Effect<ReadonlyArray<RowAnswer>, E>
  readonly seriesAt: SeriesAt<E>
  readonly barsIn: BarsIn<E>
}) => {
  const { barsIn, fetch, run, seriesAt } = parts
  const windows = makePanelWindows(barsIn)
  const described = new Map<string, TrainedPolicy>()

  const describe = (version: string) =>
    Effect.gen(function* () {
      const known = described.get(version)
      if (known !== undefined) return known
      const read = readTrainedPolicy(yield* fetch(version))
      if (Either.isLeft(read)) return yield* new ArtefactRefused({ digest: version, reason: read.left })
      described.set(version, read.right)
      if (described.size > describedMax) described.delete(described.keys().next().value as string)
      return read.right
    })

  /** What the policy sees at a question, or why it sees nothing. */
  const see = (trained: TrainedPolicy, question: Question) =>
    Effect.gen(function* () {
      const reason = whyNot(trained, question)
      if (reason !== undefined) return Either.left(reason)
      const { instruments, scaling, timeFrame } = trained
      const own = yield* seriesAt(question.instrument, timeFrame, question.asOf, panelBars)
      const last = (own?.close.length ?? 0) - 1
      if (own === undefined || last < windowCloses - 1 || closeTimeAt(own, last) !== question.asOf) {
        return Either.left(`fewer than ${windowCloses} bars are known at the as-of`)
      }
      const sigmaBar = sigmaAt(own)
      if (!(sigmaBar > 0)) return Either.left("the price has not moved")
      return Either.map(yield* windows.at({ instruments, timeFrame, length: 1 }, own), (features): Seen => {
        const isKnown = Array.from(features, (value) => !Number.isNaN(value))
        standIn(features, scaling.means)
        return { features, isKnown, sigmaBar }
      })
    })

  /** The same at each of some questions. */
  const prepare = (trained: TrainedPolicy, questions: ReadonlyArray<Question>) =>
    Effect.forEach(questions, (question) => see(trained, question))

  /** What a version says of rows, as answers to their questions. */
  const ask = (version: string, trained: TrainedPolicy, asked: ReadonlyArray<readonly [Question, Row]>) =>
    Effect.map(
      asked.length === 0
        ? Effect.succeed([])
        : run(
            { version, artefact: fetch(version), more: [] },
            asked.map(([, row]) => row)
          ),
      (answers) =>
        asked.map(([question], i): Answer => {
          const said = answers[i]
          const named = { voter: voterName, kind: policyKind(trained.algorithm), version }
          return said === undefined ? abstain(question, "no model ran") : answerOf(named, question, said)
        })
    )

  const answer = (version: string, questions: ReadonlyArray<Question>) =>
    Effect.gen(function* () {
      const trained = yield* describe(version)
      const prepared = yield* prepare(trained, questions)
      const asked = questions.flatMap((question, i) => {
        const item = prepared[i] as (typeof prepared)[number]
        if (Either.isLeft(item)) return []
        const { features, sigmaBar } = item.right
        const row: Row = {
          features,
          sigma: sigmaBar * Math.sqrt(trained.horizonBars),
          band: question.band
        }
        return [[question, row] as const]
      })
      const answers = yield* ask(version, trained, asked)
      let next = 0
      return questions.map((question, i): Answer => {
        const item = prepared[i] as (typeof prepared)[number]
        return Either.isLeft(item) ? abstain(question, item.left) : (answers[next++] as Answer)
      })
    })

  return { describe, prepare, ask, answer }
}

export type PolicyAnswering<E> = ReturnType<typeof makePolicyAnswering<E>>
