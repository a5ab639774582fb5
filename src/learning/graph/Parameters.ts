/**
 * What a network learns: one flat vector, and a manifest that says what lies where in it.
 *
 * A network is a function of a `Builder`; it is run once to collect the manifest and again for each graph that is made
 * of it, with the parameters as parts of an input (to train) or as constants (to serve).
 *
 * Invariants: equal networks have equal manifests; first values follow from the seed and the parameter's name alone.
 */
import { Schema } from "effect"
import { keyedRandom } from "../../protocols/wire/KeyedRandom.ts"
import { invalid, shapeOf, type Value, within } from "./Graph.ts"
import * as ops from "./ops.ts"

export const ParameterEntry = Schema.Struct({
  name: Schema.String,
  shape: Schema.Array(Schema.Int),
  offset: Schema.Int,
  /** Whether weight decay applies. */
  decay: Schema.Boolean,
  /** A frozen parameter keeps its value. */
  frozen: Schema.Boolean
})
export type ParameterEntry = typeof ParameterEntry.Type

export interface Manifest {
  readonly entries: ReadonlyArray<ParameterEntry>
  /** Numbers in the flat vector. */
  readonly size: number
}

/** First values, by the shape of the parameter. */
export type Initialiser = (
  random: ReturnType<typeof keyedRandom>,
  shape: ReadonlyArray<number>
) => (index: number) => number

export const constantly =
  (value: number): Initialiser =>
  () =>
  () =>
    value

export const uniform =
  (bound: number): Initialiser =>
  (random) =>
  () =>
    (2 * random.next() - 1) * bound

/** Normal, cut off at two deviations and drawn again. */
export const truncatedNormal =
  (deviation: number): Initialiser =>
  (random) =>
  () => {
    for (;;) {
      const value = random.normal()
      if (Math.abs(value) <= 2) return value * deviation
    }
  }

/** Glorot and Bengio (2010): uniform in +-sqrt(6 / (in + out)). */
export const glorot: Initialiser = (random, shape) =>
  uniform(Math.sqrt(6 / ((shape[0] as number) + (shape.at(-1) as number))))(random, shape)

/** He et al. (2015): uniform in +-sqrt(6 / in), for rectified units. */
export const he: Initialiser = (random, shape) => uniform(Math.sqrt(6 / (shape[0] as number)))(random, shape)

/** Uniform in +-1/sqrt(in): what PyTorch's Linear and LSTM begin with. */
export const inverseRoot = (size: number): Initialiser => uniform(1 / Math.sqrt(size))

export interface ParameterOptions {
  readonly decay?: boolean
  readonly frozen?: boolean
}

/** A mask that the host makes for a training step: 0 with the rate's probability, else 1 / (1 - rate). */
export interface DropoutMask {
  readonly name: string
  readonly rate: number
  readonly input: Value
}

export interface Builder {
  readonly mode: "train" | "serve"
  readonly parameter: (
    name: string,
    shape: ReadonlyArray<number>,
    initialiser: Initialiser,
    options?: ParameterOptions
  ) => Value
  /** In training, zeros a share of the elements; the rest is scaled up. */
  readonly dropout: (x: Value, rate: number) => Value
  /** A part of the network: its name is before those of its parameters and in its errors. */
  readonly layer: <A>(name: string, build: () => A) => A
}

interface Collected extends ParameterEntry {
  readonly initialiser: Initialiser
}

const makeBuilder = (
  mode: Builder["mode"],
  valueOf: (name: string, shape: ReadonlyArray<number>, collect: () => Collected) => Value,
  maskOf?: (index: number) => Value
) => {
  const path: Array<string> = []
  const seen = new Set<string>()
  const masks: Array<DropoutMask> = []
  const entries: Array<Collected> = []
  let size = 0
  const builder: Builder = {
    mode,
    parameter: (name, shape, initialiser, { decay = shape.length > 1, frozen = false } = {}) => {
      const full = [...path, name].join("/")
      if (seen.has(full)) invalid("parameter", `"${full}" is there already`)
      seen.add(full)
      return valueOf(full, shape, () => {
        const entry = { name: full, shape, offset: size, decay, frozen, initialiser }
        entries.push(entry)
        size += shape.reduce((product, one) => product * one, 1)
        return entry
      })
    },
    dropout: (x, rate) => {
      if (mode === "serve" || rate === 0) return x
      const name = [...path, `mask${masks.length}`].join("/")
      const input = maskOf?.(masks.length) ?? ops.input(name, shapeOf(x))
      masks.push({ name, rate, input })
      return ops.mul(x, input)
    },
    layer: (name, build) => {
      path.push(name)
      try {
        return within(name, build)
      } finally {
        path.pop()
      }
    }
  }
  return { builder, masks, entries, size: () => size }
}

/** The parameters that a network asks for, in the order in which it does. */
export const manifestOf = (
  build: (builder: Builder) => unknown
): Manifest & {
  /** First values. */
  readonly initial: (seed: number) => Float32Array
} => {
  const { builder, entries, size } = makeBuilder("train", (name, shape, collect) => {
    collect()
    return ops.input(name, shape)
  })
  build(builder)
  return {
    entries: entries.map(({ initialiser: _, ...entry }) => entry),
    size: size(),
    initial: (seed) => {
      const values = new Float32Array(size())
      for (const { initialiser, name, offset, shape } of entries) {
        const draw = initialiser(keyedRandom(seed, "parameter", name), shape)
        const count = shape.reduce((product, one) => product * one, 1)
        for (let i = 0; i < count; i++) values[offset + i] = draw(i)
      }
      return values
    }
  }
}

const countOf = ({ shape }: ParameterEntry): number => shape.reduce((product, one) => product * one, 1)

/**
 * A builder whose parameters are parts of a flat vector.
 *
 * @param maskOf the masks of dropout in their order, where they are not to be inputs of their own
 */
export const trainingBuilder = (manifest: Manifest, flat: Value, maskOf?: (index: number) => Value) => {
  const values = new Map<string, Value>()
  for (const entry of manifest.entries) {
    const part = ops.slice(flat, 0, entry.offset, entry.offset + countOf(entry))
    values.set(entry.name, ops.reshape(part, entry.shape))
  }
  const { builder, masks } = makeBuilder("train", (name) => known(values.get(name), name), maskOf)
  /** The gradient by the flat vector, of those by its parts. */
  const flatten = (gradients: ReadonlyArray<Value>): Value =>
    ops.concat(
      gradients.map((gradient) => ops.reshape(gradient, [-1])),
      0
    )
  return { builder, masks, parameters: [...values.values()], flatten }
}

/** A builder whose parameters are parts of a flat vector, of which no gradient is asked. */
export const evaluatingBuilder = (manifest: Manifest, flat: Value): Builder => {
  const entries = new Map(manifest.entries.map((entry) => [entry.name, entry]))
  return makeBuilder("serve", (name) => {
    const entry = known(entries.get(name), name)
    return ops.reshape(ops.slice(flat, 0, entry.offset, entry.offset + countOf(entry)), entry.shape)
  }).builder
}

/** A builder whose parameters are constants. */
export const servingBuilder = (manifest: Manifest, flat: ArrayLike<number>): Builder => {
  const entries = new Map(manifest.entries.map((entry) => [entry.name, entry]))
  const all = Float64Array.from(flat)
  return makeBuilder("serve", (name) => {
    const entry = known(entries.get(name), name)
    return ops.constant(entry.shape, all.subarray(entry.offset, entry.offset + countOf(entry)))
  }).builder
}

const known = <A>(value: A | undefined, name: string): A =>
  value ?? invalid("parameter", `"${name}" is not in the manifest`)
