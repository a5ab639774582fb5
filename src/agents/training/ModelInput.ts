/**
 * What a model sees of the bars at an as-of, by what its file says of it: a sequence of features of each bar
 * (SequenceFeatures.ts), or features of the last closes (Features.ts).
 *
 * What can go wrong: a bar whose features are not finite (FeatureNotFinite names it).
 * Invariant: the row of an as-of follows from the bars up to it.
 */
import { Either } from "effect"
import type { Steps } from "../../learning/steps.ts"
import type { BarSeries } from "../../market/BarSeries.ts"
import { featureSchema, featuresAt, windowReturns } from "../../market/Features.ts"
import {
  barsNeeded,
  type SequenceFeaturesName,
  sequenceColumns,
  sequenceFeatures
} from "../../market/SequenceFeatures.ts"
import type { FeatureSchema } from "../../protocols/Model.ts"
import { FeatureNotFinite } from "./errors.ts"

export type ModelInput =
  | { readonly kind: "sequence"; readonly features: SequenceFeaturesName; readonly length: number }
  | { readonly kind: "closes"; readonly lags: number }

const barsPerStep = 500
const lagsMax = 64

export const inputSchema = (input: ModelInput): FeatureSchema => {
  if (input.kind === "closes") return featureSchema(input.lags)
  const features = sequenceFeatures[input.features]
  return { version: features.version, names: sequenceColumns(features, input.length) }
}

/** Bars before the one of the as-of that have to be there. */
export const barsBeforeOf = (input: ModelInput): number =>
  input.kind === "closes" ? windowReturns : barsNeeded(sequenceFeatures[input.features], input.length) - 1

/** The input of a model that is told by nothing but the names of its features. */
export const inputOfNames = ({ names, version }: FeatureSchema): ModelInput | undefined => {
  for (let lags = 0; lags <= lagsMax; lags++) {
    const schema = featureSchema(lags)
    if (schema.version === version && schema.names.join() === names.join()) return { kind: "closes", lags }
  }
  return undefined
}

/**
 * Features of all bars of an instrument that have some, [bars - look-back, features]: those of bar b are in row
 * b - look-back.
 */
export function* sequenceSeries(
  name: SequenceFeaturesName,
  series: BarSeries
): Steps<Either.Either<Float32Array, FeatureNotFinite>> {
  const features = sequenceFeatures[name]
  const width = features.names.length
  const rows = Math.max(0, series.close.length - features.lookBack)
  const out = new Float32Array(rows * width)
  for (let row = 0; row < rows; row++) {
    if (row % barsPerStep === 0) yield
    features.fill(series, row + features.lookBack, out, row * width)
  }
  const at = out.findIndex((value) => !Number.isFinite(value))
  if (at < 0) return Either.right(out)
  const time = series.openTime[Math.floor(at / width) + features.lookBack] as number
  return Either.left(
    new FeatureNotFinite({
      where: `the bar of ${series.instrument.symbol} at ${new Date(time).toISOString()}`,
      feature: features.names[at % width] as string,
      value: String(out[at])
    })
  )
}

/** Writes the raw features of the model at a bar of an instrument, by index. */
export type FillInput = (instrument: number, bar: number, out: Float32Array, at: number) => void

export function* inputsOf(
  input: ModelInput,
  instruments: ReadonlyArray<BarSeries>
): Steps<Either.Either<FillInput, FeatureNotFinite>> {
  if (input.kind === "closes") {
    const scratch = new Float64Array(featureSchema(input.lags).names.length)
    return Either.right((instrument, bar, out, at) => {
      featuresAt((instruments[instrument] as BarSeries).close, bar, input.lags, scratch)
      out.set(scratch, at)
    })
  }
  const { lookBack, names } = sequenceFeatures[input.features]
  const width = names.length
  const all: Array<Float32Array> = []
  for (const series of instruments) {
    const made = yield* sequenceSeries(input.features, series)
    if (Either.isLeft(made)) return Either.left(made.left)
    all.push(made.right)
  }
  return Either.right((instrument, bar, out, at) => {
    const end = (bar - lookBack + 1) * width
    out.set((all[instrument] as Float32Array).subarray(end - input.length * width, end), at)
  })
}
