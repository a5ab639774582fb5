/**
 * How raw features become what a model sees: x = clip((value - mean) / deviation, +-clip), fitted on the training range
 * alone and frozen into the model's artefact as plain data.
 *
 * The mean of the training range stands in for an absent feature, which is 0 once scaled: what a model is told of it is
 * that it is as usual. A feature that the training range never had is always 0.
 *
 * What can go wrong: a range without rows (NothingToFit), a matrix of another schema (SchemaUnfit); both are thrown.
 * Invariants: nothing outside the range moves the scaling; what is scaled is finite, whatever was absent.
 */
import { Schema } from "effect"
import { FeatureSchema, featureSchemaHash } from "../../protocols/Model.ts"
import { NothingToFit, SchemaUnfit, WidthUnfit } from "./errors.ts"
import type { FeatureMatrix } from "./FeatureMatrix.ts"
import { asNumber, type FeatureVector } from "./FeatureValue.ts"

const Positive = Schema.Finite.pipe(Schema.positive())

export const FeatureScaling = Schema.Struct({
  schema: FeatureSchema,
  means: Schema.Array(Schema.Finite),
  /** Population standard deviations; 1 for a constant. */
  deviations: Schema.Array(Positive),
  /** In deviations. */
  clips: Schema.Array(Positive)
})
export type FeatureScaling = typeof FeatureScaling.Type

/** Whose rows they are does not matter here. */
export type RawFeatures = Pick<FeatureMatrix, "schema" | "names" | "matrix">

/** A feature that lies further from its mean, in deviations, counts as this: markets have heavy tails. */
export const clipDefault = 10

export interface FitOptions {
  /** Rows [from, to). */
  readonly from: number
  readonly to: number
  /** By name, in deviations; of the others `clipDefault`. */
  readonly clips?: Readonly<Record<string, number>>
}

/** Mean and deviation of the numbers of a column that are there. */
const momentsOf = (matrix: Float32Array, column: number, width: number, { from, to }: FitOptions) => {
  let count = 0
  let mean = 0
  let squares = 0
  for (let row = from; row < to; row++) {
    const value = matrix[row * width + column] as number
    if (Number.isNaN(value)) continue
    count++
    // Welford (1962).
    const before = value - mean
    mean += before / count
    squares += before * (value - mean)
  }
  const deviation = count > 0 ? Math.sqrt(squares / count) : 0
  // What float32 leaves of a constant is rounding.
  const moves = deviation > 1e-6 * Math.abs(mean) && Math.fround(deviation) > 0
  return { mean, deviation: moves ? deviation : 1 }
}

export const fitFeatureScaling = (features: RawFeatures, options: FitOptions): FeatureScaling => {
  const { matrix, names, schema } = features
  const { clips = {}, from, to } = options
  const rows = matrix.length / names.length
  if (!(from >= 0 && to > from && to <= rows)) throw new NothingToFit({ from, to, rows })
  const moments = names.map((_, column) => momentsOf(matrix, column, names.length, options))
  return {
    schema,
    means: moments.map(({ mean }) => mean),
    deviations: moments.map(({ deviation }) => deviation),
    clips: names.map((name) => clips[name] ?? clipDefault)
  }
}

const scaleOne = ({ clips, deviations, means }: FeatureScaling, column: number, value: number): number => {
  if (Number.isNaN(value)) return 0
  const clip = clips[column] as number
  const x = (value - (means[column] as number)) / (deviations[column] as number)
  return Math.min(clip, Math.max(-clip, x))
}

const check = (scaling: FeatureScaling, schema: FeatureSchema) => {
  if (featureSchemaHash(scaling.schema) !== featureSchemaHash(schema)) {
    throw new SchemaUnfit({ scaling: scaling.schema.names.join(), features: schema.names.join() })
  }
}

/** [rows, features], all finite. */
export const scaleMatrix = (features: RawFeatures, scaling: FeatureScaling): Float32Array => {
  check(scaling, features.schema)
  const width = features.names.length
  return features.matrix.map((value, i) => scaleOne(scaling, i % width, value))
}

/** The same of one vector, rounded to float32 before, as a matrix does. */
export const scaleVector = ({ values }: FeatureVector, scaling: FeatureScaling): Float32Array => {
  const expected = scaling.means.length
  if (values.length !== expected) {
    throw new WidthUnfit({ what: "A feature vector", width: values.length, expected })
  }
  return Float32Array.from(values, (value, column) => scaleOne(scaling, column, Math.fround(asNumber(value))))
}
