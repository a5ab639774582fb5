import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import { normalProbability, normalQuantile } from "../../../src/learning/evaluation/NormalDistribution.ts"

/** Abramowitz and Stegun, table 26.1, and computed with 100 digits where the table ends. */
const probabilities = [
  [0, 0.5],
  [0.5, 0.6914624612740131],
  [1, 0.8413447460685429],
  [2, 0.9772498680518208],
  [3, 0.9986501019683699],
  [-5, 2.866515718791939e-7],
  [-8, 6.220960574271785e-16],
  [-20, 2.753624118606234e-89]
] as const

const quantiles = [
  [0.9, 1.2815515655446004],
  [0.95, 1.6448536269514722],
  [0.975, 1.959963984540054],
  [0.99, 2.3263478740408408],
  [0.001, -3.090232306167813],
  [1e-5, -4.264890793922825],
  [1e-10, -6.361340902404056],
  [1e-20, -9.26234008979841]
] as const

describe("the normal distribution", () => {
  it("gives the published probabilities", () => {
    for (const [value, probability] of probabilities) {
      expect(Math.abs(normalProbability(value) / probability - 1)).toBeLessThan(1e-11)
    }
  })

  it("gives the published quantiles", () => {
    for (const [probability, value] of quantiles) {
      expect(Math.abs(normalQuantile(probability) - value)).toBeLessThan(1e-13)
    }
  })

  it("finds every value again by its probability, in the far tail, too", () => {
    fc.assert(
      fc.property(fc.double({ min: -37, max: 6, noNaN: true }), (value) => {
        // Above 0 the probability itself holds fewer and fewer digits of the value.
        const lost = value > 0 ? 1e-16 * Math.exp(value ** 2 / 2) * 10 : 0
        expect(Math.abs(normalQuantile(normalProbability(value)) - value)).toBeLessThan(1e-11 + lost)
      })
    )
  })

  it("has no quantile of what is no probability", () => {
    for (const none of [0, 1, -0.1, Number.NaN]) {
      expect(() => normalQuantile(none)).toThrow("the probability is")
    }
  })
})
