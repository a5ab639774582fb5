import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import { featureSchema, featuresAt, windowCloses, windowReturns } from "../../src/market/Features.ts"
import { simulated } from "../agents/feedEvents.ts"

const lags = 8
const { names } = featureSchema(lags)

/** Closes of one simulated instrument. */
const closesOf = (seed: number, count: number): ReadonlyArray<number> =>
  simulated({ seed, count, instruments: 1 }).events.map(({ payload }) => payload.bars[0]?.close ?? 0)

const at = (closes: ArrayLike<number>, end: number, by = lags) => {
  const out = new Float64Array(featureSchema(by).names.length).fill(Number.NaN)
  const sigma = featuresAt(closes, end, by, out)
  return { sigma, features: [...out] }
}

const named = (closes: ArrayLike<number>, end: number) => {
  const { features, sigma } = at(closes, end)
  const values = new Map(names.map((name, i) => [name, features[i] as number]))
  return { sigma, of: (name: string) => values.get(name) as number }
}

const history = closesOf(1, 400)
const end = fc.integer({ min: windowCloses - 1, max: history.length - 1 })

describe("the features", () => {
  it("are named in their order, each name once", () => {
    expect(featureSchema(2)).toEqual({
      version: 1,
      names: ["ret_1", "ret_2", "mom_4", "mom_8", "mom_16", "mom_32", "vol_ratio"]
    })
    expect(new Set(names).size).toBe(names.length)
  })

  it("of a truncated history equal those of the full one at the same as-of", () => {
    fc.assert(
      fc.property(end, (asOf) => {
        expect(at(history.slice(0, asOf + 1), asOf)).toEqual(at(history, asOf))
      })
    )
  })

  it("do not see what came after the as-of, whatever it was", () => {
    fc.assert(
      fc.property(end, fc.double({ min: 0.01, max: 100, noNaN: true }), (asOf, factor) => {
        const other = history.map((close, i) => (i > asOf ? close * factor : close))
        expect(at(other, asOf)).toEqual(at(history, asOf))
      })
    )
  })

  it("need no more than their window, wherever it begins", () => {
    fc.assert(
      fc.property(end, (asOf) => {
        const window = history.slice(asOf - windowCloses + 1, asOf + 1)
        expect(at(window, windowCloses - 1)).toEqual(at(history, asOf))
        const other = history.map((close, i) => (i < asOf - windowReturns ? close * 3 : close))
        expect(at(other, asOf)).toEqual(at(history, asOf))
      })
    )
  })

  it("see the whole window: another price anywhere in it shows", () => {
    const asOf = 200
    for (let i = asOf - windowReturns; i <= asOf; i++) {
      const other = history.map((close, k) => (k === i ? close * 1.01 : close))
      expect(at(other, asOf).sigma).not.toBe(at(history, asOf).sigma)
    }
  })

  it("do not depend on the level of the price", () => {
    fc.assert(
      fc.property(end, fc.constantFrom(0.5, 2, 1_024), (asOf, scale) => {
        const scaled = history.map((close) => close * scale)
        at(scaled, asOf).features.forEach((value, i) => {
          expect(value).toBeCloseTo(at(history, asOf).features[i] as number, 9)
        })
      })
    )
  })

  it("are what their definitions say", () => {
    const asOf = 300
    const returns = Array.from({ length: windowReturns }, (_, i) => {
      const k = asOf - windowReturns + 1 + i
      return Math.log((history[k] as number) / (history[k - 1] as number))
    })
    const meanSquare = (some: ReadonlyArray<number>) =>
      some.reduce((sum, change) => sum + change ** 2, 0) / some.length
    const v = Math.sqrt(meanSquare(returns))
    const { of, sigma } = named(history, asOf)
    expect(sigma).toBeCloseTo(v, 14)
    expect(of("ret_1")).toBeCloseTo((returns.at(-1) as number) / v, 10)
    expect(of("ret_8")).toBeCloseTo((returns.at(-8) as number) / v, 10)
    for (const bars of [4, 8, 16, 32]) {
      const sum = returns.slice(-bars).reduce((total, change) => total + change, 0)
      expect(of(`mom_${bars}`)).toBeCloseTo(sum / (v * Math.sqrt(bars)), 10)
    }
    expect(of("vol_ratio")).toBeCloseTo(Math.log(Math.sqrt(meanSquare(returns.slice(-16))) / v), 10)
  })

  it("are finite wherever something has moved, after a long standstill too, and none where nothing has", () => {
    const still = Array.from({ length: windowCloses }, () => 100)
    expect(at(still, windowCloses - 1).sigma).toBe(0)
    for (let jump = 1; jump < windowCloses; jump++) {
      const jumped = still.map((close, i) => (i >= jump ? close * 1.5 : close))
      const { features, sigma } = at(jumped, windowCloses - 1)
      expect(sigma).toBeGreaterThan(0)
      expect(features.every(Number.isFinite)).toBe(true)
    }
  })
})
