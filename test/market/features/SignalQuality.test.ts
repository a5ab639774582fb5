import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import {
  emptySkill,
  type MaturedOutcome,
  signalQualityOf,
  takeOutcome
} from "../../../src/market/features/SignalQuality.ts"
import type { Side } from "../../../src/protocols/Opinion.ts"

const options = { outcomes: 4, outcomesMin: 3 }
const outcome = (label: Side, probability: number): MaturedOutcome => ({ maturedAt: 0, label, probability })

const qualityAfter = (outcomes: ReadonlyArray<MaturedOutcome>, with_ = options) => {
  const skill = emptySkill()
  for (const one of outcomes) takeOutcome(skill, one, with_)
  return signalQualityOf(skill, with_)
}

describe("signal quality", () => {
  it("is there from enough outcomes on", () => {
    expect(qualityAfter([outcome("buy", 0.5), outcome("buy", 0.5)])).toBe("warming-up")
    expect(qualityAfter([outcome("buy", 0.5), outcome("buy", 0.5), outcome("buy", 0.5)])).toBeTypeOf("number")
  })

  it("is the mean log of probability over base rate, which is that of the outcomes before", () => {
    const skills = [Math.log(0.5 / (1 / 3)), Math.log(0.6 / (2 / 4)), Math.log(0.2 / (1 / 5))]
    const expected = skills.reduce((sum, one) => sum + one, 0) / 3
    expect(qualityAfter([outcome("buy", 0.5), outcome("buy", 0.6), outcome("sell", 0.2)])).toBeCloseTo(
      expected,
      12
    )
  })

  it("forgets the oldest outcomes, but not how often each side was right", () => {
    const last = [outcome("sell", 0.3), outcome("hold", 0.3), outcome("sell", 0.3), outcome("hold", 0.3)]
    const skills = [1 / 4, 1 / 5, 2 / 6, 2 / 7].map((base) => Math.log(0.3 / base))
    const expected = skills.reduce((sum, one) => sum + one, 0) / 4
    expect(qualityAfter([outcome("buy", 1e-9), ...last])).toBeCloseTo(expected, 12)
  })

  it("is 0 for who gives the base rates, and within [-1, 1] whatever is given", () => {
    const seen: Record<Side, number> = { sell: 1, hold: 1, buy: 1 }
    const sides: ReadonlyArray<Side> = ["buy", "buy", "hold", "sell", "buy", "hold"]
    const calibrated = sides.map((label, i) => outcome(label, seen[label]++ / (3 + i)))
    expect(qualityAfter(calibrated)).toBeCloseTo(0, 12)
    const outcomes = fc.array(
      fc.record({
        maturedAt: fc.constant(0),
        label: fc.constantFrom<Side>("sell", "hold", "buy"),
        probability: fc.double({ min: 0, max: 1, noNaN: true })
      }),
      { minLength: 3 }
    )
    fc.assert(
      fc.property(outcomes, (all) => {
        const value = qualityAfter(all)
        expect(typeof value === "number" && value >= -1 && value <= 1).toBe(true)
      })
    )
    expect(() => qualityAfter([outcome("buy", Number.NaN)])).toThrow("no probability")
  })
})
