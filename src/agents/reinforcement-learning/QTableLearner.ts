/**
 * Tabular Q-learning in the trading environment: the value-based baseline. The state is a handful of bins of three
 * features and the position; the reward is the change of log wealth after costs, in units of the bar's volatility,
 * so that instruments of different volatility share one table.
 *
 * It trains on the first part of the bars it remembers and calibrates its score (what buying is worth more than
 * selling, flat) on the matured outcomes of the rest, which it has not trained on.
 */
import { ParseResult, Schema } from "effect"
import * as QLearning from "../../learning/QLearning.ts"
import { discretise, emitQTable, marketStates, qTableKind } from "../../learning/QTableOpinion.ts"
import type { Steps } from "../../learning/steps.ts"
import { roundTrip } from "../../market/Costs.ts"
import { featuresAt, windowCloses } from "../../market/Features.ts"
import { bandOf, barsUntilMature, labelReturn } from "../../market/Label.ts"
import {
  type Action,
  actionCount,
  observationOf,
  positionCount,
  TradingEnvironment
} from "../../market/TradingEnvironment.ts"
import type { FeatureSchema } from "../../protocols/Model.ts"
import { TimeFrame } from "../../protocols/TimeFrame.ts"
import { contentHash } from "../../protocols/wire/Json.ts"
import type { Settings } from "../Settings.ts"
import {
  type CloseHistory,
  decodeHistory,
  EncodedHistory,
  emptyHistory,
  encodeHistory,
  push,
  windowAt
} from "../voter/CloseHistory.ts"
import { describeLoss, type Forecast, forecastOf, judge, metricsOf } from "../voter/forecasts.ts"
import { type Fitted, firstFitEveryBars, type Learner } from "../voter/Learner.ts"
import { manifestMetadata } from "../voter/ownManifest.ts"

/** Of the baseline features with one lag, those that make the state, and where their bins begin. */
const stateFeatures = [
  { name: "ret_1", at: 0, thresholds: [-1, -0.25, 0.25, 1] },
  { name: "mom_8", at: 2, thresholds: [-1, -0.3, 0.3, 1] },
  { name: "vol_ratio", at: 5, thresholds: [0] }
] as const
/** Features of one lag: ret_1, four momenta, vol_ratio. */
const sourceColumns = 6
const lags = 1
const thresholds = stateFeatures.map((feature) => feature.thresholds)
const features: FeatureSchema = { version: 1, names: stateFeatures.map(({ name }) => name) }
const states = marketStates(thresholds) * positionCount
const flat = 1

/** Share of the remembered bars that it trains on; the rest calibrates. */
const trainShare = 0.7
/** What is done between two chances for others to run: under a millisecond, since a round waits for many of them. */
const sliceSteps = 2_000
const sliceBars = 500
const purpose = "reinforcement-learning"

const Encoded = Schema.Struct({
  timeFrame: Schema.NullOr(Schema.String),
  asOf: Schema.Finite,
  index: Schema.Finite,
  firstFit: Schema.NullOr(Schema.Finite),
  instruments: Schema.Array(Schema.Struct({ instrument: Schema.String, history: EncodedHistory }))
})
type Encoded = typeof Encoded.Type

interface QState {
  timeFrame: TimeFrame | null
  asOf: number
  index: number
  firstFit: number | null
  readonly instruments: Map<string, CloseHistory>
}

const Snapshot: Schema.Schema<QState, Encoded> = Schema.transformOrFail(
  Encoded,
  Schema.declare(
    (input): input is QState => typeof input === "object" && input !== null && "instruments" in input
  ),
  {
    strict: true,
    decode: (encoded) =>
      ParseResult.succeed({
        ...encoded,
        timeFrame: encoded.timeFrame === null ? null : TimeFrame.make(encoded.timeFrame),
        instruments: new Map(
          encoded.instruments.map(({ history, instrument }) => [instrument, decodeHistory(history)])
        )
      }),
    encode: (state) =>
      ParseResult.succeed({
        ...state,
        instruments: [...state.instruments].map(([instrument, history]) => ({
          instrument,
          history: encodeHistory(history)
        }))
      })
  }
)

