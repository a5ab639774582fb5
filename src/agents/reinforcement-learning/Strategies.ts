/**
 * A strategy for one instrument under supposed conditions: the calibrated opinion of a model, and what it would hold.
 *
 * Conditions go where they matter: more volatile prices into what the model sees of moves, and into the deviation and the hold
 * zone of the question; costs into the hold zone, and into whether a change of what is held pays; what is held into what the
 * policy does next.
 *
 * Whatever the model would do, a change is suggested only where the expected return in its direction is more than one fill costs.
 */
import { Effect, Either } from "effect"
import { qTableKind } from "../../learning/QTableOpinion.ts"
import { type BarSeries, closeTimeAt } from "../../market/BarSeries.ts"
import { roundTrip } from "../../market/Costs.ts"
import { buy, hold } from "../../market/environment/TradingEnvironments.ts"
import { windowCloses } from "../../market/Features.ts"
import { scaleVector } from "../../market/features/FeatureScaling.ts"
import { bandOf } from "../../market/Label.ts"
import type { InstrumentId } from "../../protocols/Instrument.ts"
import type { Deployment } from "../../protocols/Model.ts"
import type { Answer, Question } from "../../protocols/Opinion.ts"
import type {
  AppliedConditions,
  MarketConditions,
  PolicyAlgorithm,
  Strategy,
  StrategyAlgorithm
} from "../../protocols/Strategy.ts"
import { type TimeFrame, toMs } from "../../protocols/TimeFrame.ts"
import type { Asked, Row, RowAnswer } from "../model-host/RowRuns.ts"
import type { Settings } from "../Settings.ts"
import { actOf } from "../training/policies/PolicyActor.ts"
import type { TrainedPolicy } from "../training/policies/TrainedPolicy.ts"
import { abstaining, answerOf } from "../voter/answers.ts"
import { voterName } from "./Policies.ts"
import type { PolicyAnswering, SeriesAt } from "./PolicyAnswers.ts"
import { sigmaAt } from "./PolicyAnswers.ts"
import { makeTableFeatures, tableFeatures } from "./TableTraining.ts"

const abstain = abstaining(voterName)
const perBasisPoint = 1e-4

/** Features that grow with the moves of prices. */
const moving: ReadonlySet<string> = new Set(["ret_1", "ret_24", "volatility_24", "range"])

/** What a model would do, before anything is said of costs. */
export interface Intended {
  readonly target: number
  readonly what: string
}

export const appliedTo = (settings: Settings, given: MarketConditions): AppliedConditions => ({
  volatilityScale: given.volatilityScale ?? 1,
  roundTripBps: given.roundTripBps ?? roundTrip(settings.costs) / perBasisPoint,
  allowShort: given.allowShort ?? settings.orchestrator.allowShort,
  exposure: given.exposure ?? 0
})

/** The exposure that is suggested, and why. */
export const suggestedExposure = (
  answer: Answer,
  { target, what }: Intended,
  { exposure, roundTripBps }: AppliedConditions
): { readonly targetExposure: number | null; readonly reason: string } => {
  if (answer._tag === "Abstention") return { targetExposure: null, reason: answer.reason }
  const change = Math.sign(target - exposure)
  if (change === 0) return { targetExposure: exposure, reason: `${what}: that is held already` }
  const gainBps = (change * answer.expectedReturn) / perBasisPoint
  const costBps = roundTripBps / 2
  const sums = `${gainBps.toFixed(1)} bp are expected of it, a fill costs ${costBps.toFixed(1)} bp`
  return gainBps > costBps
    ? { targetExposure: target, reason: `${what}: ${sums}` }
    : { targetExposure: exposure, reason: `${what}, and it does not pay: ${sums}` }
}

/** What the policy does next with what is held. */
export const intendedBy = (
  trained: TrainedPolicy,
  features: Float32Array,
  { allowShort, exposure }: AppliedConditions
): Intended => {
  const { scaling } = trained
  const values = [...features]
  const observation = Float32Array.from([...scaleVector({ asOf: 0, values }, scaling), exposure, 0])
  const actions = new Int32Array(1)
  actOf(trained)(observation, actions)
  const [action] = actions
  if (action === hold) return { target: exposure, what: "the policy holds" }
  if (action === buy) return { target: 1, what: "the policy buys" }
  const isShort = allowShort && trained.allowShort
  return { target: isShort ? -1 : 0, what: isShort ? "the policy sells" : "the policy goes flat" }
}

export interface StrategyRequest {
  readonly instrument: InstrumentId
  readonly algorithm: StrategyAlgorithm
  readonly timeFrame: TimeFrame
  /** The latest. */
  readonly asOf: number
  readonly conditions: MarketConditions
}

