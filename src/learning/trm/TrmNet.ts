/**
 * The network of a Tiny Recursive Model, as the paper's program has it.
 *
 *   f(h; injection): h <- h + injection; per layer h <- norm(h + mix(h)), h <- norm(h + gated(h))
 *   a recursion:     n times z <- f(z; y + x), then y <- f(y; z)
 *   one step of supervision: T - 1 recursions without gradient, one with
 *
 * Invariants: both loops stay loops; no gradient leaves a supervision step by y or z.
 */
import { describe, invalid, shapeOf, type Value, within } from "../graph/Graph.ts"
import * as ops from "../graph/ops.ts"
import { type Builder, constantly } from "../graph/Parameters.ts"
import { scan } from "../graph/scan.ts"
import type { Dim } from "../graph/TensorType.ts"
import { cutNormal, leCun } from "../layers/leCun.ts"
import { rmsNorm } from "../layers/rmsNorm.ts"
import { rotaryAttention, rotation } from "../layers/rotaryAttention.ts"
import { swiGlu, swiGluInner } from "../layers/swiGlu.ts"
import { classesOf, inputsOf, placesOf, type TrmSizes, type TrmSpec } from "./TrmSpec.ts"

/** The first logit of halting: do not. */
const haltBias = -5

/** The answer and the latent state, [rows, places, width] each. */
export interface TrmState {
  readonly y: Value
  readonly z: Value
}

export interface TrmNet {
  /** Tokens [rows, length] or features [rows, features] -> x [rows, places, width]. */
  readonly embed: (inputs: Value) => Value
  /** How y and z begin, [width] each: fixed, not learned. */
  readonly initial: TrmState
  readonly superviseOnce: (x: Value, state: TrmState) => TrmState
  /** y -> logits [rows, answers, classes]. */
  readonly logits: (y: Value) => Value
  /** y -> logits of halting, [rows]. */
  readonly halting: (y: Value) => Value
}

/** Of rows [rows * places, width]: they stay flat, because what runs the graph would copy them at every change of shape. */
type Layer = (h: Value) => Value

const rowsOf = (value: Value): Dim => shapeOf(value)[0] as Dim

/** A mix along the places, in the transposed picture. */
const mlpMix = (b: Builder, sizes: TrmSizes, places: number): Layer => {
  const { width } = sizes
  const gated = gatedOf(b, "mix", sizes, places)
  return (h) => {
    const turned = ops.transpose(ops.reshape(h, [-1, places, width]), [0, 2, 1])
    const mixed = ops.reshape(gated(ops.reshape(turned, [-1, places])), [-1, width, places])
    return ops.reshape(ops.transpose(mixed, [0, 2, 1]), shapeOf(h))
  }
}

const attentionMix = (b: Builder, sizes: TrmSizes, places: number): Layer => {
  const { heads, normEpsilon, positions, rotaryTheta, width } = sizes
  const rotate = positions === "rotary" ? rotation(places, width / heads, rotaryTheta) : undefined
  const attend = rotaryAttention(b, "attention", { places, width, heads }, rotate)
  return (h) => rmsNorm(ops.add(h, attend(h)), normEpsilon)
}

/** norm(h + gated(h)) along the last axis. */
const gatedOf = (b: Builder, name: string, sizes: TrmSizes, size: number): Layer => {
  const gated = swiGlu(b, name, size, swiGluInner(size, sizes.expansion, sizes.innerMultiple))
  return (h) => rmsNorm(ops.add(h, gated(h)), sizes.normEpsilon)
}

const layerOf = (b: Builder, sizes: TrmSizes, places: number): Layer => {
  const mix = (sizes.mix === "mlp" ? mlpMix : attentionMix)(b, sizes, places)
  const gated = gatedOf(b, "mlp", sizes, sizes.width)
  return (h) => gated(mix(h))
}

/** One token to read from, then one for each feature: value * vector + bias. */
const featureTokens = (b: Builder, features: number, width: number): Layer =>
  b.layer("embedding", () => {
    const of = cutNormal(1 / Math.sqrt(width))
    const vectors = b.parameter("vectors", [features, width], of)
    const biases = b.parameter("biases", [features, width], of)
    const read = b.parameter("read", [1, width], of)
    return (inputs) => {
      const values = ops.reshape(inputs, [rowsOf(inputs), features, 1])
      const tokens = ops.add(ops.mul(values, vectors), biases)
      return ops.concat([ops.broadcastLike(read, ops.slice(tokens, 1, 0, 1)), tokens], 1)
    }
  })