const copyHistory = (history: CloseHistory): CloseHistory => ({
  ...history,
  asOfs: [...history.asOfs],
  opens: [...history.opens],
  closes: [...history.closes]
})

/** One instrument's remembered bars, made ready. */
interface Course {
  readonly environment: TradingEnvironment
  /** Market state at each bar; -1 where there is none. */
  readonly marketState: Int32Array
  /** Standard deviation of one bar's log return at each bar. */
  readonly sigma: Float64Array
  readonly history: CloseHistory
  /** First bar with a state. */
  readonly start: number
  /** First bar that is not trained on. */
  readonly split: number
}

const pick = (source: Float64Array, out: Float64Array) => {
  stateFeatures.forEach(({ at }, i) => {
    out[i] = source[at] as number
  })
}

function* courseOf(history: CloseHistory, settings: Settings): Steps<Course | undefined> {
  const { closes, opens } = history
  const length = closes.length
  const start = windowCloses - 1
  const split = start + Math.floor((length - start) * trainShare)
  if (split - start < 20 || length - split < 20) return undefined
  const marketState = new Int32Array(length).fill(-1)
  const sigma = new Float64Array(length)
  const source = new Float64Array(sourceColumns)
  const picked = new Float64Array(stateFeatures.length)
  for (let bar = start; bar < length; bar++) {
    if (bar % sliceBars === 0) yield
    const moved = featuresAt(closes, bar, lags, source)
    if (!(moved > 0)) continue
    sigma[bar] = moved
    pick(source, picked)
    marketState[bar] = discretise(thresholds, picked)
  }
  const environment = new TradingEnvironment(
    { open: Float64Array.from(opens), close: Float64Array.from(closes), closeOnly: history.closeOnly },
    { costs: settings.costs, shorting: settings.orchestrator.allowShort }
  )
  return { environment, marketState, sigma, history, start, split }
}

/** The courses one after the other, an episode each, as one environment. */
const asEnvironment = (courses: ReadonlyArray<Course>): QLearning.Environment => {
  let next = 0
  let course = courses[0] as Course
  const transition = { state: 0, reward: 0, terminated: false, truncated: false }
  const stateAt = (bar: number, position: -1 | 0 | 1) =>
    observationOf(Math.max(course.marketState[bar] as number, 0), position)
  return {
    reset: () => {
      course = courses[next % courses.length] as Course
      next++
      const { index, position } = course.environment.reset(course.start, course.split)
      return stateAt(index, position)
    },
    step: (action) => {
      const result = course.environment.step(action as Action)
      // The volatility known when the action was chosen.
      const sigma = course.sigma[result.index - 1] as number
      transition.state = stateAt(result.index, result.position)
      transition.reward = sigma > 0 ? result.reward / sigma : 0
      transition.terminated = result.terminated
      transition.truncated = result.truncated
      return transition
    }
  }
}

/** Scores on the bars that were not trained on, with what came of them. */
function* forecastsOf(
  courses: ReadonlyArray<Course>,
  q: Float64Array,
  settings: Settings
): Steps<ReadonlyArray<Forecast>> {
  const { horizonBars } = settings.orchestrator
  const rows: Array<{ readonly asOf: number; readonly forecast: Forecast }> = []
  for (const { history, marketState, sigma, split } of courses) {
    const { asOfs, closeOnly, closes, opens } = history
    const needed = barsUntilMature(horizonBars, closeOnly)
    for (let bar = split; bar + needed < closes.length; bar++) {
      if (bar % sliceBars === 0) yield
      if ((marketState[bar] as number) < 0) continue
      const row = observationOf(marketState[bar] as number, 0) * actionCount
      const score = (q[row + 2] as number) - (q[row] as number)
      const entry = (closeOnly ? closes[bar + 1] : opens[bar + 1]) as number
      const logReturn = labelReturn(entry, closes[bar + needed] as number)
      const horizonSigma = (sigma[bar] as number) * Math.sqrt(horizonBars)
      const band = bandOf(roundTrip(settings.costs), horizonSigma)
      rows.push({ asOf: asOfs[bar] as number, forecast: forecastOf(score, logReturn, horizonSigma, band) })
    }
  }
  // In the order of time, whatever instrument they are of: the calibrator is judged on the latest.
  return rows.sort((a, b) => a.asOf - b.asOf).map(({ forecast }) => forecast)
}

