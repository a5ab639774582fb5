import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import { bandOf, barsUntilMature, labelOf, labelReturn } from "../../src/market/Label.ts"

const cost = fc.double({ min: 0, max: 0.1, noNaN: true })
const sigma = fc.double({ min: 0, max: 2, noNaN: true })

describe("the label", () => {
  it("has for its band the round-trip cost or a quarter of sigma, whichever is larger", () => {
    expect(bandOf(0.0014, 0.004)).toBe(0.0014)
    expect(bandOf(0.0014, 0.02)).toBe(0.005)
    fc.assert(
      fc.property(cost, sigma, (roundTripCost, deviation) => {
        const band = bandOf(roundTripCost, deviation)
        expect(band).toBe(Math.max(roundTripCost, 0.25 * deviation, 1e-9))
        expect(band).toBeGreaterThan(0)
      })
    )
  })

  it("is hold up to the band and at it, and the side beyond", () => {
    expect(labelOf(0.005, 0.005)).toBe("hold")
    expect(labelOf(-0.005, 0.005)).toBe("hold")
    expect(labelOf(0, 1e-9)).toBe("hold")
    expect(labelOf(0.005 + 1e-12, 0.005)).toBe("buy")
    expect(labelOf(-0.005 - 1e-12, 0.005)).toBe("sell")
  })

  it("turns to the other side with the sign of the return", () => {
    const opposite = { sell: "buy", hold: "hold", buy: "sell" } as const
    fc.assert(
      fc.property(fc.double({ min: -1, max: 1, noNaN: true }), cost, sigma, (logReturn, roundTripCost, s) => {
        const band = bandOf(roundTripCost, s)
        expect(labelOf(-logReturn, band)).toBe(opposite[labelOf(logReturn, band)])
      })
    )
  })

  it("is a log return: adding up over time, and the negative of going back", () => {
    expect(labelReturn(100, 110)).toBeCloseTo(Math.log(1.1), 15)
    const price = fc.double({ min: 0.01, max: 1e6, noNaN: true })
    fc.assert(
      fc.property(price, price, price, (a, b, c) => {
        expect(labelReturn(a, b) + labelReturn(b, c)).toBeCloseTo(labelReturn(a, c), 9)
        expect(labelReturn(a, b)).toBeCloseTo(-labelReturn(b, a), 9)
      })
    )
  })

  it("is known when the horizon has passed, one bar later where the only price of a bar is its close", () => {
    expect(barsUntilMature(4, false)).toBe(4)
    expect(barsUntilMature(4, true)).toBe(5)
    expect(barsUntilMature(1, false)).toBe(1)
  })
})