const tokenRows = (b: Builder, vocabulary: number, width: number): Layer => {
  const table = b.parameter("embedding", [vocabulary, width], cutNormal(1 / Math.sqrt(width)))
  return (ids) => ops.gather(table, ids)
}

const embedding = (b: Builder, { sizes, task }: TrmSpec): Layer => {
  const { positions, width } = sizes
  const tokensOf =
    task.kind === "tokens" ? tokenRows(b, task.vocabulary, width) : featureTokens(b, task.features, width)
  if (positions !== "learned") return (inputs) => ops.mul(tokensOf(inputs), Math.sqrt(width))
  // A sum of two is scaled down to the variance of one.
  const table = b.parameter("positions", [placesOf(task), width], cutNormal(1 / Math.sqrt(width)))
  return (inputs) => ops.mul(ops.add(tokensOf(inputs), table), Math.sqrt(width) * Math.SQRT1_2)
}

/** Asks the builder for all parameters, in one order whatever of the network is used. */
export const trmNet = (b: Builder, spec: TrmSpec): TrmNet => {
  const { sizes, task } = spec
  const { latentSteps, recursions, width } = sizes
  const places = placesOf(task)
  const embed = embedding(b, spec)
  const fixed = (name: string) => b.parameter(name, [width], cutNormal(1), { frozen: true })
  const initial = { y: fixed("y-initial"), z: fixed("z-initial") }
  const layers = Array.from({ length: sizes.layers }, (_, i) =>
    b.layer(`f/${i}`, () => layerOf(b, sizes, places))
  )
  const head = b.parameter("head", [width, classesOf(task)], leCun(width))
  const haltWeights = b.parameter("halt/weights", [width, 1], constantly(0))
  const haltBiases = b.parameter("halt/bias", [1], constantly(haltBias), { decay: true })

  const f = (h: Value, injection: Value): Value =>
    layers.reduce((value, layer) => layer(value), ops.add(h, injection))

  const recursion = (x: Value, { y, z }: TrmState): TrmState => {
    const injection = ops.add(y, x)
    const { states } = within("latent", () =>
      scan({ states: [z], sequences: [], steps: latentSteps }, ([latent]) => ({
        states: [f(latent as Value, injection)],
        outputs: []
      }))
    )
    const latent = states[0] as Value
    return { y: within("answer", () => f(y, latent)), z: latent }
  }

  /** All recursions but the last. */
  const withoutGradient = (x: Value, state: TrmState): TrmState => {
    if (recursions === 1) return state
    const { states } = within("recursion", () =>
      scan({ states: [state.y, state.z], sequences: [], steps: recursions - 1 }, ([y, z]) => {
        const next = recursion(x, { y: y as Value, z: z as Value })
        return { states: [next.y, next.z], outputs: [] }
      })
    )
    const [y, z] = states.map(ops.stopGradient) as [Value, Value]
    return { y, z }
  }

  return {
    embed: (inputs) =>
      within("embed", () =>
        shapeOf(inputs)[1] === inputsOf(task)
          ? embed(inputs)
          : invalid("embed", `${describe(inputs)} is no input of ${inputsOf(task)} values a row`)
      ),
    initial,
    superviseOnce: (x, state) => {
      const flat = (value: Value) => ops.reshape(value, [-1, width])
      const input = flat(x)
      const last = recursion(input, withoutGradient(input, { y: flat(state.y), z: flat(state.z) }))
      return { y: ops.reshape(last.y, shapeOf(x)), z: ops.reshape(last.z, shapeOf(x)) }
    },
    logits: (y) => within("head", () => ops.matmul(task.kind === "tokens" ? y : ops.slice(y, 1, 0, 1), head)),
    halting: (y) =>
      within("halt", () => {
        const first = ops.reshape(ops.slice(y, 1, 0, 1), [rowsOf(y), width])
        return ops.reshape(ops.add(ops.matmul(first, haltWeights), haltBiases), [rowsOf(y)])
      })
  }
}
