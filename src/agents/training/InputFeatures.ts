/**
 * The features that a network can be given of each bar, by name: those of an instrument by itself (SequenceFeatures.ts), or
 * `instruments`, the ten of instruments that are followed together (InstrumentFeatures.ts), which take the bars of all of
 * them. Of the latter some may be absent, which is NaN here; what stands in for them comes with the model.
 *
 * What can go wrong: a feature that is there and no finite number (FeatureNotFinite names its bar), series that cannot be
 * followed together (ScheduleError).
 * Invariant: the features of a bar follow from bars that closed by the time that it did.
 */
import { Either } from "effect"
import type { Steps } from "../../learning/steps.ts"
import type { BarSeries } from "../../market/BarSeries.ts"
import type { ScheduleError } from "../../market/errors.ts"
import { featureMatrix } from "../../market/features/FeatureMatrix.ts"
import { instrumentFeatureSchema, instrumentLookBack } from "../../market/features/InstrumentFeatures.ts"
import {
  type SequenceFeatures,
  type SequenceFeaturesName,
  sequenceFeatures
} from "../../market/SequenceFeatures.ts"
import { FeatureNotFinite } from "./errors.ts"

/** The features that look at all instruments of an as-of. */
export const together = "instruments"
export type InputFeaturesName = SequenceFeaturesName | typeof together

export type InputFeatures = Pick<SequenceFeatures, "version" | "names" | "lookBack">

export const inputFeatures: Readonly<Record<InputFeaturesName, InputFeatures>> = {
  ...sequenceFeatures,
  [together]: { ...instrumentFeatureSchema, lookBack: instrumentLookBack }
}
export const inputFeaturesNames = Object.keys(inputFeatures) as ReadonlyArray<InputFeaturesName>

export type InputError = FeatureNotFinite | ScheduleError

const barsPerStep = 500

function* alone({ fill, lookBack, names }: SequenceFeatures, series: BarSeries): Steps<Float32Array> {
  const width = names.length
  const rows = Math.max(0, series.close.length - lookBack)
  const out = new Float32Array(rows * width)
  for (let row = 0; row < rows; row++) {
    if (row % barsPerStep === 0) yield
    fill(series, row + lookBack, out, row * width)
  }
  return out
}

const whyUnfit = (
  name: InputFeaturesName,
  series: BarSeries,
  rows: Float32Array,
  isUnfit: (value: number) => boolean
): FeatureNotFinite | undefined => {
  const at = rows.findIndex(isUnfit)
  if (at < 0) return undefined
  const { lookBack, names } = inputFeatures[name]
  const time = series.openTime[Math.floor(at / names.length) + lookBack] as number
  return new FeatureNotFinite({
    where: `the bar of ${series.instrument.symbol} at ${new Date(time).toISOString()}`,
    feature: names[at % names.length] as string,
    value: String(rows[at])
  })
}

const isNoNumber = (value: number) => !Number.isFinite(value)
const isInfinite = (value: number) => Math.abs(value) === Number.POSITIVE_INFINITY

function* ofAll(
  instruments: ReadonlyArray<BarSeries>
): Steps<Either.Either<ReadonlyArray<Float32Array>, InputError>> {
  const [first, ...others] = instruments
  if (first === undefined) return Either.right([])
  const made = yield* featureMatrix([first, ...others])
  if (Either.isLeft(made)) return Either.left(made.left)
  const { lookBack, names } = inputFeatures[together]
  const all: Array<Float32Array> = []
  for (const [i, { matrix }] of made.right.entries()) {
    const rows = matrix.subarray(lookBack * names.length)
    const unfit = whyUnfit(together, instruments[i] as BarSeries, rows, isInfinite)
    if (unfit !== undefined) return Either.left(unfit)
    all.push(rows)
  }
  return Either.right(all)
}

/**
 * Of each instrument the features of all bars that have some, [bars - look-back, features]: those of bar b are in row
 * b - look-back.
 */
export function* featureSeries(
  name: InputFeaturesName,
  instruments: ReadonlyArray<BarSeries>
): Steps<Either.Either<ReadonlyArray<Float32Array>, InputError>> {
  if (name === together) return yield* ofAll(instruments)
  const all: Array<Float32Array> = []
  for (const series of instruments) {
    const rows = yield* alone(sequenceFeatures[name], series)
    const unfit = whyUnfit(name, series, rows, isNoNumber)
    if (unfit !== undefined) return Either.left(unfit)
    all.push(rows)
  }
  return Either.right(all)
}
