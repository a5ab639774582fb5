/**
 * Feature vectors as the rows of a matrix: what networks and environments take.
 *
 * An absent feature is NaN in the matrix, and has to be scaled (`FeatureScaling.ts`) before anything computes with it.
 * Building one is long work and comes in steps: a generator that yields every few milliseconds.
 *
 * What can go wrong: series that cannot be followed together (ScheduleError).
 * Invariant: a row follows from what was visible at its as-of, so that of a history that was cut off all rows are the same.
 */
import { Either } from "effect"
import type { FeatureSchema } from "../../protocols/Model.ts"
import { makeAsOfSchedule } from "../AsOfSchedule.ts"
import type { BarSeries } from "../BarSeries.ts"
import type { ScheduleError } from "../errors.ts"
import { WidthUnfit } from "./errors.ts"
import { asNumber, type FeatureVector } from "./FeatureValue.ts"
import { instrumentFeatureSchema, makeInstrumentFeatures } from "./InstrumentFeatures.ts"
import {
  type MarketFeaturesOptions,
  type MarketSession,
  makeMarketFeatures,
  marketFeatureSchema
} from "./MarketFeatures.ts"

export interface FeatureMatrix {
  readonly schema: FeatureSchema
  readonly names: ReadonlyArray<string>
  /** Of each row, rising. */
  readonly asOf: Float64Array
  /** [rows, features], NaN where a feature is absent. */
  readonly matrix: Float32Array
  /** The first row from which on no feature is warming up; as many as there are rows where there is none. */
  readonly validFrom: number
}

const barsPerStep = 100
/** A session holds hundreds of tickers. */
const sessionsPerStep = 10

const matrixBuilder = (schema: FeatureSchema, rows: number) => {
  const width = schema.names.length
  const asOf = new Float64Array(rows)
  const matrix = new Float32Array(rows * width)
  let row = 0
  let validFrom = 0
  return {
    add: (vector: FeatureVector) => {
      if (vector.values.length !== width || row >= rows) {
        throw new WidthUnfit({ what: "A feature vector", width: vector.values.length, expected: width })
      }
      asOf[row] = vector.asOf
      matrix.set(vector.values.map(asNumber), row * width)
      row++
      if (vector.values.includes("warming-up")) validFrom = row
    },
    finish: (): FeatureMatrix => ({ schema, names: schema.names, asOf, matrix, validFrom })
  }
}

/** Of instruments that are followed together: a matrix for each series, with a row for each of its bars. */
export function* featureMatrix(
  series: readonly [BarSeries, ...ReadonlyArray<BarSeries>]
): Generator<void, Either.Either<ReadonlyArray<FeatureMatrix>, ScheduleError>> {
  const schedule = makeAsOfSchedule(series)
  if (Either.isLeft(schedule)) return Either.left(schedule.left)
  yield
  const instruments = series.map(({ instrument }) => instrument.id)
  const features = makeInstrumentFeatures(instruments)
  const builders = new Map(
    series.map(({ close, instrument }) => [
      instrument.id,
      matrixBuilder(instrumentFeatureSchema, close.length)
    ])
  )
  let barsSince = 0
  for (const { asOf, bars } of schedule.right) {
    features.push(asOf, bars).forEach((vector, i) => {
      const instrument = bars[i]?.instrument
      if (instrument !== undefined) builders.get(instrument)?.add(vector)
    })
    barsSince += bars.length
    if (barsSince >= barsPerStep) {
      barsSince = 0
      yield
    }
  }
  return Either.right([...builders.values()].map((builder) => builder.finish()))
}

/** Of the equity market: a row for each session. */
export function* marketFeatureMatrix(
  sessions: ReadonlyArray<MarketSession>,
  options: MarketFeaturesOptions
): Generator<void, FeatureMatrix> {
  const features = makeMarketFeatures(options)
  const builder = matrixBuilder(marketFeatureSchema, sessions.length)
  for (const [i, session] of sessions.entries()) {
    if (i % sessionsPerStep === 0) yield
    builder.add(features.push(session))
  }
  return builder.finish()
}

/**
 * The rows at other as-ofs, rising: at each of them the latest row that is not of after it, and nothing (NaN) where that
 * is more than `ageMsMax` old. So the features of the market's sessions go with the bars of an instrument.
 */
export const rowsAt = (features: FeatureMatrix, asOfs: Float64Array, ageMsMax: number): FeatureMatrix => {
  const { asOf, matrix, names, schema } = features
  const width = names.length
  const out = new Float32Array(asOfs.length * width).fill(Number.NaN)
  let next = 0
  let validFrom = 0
  for (let i = 0; i < asOfs.length; i++) {
    const at = asOfs[i] as number
    while (next < asOf.length && (asOf[next] as number) <= at) next++
    const row = next - 1
    if (row >= 0 && at - (asOf[row] as number) <= ageMsMax) {
      out.set(matrix.subarray(row * width, (row + 1) * width), i * width)
    }
    if (row < features.validFrom) validFrom = i + 1
  }
  return { schema, names, asOf: asOfs, matrix: out, validFrom }
}
