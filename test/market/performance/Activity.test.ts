import { describe, expect, it } from "@effect/vitest"
import { annualTurnover, exposureOf } from "../../../src/market/performance/Activity.ts"

describe("exposureOf", () => {
  it("tells the size, the side and the time apart", () => {
    expect(exposureOf(Float64Array.of(1, -1, 0, 0.5))).toEqual({
      gross: 0.625,
      net: 0.125,
      timeInMarket: 0.75
    })
    expect(exposureOf(new Float64Array(3))).toEqual({ gross: 0, net: 0, timeInMarket: 0 })
  })

  it("is none of no bars", () => {
    expect(exposureOf(new Float64Array(0))).toBeNull()
    expect(() => exposureOf(Float64Array.of(Number.NaN))).toThrow("the exposure of bar 0 is NaN")
  })
})

describe("annualTurnover", () => {
  it("is 2 a year for going in and out of everything once", () => {
    expect(annualTurnover(200, new Float64Array(13).fill(100), 12)).toBe(2)
    expect(annualTurnover(200, new Float64Array(7).fill(100), 12)).toBe(4)
    expect(annualTurnover(0, Float64Array.of(100, 50), 12)).toBe(0)
  })

  it("is none without bars, and of an account that was worth nothing on average", () => {
    expect(annualTurnover(0, Float64Array.of(100), 12)).toBeNull()
    expect(annualTurnover(5, Float64Array.of(100, -100), 12)).toBeNull()
    expect(() => annualTurnover(-1, Float64Array.of(100, 1), 12)).toThrow("a value of -1 was traded")
  })
})
