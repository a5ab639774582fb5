/**
 * What a network is made of, as it stands in configuration and in the artefact. `networkOf` builds it: a sequence
 * [rows, length, features] in, [rows, outputs] out, of which the head makes losses and answers.
 */
import { Schema } from "effect"

const Count = Schema.Int.pipe(Schema.positive())
const Share = Schema.Finite.pipe(Schema.greaterThanOrEqualTo(0), Schema.lessThan(1))

/** Sizes beyond these are refused before any memory is asked for. */
export const networkLimits = { length: 4_096, features: 1_024, width: 4_096, layers: 64, outputs: 65_536 }

const Width = Count.pipe(Schema.lessThanOrEqualTo(networkLimits.width))
const Layers = Count.pipe(Schema.lessThanOrEqualTo(networkLimits.layers))

export const HeadSpec = Schema.Union(
  /** Means, by squared error. */
  Schema.Struct({ kind: Schema.Literal("regression"), outputs: Count }),
  /** Quantiles of each output, by pinball loss (Koenker and Bassett, 1978). */
  Schema.Struct({
    kind: Schema.Literal("quantiles"),
    outputs: Count,
    levels: Schema.NonEmptyArray(Schema.Finite.pipe(Schema.greaterThan(0), Schema.lessThan(1)))
  }),
  /** Mean and deviation of each output, by Gaussian likelihood. */
  Schema.Struct({ kind: Schema.Literal("gaussian"), outputs: Count }),
  /** One of several classes, by cross-entropy. */
  Schema.Struct({ kind: Schema.Literal("classification"), classes: Schema.Int.pipe(Schema.greaterThan(1)) })
)
export type HeadSpec = typeof HeadSpec.Type

export const BodySpec = Schema.Union(
  /** An affine function of the whole sequence. */
  Schema.Struct({ kind: Schema.Literal("linear") }),
  /** Zeng et al. (2023): trend and remainder, each an affine function of the past, the same for all features. */
  Schema.Struct({ kind: Schema.Literal("dlinear"), horizon: Count, window: Count }),
  Schema.Struct({ kind: Schema.Literal("mlp"), hidden: Schema.NonEmptyArray(Width) }),
  Schema.Struct({
    kind: Schema.Literal("lstm", "gru"),
    hidden: Width,
    layers: Layers,
    dropout: Share
  }),
  /** Convolutions along time; the head sees every place by itself. */
  Schema.Struct({
    kind: Schema.Literal("cnn"),
    filters: Schema.NonEmptyArray(Width),
    kernel: Count,
    pool: Count,
    dropout: Share
  }),
  /** Encoder layers with the norm before each part; the mean over the places goes to the head. */
  Schema.Struct({
    kind: Schema.Literal("transformer"),
    width: Width,
    heads: Count,
    layers: Layers,
    inner: Width,
    dropout: Share
  })
)
export type BodySpec = typeof BodySpec.Type

export const NetworkSpec = Schema.Struct({
  /** Steps of a sequence. */
  length: Count.pipe(Schema.lessThanOrEqualTo(networkLimits.length)),
  features: Count.pipe(Schema.lessThanOrEqualTo(networkLimits.features)),
  body: BodySpec,
  head: HeadSpec
})
export type NetworkSpec = typeof NetworkSpec.Type

/** Numbers that a head takes from the body. */
export const headSize = (head: HeadSpec): number => {
  switch (head.kind) {
    case "regression":
      return head.outputs
    case "quantiles":
      return head.outputs * head.levels.length
    case "gaussian":
      return 2 * head.outputs
    case "classification":
      return head.classes
  }
}

/** Shape of one row's target. */
export const targetShape = (head: HeadSpec): ReadonlyArray<number> =>
  head.kind === "classification" ? [head.classes] : [head.outputs]

/** The networks of the mission. */
export const pricePredictor: NetworkSpec = {
  length: 60,
  features: 10,
  body: { kind: "lstm", hidden: 128, layers: 3, dropout: 0 },
  head: { kind: "regression", outputs: 1 }
}
export const patternRecogniser: NetworkSpec = {
  length: 100,
  features: 5,
  body: { kind: "cnn", filters: [64, 64], kernel: 3, pool: 1, dropout: 0 },
  head: { kind: "classification", classes: 14 }
}
export const transformerPredictor: NetworkSpec = {
  length: 60,
  features: 10,
  body: { kind: "transformer", width: 256, heads: 8, layers: 4, inner: 1_024, dropout: 0.1 },
  head: { kind: "regression", outputs: 1 }
}
