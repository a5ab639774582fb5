/**
 * What a model sees of the bars at an as-of, by what its file says of it: a sequence of features of each bar
 * (InputFeatures.ts), or features of the last closes (Features.ts).
 *
 * What can go wrong: a bar whose features are not finite (FeatureNotFinite names it), bars that cannot be followed together
 * (ScheduleError).
 * Invariant: the row of an as-of follows from the bars up to it.
 */
import { Either } from "effect"
import type { Steps } from "../../learning/steps.ts"
import type { BarSeries } from "../../market/BarSeries.ts"
import { featureSchema, featuresAt, windowReturns } from "../../market/Features.ts"
import { barsNeeded, sequenceColumns } from "../../market/SequenceFeatures.ts"
import type { FeatureSchema } from "../../protocols/Model.ts"
import {
  featureSeries,
  type InputError,
  type InputFeaturesName,
  inputFeatures,
  together
} from "./InputFeatures.ts"

export interface SequenceInput {
  readonly kind: "sequence"
  readonly features: InputFeaturesName
  /** Bars of a sequence. */
  readonly length: number
  /** Of each feature of `instruments` what stands in where it is absent; the others never are. */
  readonly standIns?: ReadonlyArray<number>
}

export type ModelInput = SequenceInput | { readonly kind: "closes"; readonly lags: number }

const lagsMax = 64

export const inputSchema = (input: ModelInput): FeatureSchema => {
  if (input.kind === "closes") return featureSchema(input.lags)
  const features = inputFeatures[input.features]
  return { version: features.version, names: sequenceColumns(features, input.length) }
}

/** Bars before the one of the as-of that have to be there. */
export const barsBeforeOf = (input: ModelInput): number =>
  input.kind === "closes" ? windowReturns : barsNeeded(inputFeatures[input.features], input.length) - 1

/** The input of a model that is told by nothing but the names of its features. */
export const inputOfNames = ({ names, version }: FeatureSchema): ModelInput | undefined => {
  for (let lags = 0; lags <= lagsMax; lags++) {
    const schema = featureSchema(lags)
    if (schema.version === version && schema.names.join() === names.join()) return { kind: "closes", lags }
  }
  return undefined
}

/** Writes the raw features of the model at a bar of an instrument, by index. */
export type FillInput = (instrument: number, bar: number, out: Float32Array, at: number) => void

/** Whether a model looks at all instruments of an as-of, and not at one by itself. */
export const looksAtAll = (input: ModelInput): boolean =>
  input.kind === "sequence" && input.features === together

/** Puts in the place of what is absent in rows of features, which is NaN, what the model says stands in for it. */
export const standIn = (rows: Float32Array, standIns: ReadonlyArray<number>): void => {
  for (const [i, value] of rows.entries()) {
    if (Number.isNaN(value)) rows[i] = standIns[i % standIns.length] as number
  }
}

export function* inputsOf(
  input: ModelInput,
  instruments: ReadonlyArray<BarSeries>
): Steps<Either.Either<FillInput, InputError>> {
  if (input.kind === "closes") {
    const scratch = new Float64Array(featureSchema(input.lags).names.length)
    return Either.right((instrument, bar, out, at) => {
      featuresAt((instruments[instrument] as BarSeries).close, bar, input.lags, scratch)
      out.set(scratch, at)
    })
  }
  const { features, length, standIns } = input
  if (looksAtAll(input) && standIns === undefined) {
    throw new RangeError(`nothing stands in for features of ${features} that are absent`)
  }
  const { lookBack, names } = inputFeatures[features]
  const width = names.length
  const made = yield* featureSeries(features, instruments)
  return Either.map(
    made,
    (all): FillInput =>
      (instrument, bar, out, at) => {
        const end = (bar - lookBack + 1) * width
        const rows = (all[instrument] as Float32Array).subarray(end - length * width, end)
        out.set(rows, at)
        if (standIns !== undefined) standIn(out.subarray(at, at + rows.length), standIns)
      }
  )
}