export const makeStrategies = <E>(parts: {
  readonly settings: Settings
  readonly answering: PolicyAnswering<E>
  readonly seriesAt: SeriesAt<E>
  readonly fetch: (version: string) => Effect.Effect<Uint8Array, E>
  readonly run: (asked: Asked<E>, rows: ReadonlyArray<Row>) => Effect.Effect<ReadonlyArray<RowAnswer>, E>
  /** What is deployed under the name of an algorithm. */
  readonly policyOf: (algorithm: PolicyAlgorithm, timeFrame: TimeFrame) => Deployment | undefined
  /** The Q-table that is deployed, and of which bars; null before there is one. */
  readonly table: () => { readonly version: string; readonly timeFrame: TimeFrame } | null
}) => {
  const { answering, fetch, policyOf, run, seriesAt, settings, table } = parts
  const { horizonBars } = settings.orchestrator
  const fillTable = makeTableFeatures()

  type Said = readonly [answer: Answer, intended: Intended]
  const nothing: Intended = { target: 0, what: "" }
  const refused = (question: Question, why: string): Said => [abstain(question, why), nothing]

  const ofTable = (question: Question, series: BarSeries, conditions: AppliedConditions) =>
    Effect.gen(function* () {
      const serves = table()
      if (serves === null) return refused(question, "no Q-table has been made yet")
      if (toMs(serves.timeFrame) !== toMs(question.timeFrame)) {
        return refused(question, `the Q-table is of bars of ${serves.timeFrame}, not ${question.timeFrame}`)
      }
      const { version } = serves
      const features = new Float64Array(tableFeatures.names.length)
      fillTable(series.close, series.close.length - 1, features)
      const row = { features: Float32Array.from(features), sigma: question.sigma, band: question.band }
      const [said] = yield* run({ version, artefact: fetch(version), more: [] }, [row])
      if (said === undefined) return refused(question, "no model ran")
      const answer = answerOf({ voter: voterName, kind: qTableKind, version }, question, said)
      const { exposure } = conditions
      const intended =
        said.expectedReturn === 0
          ? { target: exposure, what: "the table holds" }
          : said.expectedReturn > 0
            ? { target: 1, what: "the table buys" }
            : { target: conditions.allowShort ? -1 : 0, what: "the table sells" }
      return [answer, intended] as Said
    })

  const ofPolicy = (algorithm: PolicyAlgorithm, question: Question, conditions: AppliedConditions) =>
    Effect.gen(function* () {
      const deployment = policyOf(algorithm, question.timeFrame)
      if (deployment === undefined) {
        const why = `there is no policy of ${algorithm} for bars of ${question.timeFrame}: train one`
        return refused(question, why)
      }
      const { version } = deployment
      const trained = yield* answering.describe(version)
      const [prepared] = yield* answering.prepare(trained, [question])
      if (prepared === undefined || Either.isLeft(prepared)) {
        return refused(question, prepared?.left ?? "nothing was asked")
      }
      const { isKnown } = prepared.right
      // What stands for an absent one has not moved at all.
      const isScaled = (k: number) => isKnown[k] === true && moving.has(trained.scaling.schema.names[k] ?? "")
      const features = prepared.right.features.map((value, k) =>
        isScaled(k) ? value * conditions.volatilityScale : value
      )
      const row = { features, sigma: question.sigma, band: question.band }
      const [answer] = yield* answering.ask(version, trained, [[question, row]])
      if (answer === undefined) return refused(question, "no model ran")
      return [answer, intendedBy(trained, features, conditions)] as Said
    })

  return {
    generate: ({ algorithm, asOf, conditions: given, instrument, timeFrame }: StrategyRequest) =>
      Effect.gen(function* () {
        const conditions = appliedTo(settings, given)
        const roundTripCost = conditions.roundTripBps * perBasisPoint
        const series = yield* seriesAt(instrument, timeFrame, asOf, windowCloses)
        const sigmaBar = series === undefined ? 0 : sigmaAt(series)
        const sigma = sigmaBar * conditions.volatilityScale * Math.sqrt(horizonBars)
        // Of longer bars the last one that has closed.
        const closed = series === undefined ? asOf : closeTimeAt(series, series.close.length - 1)
        const question: Question = {
          ...{ instrument, timeFrame, asOf: closed, horizonBars, roundTripCost, sigma },
          band: bandOf(roundTripCost, sigma)
        }
        const tooFew =
          series === undefined || series.close.length < windowCloses
            ? `fewer than ${windowCloses} bars of ${timeFrame} are known`
            : "the price has not moved"
        const [answer, intended] =
          series === undefined || !(sigmaBar > 0)
            ? refused(question, tooFew)
            : yield* algorithm === "q-table"
                ? ofTable(question, series, conditions)
                : ofPolicy(algorithm, question, conditions)
        return {
          ...{ algorithm, timeFrame, asOf: closed, horizonBars, conditions, answer },
          ...suggestedExposure(answer, intended, conditions)
        } satisfies Strategy
      })
  }
}
