import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import {
  backward,
  filtered,
  forward,
  type GaussianHmm,
  logDensities,
  logSumExp
} from "../../../src/market/streams/GaussianHmm.ts"
import { drawn, hmmOf, randomHmm } from "./hmms.ts"

const normal = (x: number, mean: number, variance: number) =>
  Math.exp(-((x - mean) ** 2) / (2 * variance)) / Math.sqrt(2 * Math.PI * variance)

/** Everything by the definition: the sum over every path of states. */
const byEnumeration = (model: GaussianHmm, observations: Float64Array) => {
  const { means, states, variances, width } = model
  const rows = observations.length / width
  const density = (row: number, state: number) => {
    let product = 1
    for (let d = 0; d < width; d++) {
      const at = state * width + d
      product *= normal(observations[row * width + d] as number, means[at] as number, variances[at] as number)
    }
    return product
  }
  let likelihood = 0
  const last = new Float64Array(states)
  /** P(state at a row, all rows) */
  const joint = Array.from({ length: rows }, () => new Float64Array(states))
  for (let code = 0; code < states ** rows; code++) {
    const path = Array.from({ length: rows }, (_, row) => Math.floor(code / states ** row) % states)
    const probability = path.reduce((product, state, row) => {
      const before = path[row - 1]
      const move =
        before === undefined
          ? (model.logInitial[state] as number)
          : (model.logTransitions[before * states + state] as number)
      return product * Math.exp(move) * density(row, state)
    }, 1)
    likelihood += probability
    const end = path.at(-1) as number
    last[end] = (last[end] as number) + probability
    path.forEach((state, row) => {
      const at = joint[row] as Float64Array
      at[state] = (at[state] as number) + probability
    })
  }
  return {
    logLikelihood: Math.log(likelihood),
    filtered: last.map((probability) => probability / likelihood),
    smoothed: joint.flatMap((row) => [...row].map((probability) => probability / likelihood))
  }
}

const cases = fc.record({
  states: fc.integer({ min: 1, max: 3 }),
  width: fc.integer({ min: 1, max: 2 }),
  rows: fc.integer({ min: 1, max: 6 }),
  seed: fc.nat(1_000)
})
const close = (actual: ArrayLike<number>, expected: ArrayLike<number>, digits = 9) => {
  expect(actual.length).toBe(expected.length)
  for (const [i, value] of Array.from(actual).entries()) {
    expect(value).toBeCloseTo(expected[i] as number, digits)
  }
}

describe("a hidden Markov model", () => {
  it("gives the likelihood and the filtered probabilities of the sum over all paths", () => {
    fc.assert(
      fc.property(cases, ({ rows, seed, states, width }) => {
        const model = randomHmm(states, width, seed)
        const { observations } = drawn(model, rows, seed)
        const expected = byEnumeration(model, observations)
        const { logLikelihood, next, now } = filtered(model, observations)
        expect(logLikelihood).toBeCloseTo(expected.logLikelihood, 9)
        close(now, expected.filtered)
        const following = Array.from({ length: states }, (_, to) =>
          Array.from(now).reduce(
            (sum, p, from) => sum + p * Math.exp(model.logTransitions[from * states + to] as number),
            0
          )
        )
        close(next, following)
      })
    )
  })

  it("gives the smoothed probabilities of the sum over all paths by both passes together", () => {
    fc.assert(
      fc.property(cases, ({ rows, seed, states, width }) => {
        const model = randomHmm(states, width, seed)
        const { observations } = drawn(model, rows, seed, "smoothed")
        const densities = logDensities(model, observations)
        const { logFiltered, logScales } = forward(model, densities)
        const logBackward = backward(model, densities, logScales)
        const smoothed = logFiltered.map((value, i) => Math.exp(value + (logBackward[i] as number)))
        close(smoothed, byEnumeration(model, observations).smoothed)
      })
    )
  })

  it("filters a row by itself and those before it alone: what comes later changes nothing", () => {
    fc.assert(
      fc.property(fc.nat(1_000), fc.integer({ min: 1, max: 60 }), (seed, cut) => {
        const model = randomHmm(3, 2, seed)
        const { observations } = drawn(model, 60, seed, "cut")
        const whole = forward(model, logDensities(model, observations))
        const part = forward(model, logDensities(model, observations.subarray(0, 2 * cut)))
        expect(part.logFiltered).toEqual(whole.logFiltered.subarray(0, 3 * cut))
      })
    )
  })

  it("keeps probabilities that sum to one over long sequences, outliers and transitions that never happen", () => {
    const model = hmmOf({
      initial: [1, 0],
      transitions: [
        [1, 0],
        [0, 1]
      ],
      means: [[0], [100]],
      variances: [[1e-6], [1e-6]]
    })
    // Only the first state can have come about, and it could not be less likely.
    const observations = Float64Array.from({ length: 5_000 }, (_, i) => (i % 2 === 0 ? 100 : -1e6))
    const { logLikelihood, now } = filtered(model, observations)
    expect([...now]).toEqual([1, 0])
    expect(Number.isFinite(logLikelihood)).toBe(true)

    const random = randomHmm(3, 2, "long")
    const { logFiltered } = forward(random, logDensities(random, drawn(random, 3_000, "long").observations))
    for (let row = 0; row < 3_000; row++) {
      expect(logSumExp(logFiltered, 3 * row, 3)).toBeCloseTo(0, 9)
    }
  })

  it("refuses what is no row of finite numbers", () => {
    const model = randomHmm(2, 2, "refused")
    for (const bad of [[1], [1, Number.NaN], [Number.POSITIVE_INFINITY, 1]]) {
      expect(() => logDensities(model, Float64Array.from(bad))).toThrow(RangeError)
    }
  })
})

describe("the logarithm of a sum of exponentials", () => {
  it("is finite where the exponentials are not", () => {
    expect(logSumExp(Float64Array.of(1_000, 1_000), 0, 2)).toBeCloseTo(1_000 + Math.LN2, 9)
    expect(logSumExp(Float64Array.of(-1_000, -1_000, 5), 0, 2)).toBeCloseTo(-1_000 + Math.LN2, 9)
    const none = Number.NEGATIVE_INFINITY
    expect(logSumExp(Float64Array.of(none, none), 0, 2)).toBe(none)
  })
})
