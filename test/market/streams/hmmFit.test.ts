import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import { forward, logDensities } from "../../../src/market/streams/GaussianHmm.ts"
import { type FittedHmm, fitHmm, type HmmFitOptions } from "../../../src/market/streams/hmmFit.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"
import { drawn, hmmOf, randomHmm } from "./hmms.ts"
import { drained } from "./series.ts"

const options = (changes: Partial<HmmFitOptions> = {}): HmmFitOptions => ({
  states: 3,
  width: 2,
  orderBy: 1,
  key: ["test"],
  restarts: 3,
  iterationsMax: 100,
  gainMin: 1e-6,
  ...changes
})
const fitted = (observations: Float64Array, changes: Partial<HmmFitOptions> = {}) =>
  drained(fitHmm(observations, options(changes)))

/** Calm, normal and turbulent, by return and log volatility. */
const planted = hmmOf({
  initial: [0.6, 0.3, 0.1],
  transitions: [
    [0.97, 0.03, 0],
    [0.02, 0.95, 0.03],
    [0, 0.1, 0.9]
  ],
  means: [
    [0.0005, -5.5],
    [0, -4.6],
    [-0.002, -3.6]
  ],
  variances: [
    [0.004 ** 2, 0.2 ** 2],
    [0.01 ** 2, 0.25 ** 2],
    [0.03 ** 2, 0.3 ** 2]
  ]
})

const expectRising = ({ path }: FittedHmm, rows: number) => {
  for (let i = 1; i < path.length; i++) {
    // Sums over rows lose their last digits.
    expect((path[i] as number) - (path[i - 1] as number)).toBeGreaterThanOrEqual(-1e-9 * rows)
  }
}

describe("fitting a hidden Markov model", () => {
  it("finds the parameters that a sequence was drawn with", () => {
    const { observations, path } = drawn(planted, 4_000, "planted")
    const { model } = fitted(observations)
    for (let state = 0; state < 3; state++) {
      const [mean, variance] = [model.means, model.variances].map(
        (values) => (d: number) => values[2 * state + d] as number
      )
      const [trueMean, trueVariance] = [planted.means, planted.variances].map(
        (values) => (d: number) => values[2 * state + d] as number
      )
      const count = path.filter((one) => one === state).length
      for (let d = 0; d < 2; d++) {
        const deviation = Math.sqrt((trueVariance as (d: number) => number)(d))
        // Within five standard errors.
        const difference = (mean as (d: number) => number)(d) - (trueMean as (d: number) => number)(d)
        expect(Math.abs(difference)).toBeLessThan((5 * deviation) / Math.sqrt(count))
        const ratio = (variance as (d: number) => number)(d) / (trueVariance as (d: number) => number)(d)
        expect(Math.abs(Math.log(ratio))).toBeLessThan(5 * Math.sqrt(2 / count))
      }
      for (let to = 0; to < 3; to++) {
        const probability = Math.exp(model.logTransitions[3 * state + to] as number)
        const truth = Math.exp(planted.logTransitions[3 * state + to] as number)
        expect(Math.abs(probability - truth)).toBeLessThan(0.03)
      }
    }
  })

  it("never makes the sequence less likely, whatever it is", () => {
    fc.assert(
      fc.property(
        fc.nat(10_000),
        fc.integer({ min: 20, max: 120 }),
        fc.integer({ min: 1, max: 4 }),
        (seed, rows, states) => {
          const { observations } = drawn(randomHmm(3, 2, seed), rows, seed)
          expectRising(fitted(observations, { states, restarts: 2, gainMin: 0 }), rows)
        }
      ),
      { numRuns: 25 }
    )
  })

  it("does so with values that repeat, that never move, and of which one is far away", () => {
    const value = fc.constantFrom(0, 0, 0, 1, 1e-12, 1e9)
    fc.assert(
      fc.property(fc.array(value, { minLength: 40, maxLength: 120 }), (values) => {
        const rows = Math.floor(values.length / 2)
        const result = fitted(Float64Array.from(values.slice(0, 2 * rows)), { restarts: 2 })
        expectRising(result, rows)
        expect(result.model.variances.every((variance) => variance > 0 && Number.isFinite(variance))).toBe(
          true
        )
        expect(result.model.means.every(Number.isFinite)).toBe(true)
        expect(Number.isFinite(result.logLikelihood)).toBe(true)
      }),
      { numRuns: 40 }
    )
    const still = fitted(new Float64Array(200).fill(3), {})
    expect(still.model.means.every((mean) => Math.abs(mean - 3) < 1e-9)).toBe(true)
  })

  it("says the likelihood of its model in the units of the observations", () => {
    const { observations } = drawn(planted, 500, "units")
    const { logLikelihood, model } = fitted(observations)
    const again = forward(model, logDensities(model, observations)).logLikelihood
    expect(again).toBeCloseTo(logLikelihood, 6)
  })

  it("orders its states, and keeps distributions", () => {
    const { observations } = drawn(planted, 800, "order")
    const { model } = fitted(observations)
    const volatilities = [1, 3, 5].map((at) => model.means[at] as number)
    expect(volatilities).toEqual([...volatilities].sort((a, b) => a - b))
    const total = (logs: Float64Array) => logs.reduce((sum, log) => sum + Math.exp(log), 0)
    expect(total(model.logInitial)).toBeCloseTo(1, 9)
    for (let state = 0; state < 3; state++) {
      expect(total(model.logTransitions.subarray(3 * state, 3 * state + 3))).toBeCloseTo(1, 9)
    }
  })

  it("comes out the same by the same key, whatever the unit", () => {
    const { observations } = drawn(planted, 400, "again")
    expect(fitted(observations)).toEqual(fitted(observations))
    const { model } = fitted(observations)
    const scaled = fitted(observations.map((value, i) => (i % 2 === 0 ? 1_024 * value : value))).model
    expect(scaled.means[0]).toBeCloseTo(1_024 * (model.means[0] as number), 6)
    expect(scaled.variances[0]).toBeCloseTo(1_024 ** 2 * (model.variances[0] as number), 2)
  })

  it("is at least as good with more beginnings", () => {
    const random = keyedRandom("beginnings")
    const observations = Float64Array.from({ length: 300 }, () => random.studentT(3))
    const one = fitted(observations, { restarts: 1 }).logLikelihood
    expect(fitted(observations, { restarts: 4 }).logLikelihood).toBeGreaterThanOrEqual(one)
  })

  it("takes a step an iteration", () => {
    const { observations } = drawn(planted, 300, "steps")
    const steps = fitHmm(observations, options({ restarts: 2, iterationsMax: 10, gainMin: 0 }))
    let count = 0
    while (steps.next().done !== true) count++
    expect(count).toBe(1 + 2 * (10 + 1))
  })

  it("refuses fewer rows than states, and what is no number", () => {
    expect(() => fitted(new Float64Array(4))).toThrow(RangeError)
    expect(() => fitted(new Float64Array(40).fill(Number.NaN))).toThrow(RangeError)
    expect(() => fitted(new Float64Array(41))).toThrow(RangeError)
  })
})
