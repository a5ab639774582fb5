import { describe, expect, it } from "@effect/vitest"
import { interpret } from "../../../src/learning/graph/interpret.ts"
import { ndArray } from "../../../src/learning/graph/NdArray.ts"
import * as ops from "../../../src/learning/graph/ops.ts"
import {
  adam,
  adamAtan2,
  adamW,
  momentCount,
  type OptimiserSpec,
  rateCount,
  ratesOf,
  update
} from "../../../src/learning/training/Optimiser.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"

const size = 6
const steps = 25
const rate = 0.01
/** The last two are not decayed. */
const decayed = [1, 1, 1, 1, 0, 0]

type Sequence = ReadonlyArray<ReadonlyArray<number>>

const gradients: Sequence = (() => {
  const random = keyedRandom("gradients")
  return Array.from({ length: steps }, () => Array.from({ length: size }, () => random.normal()))
})()
const start = Array.from({ length: size }, (_, i) => 1 - i / 3)

/** As the project does it, step by step through the graph. */
const ours = (spec: OptimiserSpec): ReadonlyArray<number> => {
  const parameters = ops.input("parameters", [size])
  const moments = Array.from({ length: momentCount(spec) }, (_, i) => ops.input(`moment${i}`, [size]))
  const gradient = ops.input("gradient", [size])
  const rates = ops.input("rates", [rateCount])
  const next = update(spec, { parameters, moments }, gradient, rates, ops.constant([size], decayed))
  let state = [ndArray([size], start), ...moments.map(() => ndArray([size]))]
  gradients.forEach((values, i) => {
    const feeds = new Map([
      ...[parameters, ...moments].map((value, k) => [value, state[k] ?? ndArray([size])] as const),
      [gradient, ndArray([size], values)] as const,
      [rates, ndArray([rateCount], ratesOf(spec, rate, i + 1))] as const
    ])
    state = [...interpret([next.parameters, ...next.moments], feeds)]
  })
  return [...(state[0]?.data ?? [])]
}

interface Textbook {
  readonly beta1: number
  readonly beta2: number
  readonly weightDecay: number
}

/** Kingma and Ba (2015), algorithm 1, with its moments as means; Loshchilov and Hutter (2019) where decoupled. */
const textbook = (
  { beta1, beta2, weightDecay }: Textbook,
  isDecoupled: boolean,
  step: (m: number, v: number) => number
): ReadonlyArray<number> =>
  start.map((first, k) => {
    let x = first
    let m = 0
    let v = 0
    gradients.forEach((values, i) => {
      const decay = weightDecay * (decayed[k] as number)
      const g = (values[k] as number) + (isDecoupled ? 0 : decay * x)
      m = beta1 * m + (1 - beta1) * g
      v = beta2 * v + (1 - beta2) * g * g
      const shrunk = isDecoupled ? x * (1 - rate * decay) : x
      x = shrunk - rate * step(m / (1 - beta1 ** (i + 1)), v / (1 - beta2 ** (i + 1)))
    })
    return x
  })

const expectClose = (actual: ReadonlyArray<number>, expected: ReadonlyArray<number>) => {
  // The rates come as float32.
  expected.forEach((value, k) => {
    expect(actual[k]).toBeCloseTo(value, 5)
  })
}

describe("an optimiser", () => {
  it("is Adam, with its decay added to the gradient", () => {
    const spec = { ...adam, weightDecay: 0.1 } as const
    expectClose(
      ours(spec),
      textbook({ beta1: 0.9, beta2: 0.999, weightDecay: 0.1 }, false, (m, v) => m / (Math.sqrt(v) + 1e-8))
    )
  })

  it("is AdamW, with its decay apart", () => {
    expectClose(
      ours(adamW),
      textbook({ beta1: 0.9, beta2: 0.999, weightDecay: 0.01 }, true, (m, v) => m / (Math.sqrt(v) + 1e-8))
    )
  })

  it("is Adam-atan2, which needs no epsilon", () => {
    expectClose(
      ours(adamAtan2),
      textbook({ beta1: 0.9, beta2: 0.95, weightDecay: 0.1 }, true, (m, v) => Math.atan2(m, Math.sqrt(v)))
    )
  })

  it("is gradient descent with momentum", () => {
    const expected = start.map((first, k) => {
      let x = first
      let m = 0
      for (const values of gradients) {
        m = 0.9 * m + (values[k] as number) + 0.1 * (decayed[k] as number) * x
        x -= rate * m
      }
      return x
    })
    expectClose(ours({ kind: "sgd", momentum: 0.9, weightDecay: 0.1 }), expected)
  })

  it("stays where it is when nothing pulls", () => {
    for (const spec of [adam, adamAtan2]) {
      const parameters = ops.input("parameters", [1])
      const moments = [ops.input("moment0", [1]), ops.input("moment1", [1])]
      const next = update(
        spec,
        { parameters, moments },
        ops.zeros([1]),
        ops.constant([4], ratesOf(spec, rate, 1)),
        undefined
      )
      const feeds = new Map(
        [parameters, ...moments].map((value, i) => [value, ndArray([1], [i === 0 ? 2 : 0])] as const)
      )
      expect(interpret([next.parameters], feeds)[0]?.data[0]).toBe(2)
    }
  })
})