export const qTableLearner = (settings: Settings): Learner<QState, Encoded> => {
  const { reinforcementLearning: rl, orchestrator } = settings
  const { horizonBars } = orchestrator
  const source = new Float64Array(sourceColumns)

  function* fit(state: QState): Steps<Fitted | undefined> {
    const { asOf, timeFrame } = state
    const histories = [...state.instruments.values()].map(copyHistory)
    const courses: Array<Course> = []
    for (const history of histories) {
      const course = yield* courseOf(history, settings)
      if (course !== undefined) courses.push(course)
    }
    if (courses.length === 0 || timeFrame === null) return undefined
    const training = QLearning.make(asEnvironment(courses), {
      states,
      actions: actionCount,
      learningRate: rl.learningRate,
      discount: rl.discountFactor,
      epsilonStart: rl.epsilonStart,
      epsilonMin: rl.epsilonMin,
      // Per episode of all courses, however many there are.
      epsilonDecay: rl.epsilonDecay ** (1 / courses.length),
      episodes: rl.episodes * courses.length,
      key: [settings.run.seed, purpose, "all", asOf]
    })
    while (!training.run(sliceSteps).done) yield
    const judged = yield* judge(yield* forecastsOf(courses, training.q, settings))
    if (judged === undefined) return undefined
    const steps = courses.reduce((sum, { split, start }) => sum + split - start, 0)
    const from = Math.min(...courses.map(({ history, start }) => history.asOfs[start] as number))
    const manifest: Fitted["manifest"] = {
      kind: qTableKind,
      voter: "reinforcement-learning",
      timeFrame,
      horizonBars,
      features,
      data: { from, to: asOf, rows: steps },
      fittedAsOf: asOf,
      configuration: contentHash({
        ...rl,
        horizonBars,
        costs: settings.costs,
        allowShort: orchestrator.allowShort
      }),
      seed: settings.run.seed,
      metrics: metricsOf(judged)
    }
    const artefact = emitQTable({
      thresholds,
      positions: { count: positionCount, flat },
      q: training.q,
      calibrator: judged.calibrator,
      featureNames: features.names,
      featureSchemaVersion: features.version,
      metadata: { fitted_as_of: String(asOf), bars: String(steps), ...manifestMetadata(manifest) }
    })
    const reason = `trained on ${steps} bars for ${rl.episodes} episodes, ${describeLoss(judged)}`
    return { artefact, manifest, reason }
  }

  return {
    name: "reinforcement-learning",
    kind: qTableKind,
    features,
    horizonBars,
    version: 1,
    snapshot: Snapshot,
    initial: () => ({ timeFrame: null, asOf: 0, index: -1, firstFit: null, instruments: new Map() }),
    evolve: (state, event) => {
      if (event.type !== "BarsClosed" || event.payload.asOf <= state.asOf) return state
      state.timeFrame = event.payload.timeFrame
      state.asOf = event.payload.asOf
      state.index = event.payload.index
      for (const bar of event.payload.bars) {
        const history = state.instruments.get(bar.instrument) ?? emptyHistory()
        state.instruments.set(bar.instrument, history)
        push(history, bar, Math.max(rl.memorySize, windowCloses * 2))
        if (state.firstFit === null && history.closes.length >= rl.barsMin) state.firstFit = state.index
      }
      return state
    },
    timeFrame: (state) => state.timeFrame,
    isDue: (state, hasModel) =>
      state.firstFit !== null &&
      (state.index - state.firstFit) % (hasModel ? rl.refitEveryBars : firstFitEveryBars) === 0,
    fit,
    window: (state, instrument, asOf) => windowAt(state.instruments.get(instrument), asOf),
    featuresAt: ({ closes, end }, out) => {
      const sigma = featuresAt(closes, end, lags, source)
      pick(source, out)
      return sigma
    }
  }
}
