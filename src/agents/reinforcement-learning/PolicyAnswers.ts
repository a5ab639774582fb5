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
import { type FeatureMatrix, featureMatrix } from "../../market/features/FeatureMatrix.ts"
import { ArtefactRefused } from "../../protocols/errors.ts"
import type { InstrumentId } from "../../protocols/Instrument.ts"
import type { Answer, Question } from "../../protocols/Opinion.ts"
import { type TimeFrame, toMs } from "../../protocols/TimeFrame.ts"
import { stepwise } from "../../runtime/breathe.ts"
import type { Asked, Row, RowAnswer } from "../model-host/RowRuns.ts"
import { fillOf } from "../training/policies/PolicyFeatures.ts"
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

/** Instruments as a policy looks at them together at an as-of. */
interface Panel {
  readonly series: ReadonlyArray<BarSeries>
  readonly matrices: ReadonlyArray<FeatureMatrix>
}

/** The raw features of an instrument at the end of a panel, or why there are none. */
const featuresOf = (
  { scaling }: TrainedPolicy,
  { matrices, series }: Panel,
  { asOf, instrument }: Pick<Question, "asOf" | "instrument">
): Either.Either<{ readonly features: Float32Array; readonly sigmaBar: number }, string> =>
  Either.gen(function* () {
    const which = series.findIndex((one) => one.instrument.id === instrument)
    const own = series[which]
    const last = (own?.close.length ?? 0) - 1
    if (own === undefined || last < windowCloses - 1 || closeTimeAt(own, last) !== asOf) {
      return yield* Either.left(`fewer than ${windowCloses} bars are known at the as-of`)
    }
    const sigmaBar = sigmaAt(own)
    if (!(sigmaBar > 0)) yield* Either.left("the price has not moved")
    if ((matrices[which] as FeatureMatrix).validFrom > last) yield* Either.left("its features are warming up")
    const features = new Float32Array(scaling.means.length)
    fillOf(matrices, scaling)(which, last, features, 0)
    return { features, sigmaBar }
  })

const whyNot = (trained: TrainedPolicy, question: Question): string | undefined => {
  const { horizonBars, instruments, timeFrame } = trained
  if (question.horizonBars !== horizonBars) {
    return `the policy looks ${horizonBars} bars ahead, not ${question.horizonBars}`
  }
  if (toMs(question.timeFrame) !== toMs(timeFrame)) {
    return `the policy is of bars of ${timeFrame}, not ${question.timeFrame}`
  }
  return instruments.some((id) => id === question.instrument)
    ? undefined
    : `the policy has learned of ${instruments.length} instruments, and this one is not among them`
}

export const makePolicyAnswering = <E>(parts: {
  readonly fetch: (version: string) => Effect.Effect<Uint8Array, E>
  /** Runs rows of one version. */
  readonly run: (asked: Asked<E>, rows: ReadonlyArray<Row>) => Effect.Effect<ReadonlyArray<RowAnswer>, E>
  readonly seriesAt: SeriesAt<E>
}) => {
  const { fetch, run, seriesAt } = parts
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

  const panelAt = ({ instruments, timeFrame }: TrainedPolicy, asOf: number) =>
    Effect.gen(function* () {
      const found = yield* Effect.forEach(instruments, (id) => seriesAt(id, timeFrame, asOf, panelBars))
      const [first, ...rest] = found.filter((one) => one !== undefined && one.close.length > 0)
      if (first === undefined) return { series: [], matrices: [] } satisfies Panel
      const series = [first, ...rest] as [BarSeries, ...ReadonlyArray<BarSeries>]
      const matrices = yield* stepwise(featureMatrix(series))
      // Bars of one feed can be followed together; those that cannot have no features.
      return Either.match(matrices, {
        onLeft: (): Panel => ({ series: [], matrices: [] }),
        onRight: (made): Panel => ({ series, matrices: made })
      })
    })

  /** What the policy sees at each question, or why it sees nothing. */
  const prepare = (trained: TrainedPolicy, questions: ReadonlyArray<Question>) =>
    Effect.gen(function* () {
      const panels = new Map<number, Panel>()
      return yield* Effect.forEach(questions, (question) =>
        Effect.gen(function* () {
          const reason = whyNot(trained, question)
          if (reason !== undefined) return Either.left(reason)
          const panel = panels.get(question.asOf) ?? (yield* panelAt(trained, question.asOf))
          panels.set(question.asOf, panel)
          return featuresOf(trained, panel, question)
        })
      )
    })

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
