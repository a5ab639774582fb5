/**
 * Predictions by instrument, model and time frame: on request, at an interval, and how those that were published have
 * turned out.
 *
 * What can go wrong: an instrument that is not known, no bars yet, the context not there; what concerns one instrument is
 * an abstention.
 */
import { Effect, Either, Option, Schedule, Schema, Stream } from "effect"
import { logLoss } from "../../learning/evaluation/Scoring.ts"
import { sides } from "../../learning/ScoreCalibrator.ts"
import { type BarSeries, closeTimeAt } from "../../market/BarSeries.ts"
import { roundTrip } from "../../market/Costs.ts"
import { featureSchema, featuresAt, windowCloses } from "../../market/Features.ts"
import { bandOf, barsUntilMature, labelOf, labelReturn } from "../../market/Label.ts"
import type { ContextItem } from "../../protocols/ContextItem.ts"
import { AsOfInFuture, NotReady } from "../../protocols/errors.ts"
import type { Instrument, InstrumentId } from "../../protocols/Instrument.ts"
import type { Question } from "../../protocols/Opinion.ts"
import {
  type ModelType,
  Prediction,
  type PredictionSummary,
  predictionItem,
  sideOf
} from "../../protocols/Prediction.ts"
import { predictionEveryMs } from "../../protocols/rpc/DeepLearningRpcs.ts"
import { type TimeFrame, toMs } from "../../protocols/TimeFrame.ts"
import { resolveInstrument } from "../resolveInstrument.ts"
import type { Settings } from "../Settings.ts"
import type { AnswerError, Voter } from "../voter/Addition.ts"
import { abstaining } from "../voter/answers.ts"
import type { DeepState } from "./DeepLearner.ts"
import { frameOf, history } from "./history.ts"
import type { NetworkVoting } from "./NetworkVoting.ts"

export interface PredictionRequest {
  readonly instruments: ReadonlyArray<string>
  readonly model: ModelType
  readonly timeFrame?: TimeFrame | undefined
  readonly asOf?: number | undefined
}

/** Published predictions that a summary looks at. */
const summarisedMax = 500
/** Bars that are looked at to see what came of a prediction, and by how much more where they are too few. */
const outcomeBars = 64
const outcomeBarsGrowth = 8
const abstain = abstaining("deep-learning")
const decodePrediction = Schema.decodeUnknownEither(Prediction)

