/**
 * What a Tiny Recursive Model (Jolicoeur-Martineau, 2025, "Less is more: recursive reasoning with tiny networks") is:
 * its sizes, and what goes in and comes out.
 */
import { Schema } from "effect"
import { swiGluInner } from "../layers/swiGlu.ts"

const Size = Schema.Int.pipe(Schema.positive())
const Positive = Schema.Finite.pipe(Schema.positive())

export const TrmSizes = Schema.Struct({
  width: Size,
  heads: Size,
  /** Of the one network that both updates share. */
  layers: Size,
  /** n: updates of the latent state before each update of the answer. */
  latentSteps: Size,
  /** T: recursions of a supervision step. Gradients go through the last. */
  recursions: Size,
  /** What mixes the places: attention, or a gated unit along them. */
  mix: Schema.Literal("attention", "mlp"),
  /** Learned positions are added to the input; rotary ones turn queries and keys, and do nothing where there are none. */
  positions: Schema.Literal("none", "learned", "rotary"),
  /** Width of the gated units' inner layers, by what they are around, before two thirds of it are rounded up. */
  expansion: Positive,
  /** What inner widths are multiples of. */
  innerMultiple: Size,
  normEpsilon: Positive,
  rotaryTheta: Positive
})
export type TrmSizes = typeof TrmSizes.Type

/**
 * - `tokens`: a vocabulary's tokens at each of `length` places in, logits over the vocabulary for each out; whether to
 *   halt is read from the first place;
 * - `features`: a vector of real values in, as one token for each behind a token to read from; logits over classes, and
 *   whether to halt, are read from that.
 */
export const TrmTask = Schema.Union(
  Schema.Struct({ kind: Schema.Literal("tokens"), length: Size, vocabulary: Size }),
  Schema.Struct({ kind: Schema.Literal("features"), features: Size, classes: Size })
)
export type TrmTask = typeof TrmTask.Type

export const TrmSpec = Schema.Struct({ sizes: TrmSizes, task: TrmTask })
export type TrmSpec = typeof TrmSpec.Type

/** The published sizes. */
export const published: TrmSizes = {
  width: 512,
  heads: 8,
  layers: 2,
  latentSteps: 6,
  recursions: 3,
  mix: "attention",
  positions: "rotary",
  expansion: 4,
  innerMultiple: 256,
  normEpsilon: 1e-5,
  rotaryTheta: 1e4
}

/** Ten market features in, eight strategies out. The tokens of features bear vectors of their own: no positions. */
export const strategyTrm: TrmSpec = {
  sizes: { ...published, width: 64, heads: 4, positions: "none" },
  task: { kind: "features", features: 10, classes: 8 }
}

/** Most steps of supervision in training, and all of them in evaluation. */
export const supervisionStepsMax = 16

/** Layers that an input passes in one supervision step. */
export const effectiveDepth = ({ latentSteps, layers, recursions }: TrmSizes): number =>
  recursions * (latentSteps + 1) * layers

/** Places of the states y and z. */
export const placesOf = (task: TrmTask): number => (task.kind === "tokens" ? task.length : task.features + 1)

/** Numbers of one row that go in. */
export const inputsOf = (task: TrmTask): number => (task.kind === "tokens" ? task.length : task.features)

/** Labels of one row. */
export const answersOf = (task: TrmTask): number => (task.kind === "tokens" ? task.length : 1)

export const classesOf = (task: TrmTask): number => (task.kind === "tokens" ? task.vocabulary : task.classes)

/** Multiplications that a row takes in one supervision step forward, of the large products alone. */
export const supervisionMultiplications = ({ sizes, task }: TrmSpec): number => {
  const { expansion, innerMultiple, mix, width } = sizes
  const places = placesOf(task)
  const gated = (size: number) => 3 * size * swiGluInner(size, expansion, innerMultiple)
  const mixing = mix === "mlp" ? width * gated(places) : places * (4 * width * width + 2 * places * width)
  return effectiveDepth(sizes) * (mixing + places * gated(width))
}
