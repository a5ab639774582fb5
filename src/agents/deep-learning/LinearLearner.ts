/**
 * The linear autoregressive forecaster: the baseline that every network has to beat. A ridge regression of the
 * standardised return over the horizon on the features, in closed form, over all rows whose label has matured by
 * the as-of and all instruments together; its score is calibrated on forecasts that were made before their
 * outcomes were known.
 *
 * Everything follows from the bars in their order: the sums grow by one row as a label matures, a shadow fit made
 * every few rows gives the scores that the calibrator learns from, and the artefact is made of both.
 */
import { Either, ParseResult, Schema } from "effect"
import * as LeastSquares from "../../learning/LeastSquares.ts"
import { emitLinear, linearKind } from "../../learning/LinearOpinion.ts"
import type { Steps } from "../../learning/steps.ts"
import { type Costs, roundTrip } from "../../market/Costs.ts"
import { featureSchema, featuresAt, windowCloses } from "../../market/Features.ts"
import { bandOf, barsUntilMature, labelReturn } from "../../market/Label.ts"
import type { Bar, BarsEvent } from "../../protocols/Bar.ts"
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
import { describeLoss, Forecast, forecastOf, judge, metricsOf } from "../voter/forecasts.ts"
import { type Fitted, firstFitEveryBars, type Learner } from "../voter/Learner.ts"
import { manifestMetadata } from "../voter/ownManifest.ts"

/** As-ofs behind the latest that may still be asked about without going to the context. */
const lateBars = 32
/** Matured rows between two shadow fits. */
const shadowEvery = 25
/** The latest forecasts that the calibrator learns from. */
const forecastsMax = 2_000

/** A row whose label is still open. */
const OpenRow = Schema.Struct({
  asOf: Schema.Finite,
  features: Schema.Array(Schema.Finite),
  /** Of the horizon's return. */
  sigma: Schema.Finite,
  band: Schema.Finite,
  /** The shadow's forecast when the row was made; null before there was one. */
  score: Schema.NullOr(Schema.Finite)
})
type OpenRow = typeof OpenRow.Type

const Encoded = Schema.Struct({
  timeFrame: Schema.NullOr(Schema.String),
  asOf: Schema.Finite,
  index: Schema.Finite,
  firstFit: Schema.NullOr(Schema.Finite),
  firstRowAsOf: Schema.NullOr(Schema.Finite),
  sums: LeastSquares.LeastSquaresState,
  shadow: Schema.NullOr(
    Schema.Struct({
      intercept: Schema.Finite,
      coefficients: Schema.Array(Schema.Finite),
      means: Schema.Array(Schema.Finite),
      deviations: Schema.Array(Schema.Finite)
    })
  ),
  forecasts: Schema.Array(Forecast),
  instruments: Schema.Array(
    Schema.Struct({ instrument: Schema.String, history: EncodedHistory, open: Schema.Array(OpenRow) })
  )
})
export type LinearEncoded = typeof Encoded.Type
type Encoded = LinearEncoded

export interface LinearState {
  timeFrame: TimeFrame | null
  asOf: number
  /** Of the last event of bars, from 0. */
  index: number
  /** Event at which the first model was due. */
  firstFit: number | null
  firstRowAsOf: number | null
  readonly sums: LeastSquares.LeastSquares
  shadow: Encoded["shadow"]
  readonly forecasts: Array<Forecast>
  readonly instruments: Map<string, { readonly history: CloseHistory; open: Array<OpenRow> }>
}

const encode = (state: LinearState): Encoded => ({
  ...state,
  sums: state.sums.state(),
  instruments: [...state.instruments].map(([instrument, { history, open }]) => ({
    instrument,
    history: encodeHistory(history),
    open
  }))
})

const decode = (encoded: Encoded): Either.Either<LinearState, string> =>
  Either.mapBoth(LeastSquares.fromState(encoded.sums), {
    onLeft: (error) => error.message,
    onRight: (sums) => ({
      ...encoded,
      timeFrame: encoded.timeFrame === null ? null : TimeFrame.make(encoded.timeFrame),
      sums,
      forecasts: [...encoded.forecasts],
      instruments: new Map(
        encoded.instruments.map(({ history, instrument, open }) => [
          instrument,
          { history: decodeHistory(history), open: [...open] }
        ])
      )
    })
  })

/** A snapshot is what the state is made of. */
const Snapshot: Schema.Schema<LinearState, Encoded> = Schema.transformOrFail(
  Encoded,
  Schema.declare(
    (input): input is LinearState => typeof input === "object" && input !== null && "sums" in input
  ),
  {
    strict: true,
    decode: (encoded, _, ast) =>
      Either.mapLeft(decode(encoded), (message) => new ParseResult.Type(ast, encoded, message)),
    encode: (state) => ParseResult.succeed(encode(state))
  }
)

const scoreOf = (fit: NonNullable<Encoded["shadow"]>, features: ArrayLike<number>): number => {
  let score = fit.intercept
  for (let i = 0; i < fit.coefficients.length; i++) {
    const centred = (features[i] as number) - (fit.means[i] as number)
    score += ((fit.coefficients[i] as number) * centred) / (fit.deviations[i] as number)
  }
  return score
}