export const makePredicting = (parts: {
  readonly voter: Voter<DeepState>
  readonly settings: Settings
  /** Of the feed; null before its first bars. */
  readonly own: () => TimeFrame | null
  readonly voting: NetworkVoting
  /** The last bars up to an as-of, in any time frame. */
  readonly seriesOf: (question: Question, count: number) => Effect.Effect<BarSeries | undefined, AnswerError>
}) => {
  const { own, seriesOf, settings, voter, voting } = parts
  const { context, known } = voter
  const { horizonBars } = settings.orchestrator
  const cost = roundTrip(settings.costs)
  const listed = (): ReadonlyArray<Instrument> => voter.state().windows.instruments

  const resolveAll = (texts: ReadonlyArray<string>) =>
    texts.length === 0
      ? Effect.succeed(listed().map(({ id }) => id))
      : Effect.forEach(texts, (text) => resolveInstrument(listed(), text))

  const ready = Effect.gen(function* () {
    const timeFrame = own()
    if (timeFrame === null || known.current() === 0) {
      return yield* new NotReady({ reason: "no bars have arrived yet" })
    }
    return timeFrame
  })

  /** The question that a round would ask, at the last bar of a time frame that has closed by the as-of. */
  const questionOf = (instrument: InstrumentId, timeFrame: TimeFrame, asOf: number) =>
    Effect.gen(function* () {
      const draft = { instrument, timeFrame, asOf, horizonBars, band: 1, roundTripCost: cost, sigma: 0 }
      const series = yield* seriesOf(draft, windowCloses)
      if (series === undefined || series.close.length < windowCloses) return undefined
      const last = series.close.length - 1
      const scratch = new Float64Array(featureSchema(0).names.length)
      const sigma = featuresAt(series.close, last, 0, scratch) * Math.sqrt(horizonBars)
      return {
        ...draft,
        asOf: closeTimeAt(series, last),
        sigma,
        band: bandOf(cost, sigma)
      } satisfies Question
    })

  const predict = ({ asOf, instruments, model, ...request }: PredictionRequest) =>
    Effect.gen(function* () {
      const feedFrame = yield* ready
      const timeFrame = frameOf(request.timeFrame ?? feedFrame, feedFrame)
      const latest = known.current()
      if (asOf !== undefined && asOf > latest) return yield* new AsOfInFuture({ asOf, latest })
      const ids = yield* resolveAll(instruments)
      const questions = yield* Effect.forEach(ids, (id) => questionOf(id, timeFrame, asOf ?? latest))
      const asked = questions.filter((question) => question !== undefined)
      const answers = asked.length === 0 ? [] : yield* voting.byName(model, asked)
      let next = 0
      return questions.map((question, i): Prediction => {
        const instrument = ids[i] as InstrumentId
        const said = question === undefined ? undefined : answers[next++]
        const none = {
          answer: abstain({ instrument }, `fewer than ${windowCloses} bars of ${timeFrame} are known`),
          classes: null
        }
        return { model, timeFrame, asOf: question?.asOf ?? asOf ?? latest, horizonBars, ...(said ?? none) }
      })
    })

  /** What came of a prediction, by bars from its as-of on; undefined while its horizon is not over. */
  const outcomeOf = ({ asOf, horizonBars: horizon }: Prediction, band: number, bars: BarSeries) => {
    const first = bars.openTime.findIndex((time) => time >= asOf)
    const exit = bars.close[first + barsUntilMature(horizon, bars.closeOnly) - 1]
    const entry = (bars.closeOnly ? bars.close : bars.open)[first]
    return first < 0 || exit === undefined || entry === undefined
      ? undefined
      : labelOf(labelReturn(entry, exit), band)
  }

  /** What came of the predictions of an instrument, one after the other: bars that one has asked for do for the next. */
  const outcomesOf = (instrument: Instrument) => {
    let held: BarSeries | undefined
    return (prediction: Prediction, band: number) =>
      Effect.gen(function* () {
        const { asOf, timeFrame } = prediction
        const frame = toMs(timeFrame)
        const latest = known.current()
        const feedFrame = own()
        if (held?.timeFrame === timeFrame && (held.openTime[0] as number) <= asOf) {
          const came = outcomeOf(prediction, band, held)
          if (came !== undefined) return came
        }
        if (feedFrame === null) return undefined
        // A horizon is so many bars, however long the market was closed in between.
        for (let bars = outcomeBars; ; bars *= outcomeBarsGrowth) {
          const until = Math.min(asOf + bars * frame, latest)
          if (until <= asOf) return undefined
          const question = { instrument, own: feedFrame, timeFrame, asOf: until }
          const found = yield* Effect.option(history(context, question, Math.ceil((until - asOf) / frame)))
          held = Option.getOrUndefined(found)
          const came = held === undefined ? undefined : outcomeOf(prediction, band, held)
          if (came !== undefined || until === latest) return came
        }
      })
  }

  const decoded = (items: ReadonlyArray<ContextItem>) =>
    items.flatMap(({ payload }) => {
      const { band, prediction } = payload as { readonly band?: unknown; readonly prediction?: unknown }
      const found = decodePrediction(prediction)
      return Either.isRight(found) && typeof band === "number" ? [{ band, prediction: found.right }] : []
    })

  const published = (instrument: InstrumentId, from: number, to: number, limit: number) =>
    context.Range({ type: predictionItem, instrument, from, to, limit })

  /** The latest of what was published about an instrument, oldest first. */
  const latestOf = (instrument: InstrumentId, frame: number) =>
    Effect.gen(function* () {
      const to = known.current() + 1
      // The interval goes by the clock, as-ofs by the feed's pace.
      const perPrediction = settings.deepLearning.predictEveryMs / (voter.paceMs() ?? frame)
      let from = Math.max(0, Math.floor(to - summarisedMax * frame * Math.max(1, perPrediction)))
      let items: ReadonlyArray<ContextItem> = []
      for (;;) {
        const page = yield* published(instrument, from, to, summarisedMax)
        items = [...items, ...page].slice(-summarisedMax)
        const last = page.at(-1)
        if (last === undefined || page.length < summarisedMax) return decoded(items)
        from = last.occurredAt + 1
      }
    })

  const summaryOf = (id: InstrumentId) =>
    Effect.gen(function* () {
      const items = yield* latestOf(id, toMs(yield* ready))
      const instrument = listed().find((one) => one.id === id)
      const outcomeAt = instrument === undefined ? undefined : outcomesOf(instrument)
      const counts = { sell: 0, hold: 0, buy: 0 }
      let confidence = 0
      let said = 0
      let right = 0
      let outcomes = 0
      let loss = 0
      for (const { band, prediction } of items) {
        const { answer } = prediction
        if (answer._tag === "Abstention") continue
        const side = sideOf(answer.probabilities)
        said++
        counts[side]++
        confidence += answer.probabilities[side]
        const came = yield* outcomeAt?.(prediction, band) ?? Effect.succeed(undefined)
        if (came === undefined) continue
        const { buy, hold, sell } = answer.probabilities
        outcomes++
        if (came === side) right++
        loss += logLoss([sell, hold, buy], sides.indexOf(came))
      }
      return {
        instrument: id,
        predictions: said,
        abstentions: items.length - said,
        sides: counts,
        confidence: said === 0 ? null : confidence / said,
        matured: { outcomes, right, logLoss: outcomes === 0 ? null : loss / outcomes },
        latest: items.at(-1)?.prediction ?? null
      } satisfies PredictionSummary
    })

  return {
    predict,
    /** Now, and then at an interval. */
    stream: (request: PredictionRequest, everyMs: number = predictionEveryMs.usual) =>
      Stream.map(Stream.repeatEffectWithSchedule(Effect.void, Schedule.fixed(everyMs)), () =>
        predict(request)
      ),
    history: (text: string, from: number, to: number, limit: number) =>
      Effect.flatMap(resolveInstrument(listed(), text), (id) =>
        Effect.map(published(id, from, to, limit), (items) =>
          decoded(items).map(({ prediction }) => prediction)
        )
      ),
    summaries: (texts: ReadonlyArray<string>) =>
      Effect.zipRight(
        ready,
        Effect.flatMap(resolveAll(texts), (ids) => Effect.forEach(ids, summaryOf))
      ),
    /** What is published at the interval: predictions of what votes, kept in the context with their hold zones. */
    publishable: Effect.gen(function* () {
      const timeFrame = yield* ready
      const predictions = yield* predict({ instruments: [], model: "serving" })
      const bands = yield* Effect.forEach(predictions, ({ answer, asOf }) =>
        Effect.map(questionOf(answer.instrument, timeFrame, asOf), (question) => question?.band ?? 0)
      )
      yield* Effect.forEach(
        predictions,
        (prediction, i) =>
          context.Keep({
            item: {
              type: predictionItem,
              version: 1,
              source: "deep-learning",
              occurredAt: prediction.asOf,
              knownAt: prediction.asOf,
              instrument: prediction.answer.instrument,
              payload: { band: bands[i] as number, prediction }
            }
          }),
        { discard: true }
      )
      return predictions
    })
  }
}
