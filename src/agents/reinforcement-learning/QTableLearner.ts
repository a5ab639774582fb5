/**
 * Tabular Q-learning in the trading environment: the value-based baseline. The state is a handful of bins of three
 * features and the position; the reward is the change of log wealth after costs, in units of the bar's volatility,
 * so that instruments of different volatility share one table.
 *
 * It trains on the first part of the bars it remembers and calibrates its score (what buying is worth more than
 * selling, flat) on the matured outcomes of the rest, which it has not trained on.
 */
import { ParseResult, Schema } from "effect"
import { emitQTable, qTableKind } from "../../learning/QTableOpinion.ts"
import type { Steps } from "../../learning/steps.ts"
import { roundTrip } from "../../market/Costs.ts"
import { windowCloses } from "../../market/Features.ts"
import { bandOf, barsUntilMature, labelReturn } from "../../market/Label.ts"
import type { Instrument } from "../../protocols/Instrument.ts"
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
import {
  firstTableBar,
  makeTableFeatures,
  sliceBars,
  type TableCourse,
  tableCourse,
  tableFeatures,
  tablePositions,
  tableScore,
  tableThresholds,
  trainTable
} from "./TableTraining.ts"

/** Share of the remembered bars that it trains on; the rest calibrates. */
const trainShare = 0.7
/** Bars that each of the two parts has to have. */
const partBarsMin = 20

const Encoded = Schema.Struct({
  timeFrame: Schema.NullOr(Schema.String),
  asOf: Schema.Finite,
  index: Schema.Finite,
  firstFit: Schema.NullOr(Schema.Finite),
  instruments: Schema.Array(Schema.Struct({ instrument: Schema.String, history: EncodedHistory }))
})
type Encoded = typeof Encoded.Type

export interface QState {
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

const kindOf = (instrument: string) => instrument.split(":")[2] as Instrument["kind"]

const copyHistory = (history: CloseHistory): CloseHistory => ({
  ...history,
  openTimes: [...history.openTimes],
  asOfs: [...history.asOfs],
  opens: [...history.opens],
  closes: [...history.closes]
})

function* courseOf(
  instrument: string,
  history: CloseHistory,
  settings: Settings
): Steps<TableCourse | undefined> {
  const { length } = history.closes
  const split = firstTableBar + Math.floor((length - firstTableBar) * trainShare)
  if (split - firstTableBar < partBarsMin || length - split < partBarsMin) return undefined
  return yield* tableCourse(kindOf(instrument), history, split, settings.costs)
}

/** Scores on the bars that were not trained on, with what came of them. */
function* forecastsOf(
  courses: ReadonlyArray<TableCourse>,
  q: Float64Array,
  settings: Settings
): Steps<ReadonlyArray<Forecast>> {
  const { horizonBars } = settings.orchestrator
  const rows: Array<{ readonly asOf: number; readonly forecast: Forecast }> = []
  for (const course of courses) {
    const { bars, sigma, split } = course
    const { asOfs, closeOnly, closes, opens } = bars
    const needed = barsUntilMature(horizonBars, closeOnly)
    for (let bar = split; bar + needed < closes.length; bar++) {
      if (bar % sliceBars === 0) yield
      const score = tableScore(course, q, bar)
      if (score === undefined) continue
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
  const {
    policyBarsMax: _bars,
    policyEpisodeBars: _episode,
    policyRows: _rows,
    policySteps: _steps,
    trainBarsMin: _trainBarsMin,
    trainEveryBars: _trainEveryBars,
    trainPolicies: _trainPolicies,
    ...own
  } = rl
  const fill = makeTableFeatures()

  function* fit(state: QState): Steps<Fitted | undefined> {
    const { asOf, timeFrame } = state
    if (timeFrame === null) return undefined
    const histories = [...state.instruments].map(([id, history]) => [id, copyHistory(history)] as const)
    const courses: Array<TableCourse> = []
    for (const [id, history] of histories) {
      const course = yield* courseOf(id, history, settings)
      if (course !== undefined) courses.push(course)
    }
    if (courses.length === 0) return undefined
    const q = yield* trainTable(courses, settings, asOf)
    const judged = yield* judge(yield* forecastsOf(courses, q, settings))
    if (judged === undefined) return undefined
    const steps = courses.reduce((sum, { split, start }) => sum + split - start, 0)
    const from = Math.min(...courses.map(({ bars, start }) => bars.asOfs[start] as number))
    const manifest: Fitted["manifest"] = {
      kind: qTableKind,
      voter: "reinforcement-learning",
      timeFrame,
      horizonBars,
      features: tableFeatures,
      data: { from, to: asOf, rows: steps },
      fittedAsOf: asOf,
      configuration: contentHash({
        ...own,
        horizonBars,
        costs: settings.costs,
        allowShort: orchestrator.allowShort
      }),
      seed: settings.run.seed,
      metrics: metricsOf(judged)
    }
    const artefact = emitQTable({
      thresholds: tableThresholds,
      positions: tablePositions,
      q,
      calibrator: judged.calibrator,
      featureNames: tableFeatures.names,
      featureSchemaVersion: tableFeatures.version,
      metadata: { fitted_as_of: String(asOf), bars: String(steps), ...manifestMetadata(manifest) }
    })
    const reason = `trained on ${steps} bars for ${rl.episodes} episodes, ${describeLoss(judged)}`
    return { artefact, manifest, reason }
  }

  return {
    name: "reinforcement-learning",
    kind: qTableKind,
    features: tableFeatures,
    horizonBars,
    version: 2,
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
    featuresAt: ({ closes, end }, out) => fill(closes, end, out)
  }
}