export const linearLearner = (settings: Settings): Learner<LinearState, Encoded> => {
  const { lags, refitEveryBars, ridge, rowsMin } = settings.deepLearning
  const { horizonBars } = settings.orchestrator
  const costs: Costs = settings.costs
  const features = featureSchema(lags)
  const columns = features.names.length
  const scratch = new Float64Array(columns)
  const barsKept = windowCloses + horizonBars + lateBars

  /** Labels that the newest bar has matured become rows; forecasts among them get their outcome. */
  const mature = (state: LinearState, open: Array<OpenRow>, history: CloseHistory): Array<OpenRow> => {
    const needed = barsUntilMature(horizonBars, history.closeOnly)
    const last = history.asOfs.length - 1
    return open.filter((row) => {
      const at = history.asOfs.lastIndexOf(row.asOf)
      if (at >= 0 && at + needed > last) return true
      if (at < 0) return false
      const entry = (history.closeOnly ? history.closes[at + 1] : history.opens[at + 1]) as number
      const exit = history.closes[at + needed] as number
      const logReturn = labelReturn(entry, exit)
      const z = logReturn / row.sigma
      const added = state.sums.add(Float64Array.from(row.features), z)
      if (Either.isLeft(added)) return false
      state.firstRowAsOf ??= row.asOf
      if (row.score !== null) {
        state.forecasts.push(forecastOf(row.score, logReturn, row.sigma, row.band))
        if (state.forecasts.length > forecastsMax)
          state.forecasts.splice(0, state.forecasts.length - forecastsMax)
      }
      if (state.sums.rows() % shadowEvery === 0) {
        const fit = state.sums.fit(ridge)
        if (Either.isRight(fit)) {
          const { coefficients, deviations, intercept, means } = fit.right
          state.shadow = {
            intercept,
            coefficients: [...coefficients],
            means: [...means],
            deviations: [...deviations]
          }
        }
      }
      return false
    })
  }

  const observe = (state: LinearState, bar: Bar) => {
    const known = state.instruments.get(bar.instrument) ?? { history: emptyHistory(), open: [] }
    state.instruments.set(bar.instrument, known)
    const { history } = known
    if (!push(history, bar, barsKept)) return
    known.open = mature(state, known.open, history)
    const window = windowAt(history, bar.closeTime)
    if (window === undefined) return
    const sigmaBar = featuresAt(window.closes, window.end, lags, scratch)
    if (!(sigmaBar > 0)) return
    const sigma = sigmaBar * Math.sqrt(horizonBars)
    known.open.push({
      asOf: bar.closeTime,
      features: [...scratch],
      sigma,
      band: bandOf(roundTrip(costs), sigma),
      score: state.shadow === null ? null : scoreOf(state.shadow, scratch)
    })
  }

  function* fit(state: LinearState): Steps<Fitted | undefined> {
    // The bars go on while this is made: what it is made of is taken now.
    const fitted = state.sums.fit(ridge)
    const { asOf, firstRowAsOf, timeFrame } = state
    if (Either.isLeft(fitted) || timeFrame === null) return undefined
    const judged = yield* judge([...state.forecasts])
    if (judged === undefined) return undefined
    const { coefficients, deviations, intercept, means, rows } = fitted.right
    const manifest: Fitted["manifest"] = {
      kind: linearKind,
      voter: "deep-learning",
      timeFrame,
      horizonBars,
      features,
      data: { from: firstRowAsOf ?? asOf, to: asOf, rows },
      fittedAsOf: asOf,
      configuration: contentHash({ lags, ridge, refitEveryBars, rowsMin, horizonBars, costs }),
      seed: settings.run.seed,
      metrics: metricsOf(judged)
    }
    const artefact = emitLinear({
      means,
      deviations,
      coefficients,
      intercept,
      calibrator: judged.calibrator,
      featureNames: features.names,
      featureSchemaVersion: features.version,
      metadata: { fitted_as_of: String(asOf), rows: String(rows), ...manifestMetadata(manifest) }
    })
    return { artefact, manifest, reason: `fitted to ${rows} rows, ${describeLoss(judged)}` }
  }

  return {
    name: "deep-learning",
    kind: linearKind,
    features,
    horizonBars,
    version: 2,
    snapshot: Snapshot,
    initial: () => ({
      timeFrame: null,
      asOf: 0,
      index: -1,
      firstFit: null,
      firstRowAsOf: null,
      sums: LeastSquares.make(columns),
      shadow: null,
      forecasts: [],
      instruments: new Map()
    }),
    evolve: (state, event: BarsEvent) => {
      if (event.type !== "BarsClosed" || event.payload.asOf <= state.asOf) return state
      state.timeFrame = event.payload.timeFrame
      state.asOf = event.payload.asOf
      state.index = event.payload.index
      for (const bar of event.payload.bars) observe(state, bar)
      if (state.firstFit === null && state.sums.rows() >= rowsMin) state.firstFit = state.index
      return state
    },
    timeFrame: (state) => state.timeFrame,
    isDue: (state, hasModel) =>
      state.firstFit !== null &&
      (state.index - state.firstFit) % (hasModel ? refitEveryBars : firstFitEveryBars) === 0,
    fit,
    window: (state, instrument, asOf) => windowAt(state.instruments.get(instrument)?.history, asOf),
    featuresAt: ({ closes, end }, out) => featuresAt(closes, end, lags, out)
  }
}
