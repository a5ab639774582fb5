import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import {
  closeToCloseVariance,
  garmanKlassVariance,
  parkinsonVariance,
  yangZhangVariance
} from "../../../src/market/streams/rangeVolatility.ts"
import type { Bar } from "../../../src/protocols/Bar.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"
import { barOf, instrumentOf } from "./bars.ts"

const instrument = instrumentOf("ALPHA")
const returns = (min: number, max: number) =>
  fc.array(fc.double({ min: -0.2, max: 0.2, noNaN: true }), { minLength: min, maxLength: max })

/** Bars of a Brownian path of so many steps a bar, with a jump between two bars. */
const brownian = (
  count: number,
  stepsPerBar: number,
  deviation: number,
  jump: number
): ReadonlyArray<Bar> => {
  const random = keyedRandom("brownian", count, jump)
  let log = Math.log(100)
  return Array.from({ length: count }, (_, index) => {
    log += jump * random.normal()
    const open = log
    let [high, low] = [open, open]
    for (let step = 0; step < stepsPerBar; step++) {
      log += (deviation / Math.sqrt(stepsPerBar)) * random.normal()
      high = Math.max(high, log)
      low = Math.min(low, log)
    }
    return barOf(instrument, index, {
      open: Math.exp(open),
      high: Math.exp(high),
      low: Math.exp(low),
      close: Math.exp(log)
    })
  })
}

describe("the variance from close to close", () => {
  it("at a horizon of one bar is the sample variance", () => {
    fc.assert(
      fc.property(returns(2, 40), (values) => {
        const mean = values.reduce((sum, value) => sum + value, 0) / values.length
        const sample = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1)
        expect(closeToCloseVariance(Float64Array.from(values))).toBeCloseTo(sample, 12)
      })
    )
  })

  it("at longer horizons is that of overlapping sums", () => {
    fc.assert(
      fc.property(returns(8, 40), fc.integer({ min: 1, max: 6 }), (values, horizon) => {
        const n = values.length
        const mean = values.reduce((sum, value) => sum + value, 0) / n
        const sums = values
          .slice(horizon - 1)
          .map((_, i) => values.slice(i, i + horizon).reduce((sum, value) => sum + value, 0))
        const squares = sums.reduce((sum, value) => sum + (value - horizon * mean) ** 2, 0)
        const expected = squares / (horizon * (n - horizon + 1) * (1 - horizon / n))
        expect(closeToCloseVariance(Float64Array.from(values), horizon)).toBeCloseTo(expected, 10)
      })
    )
  })

  it("is the same at every horizon where moves are independent, larger where they go on", () => {
    const random = keyedRandom("walk")
    const walk = Float64Array.from({ length: 20_000 }, () => 0.01 * random.normal())
    let last = 0
    const trending = walk.map((step) => {
      last = 0.5 * last + step
      return last
    })
    expect(closeToCloseVariance(walk, 16) / closeToCloseVariance(walk)).toBeCloseTo(1, 0)
    // (1 + phi) / (1 - phi) in the limit.
    expect(closeToCloseVariance(trending, 16) / closeToCloseVariance(trending)).toBeGreaterThan(2.4)
  })

  it("is refused to too few returns", () => {
    expect(() => closeToCloseVariance(new Float64Array(4), 4)).toThrow(RangeError)
    expect(() => closeToCloseVariance(new Float64Array(1))).toThrow(RangeError)
  })
})

describe("the variances of ranges", () => {
  it("find the deviation of a Brownian path, each with less scatter than closes have", () => {
    const bars = brownian(2_000, 400, 0.02, 0)
    // The range of a path in steps is a little less than that of a path.
    for (const variance of [parkinsonVariance(bars), garmanKlassVariance(bars), yangZhangVariance(bars)]) {
      expect(Math.sqrt(variance)).toBeGreaterThan(0.0185)
      expect(Math.sqrt(variance)).toBeLessThan(0.0205)
    }
  })

  it("see jumps between bars by Yang and Zhang alone", () => {
    const bars = brownian(2_000, 400, 0.02, 0.02)
    expect(Math.sqrt(yangZhangVariance(bars))).toBeCloseTo(0.02 * Math.SQRT2, 2)
    expect(Math.sqrt(parkinsonVariance(bars))).toBeLessThan(0.0205)
    expect(Math.sqrt(garmanKlassVariance(bars))).toBeLessThan(0.0205)
  })

  it("are those of their formulas on one bar", () => {
    const bar = barOf(instrument, 0, { open: 100, high: 110, low: 95, close: 105 })
    expect(parkinsonVariance([bar])).toBeCloseTo(Math.log(110 / 95) ** 2 / (4 * Math.log(2)), 15)
    expect(garmanKlassVariance([bar])).toBeCloseTo(
      0.5 * Math.log(110 / 95) ** 2 - (2 * Math.log(2) - 1) * Math.log(1.05) ** 2,
      15
    )
  })

  it("are never below 0, and 0 where nothing moves", () => {
    const still = Array.from({ length: 10 }, (_, i) => barOf(instrument, i, {}))
    for (const variance of [parkinsonVariance, garmanKlassVariance, yangZhangVariance]) {
      expect(variance(still)).toBe(0)
    }
    const price = fc.integer({ min: 1, max: 1_000 })
    fc.assert(
      fc.property(fc.array(fc.tuple(price, price, price, price), { minLength: 3, maxLength: 20 }), (all) => {
        const bars = all.map(([open, close, a, b], i) =>
          barOf(instrument, i, {
            open,
            close,
            high: Math.max(open, close, a, b),
            low: Math.min(open, close, a, b)
          })
        )
        for (const variance of [parkinsonVariance, garmanKlassVariance, yangZhangVariance]) {
          expect(variance(bars)).toBeGreaterThanOrEqual(0)
        }
      })
    )
  })

  it("are refused to too few bars", () => {
    expect(() => parkinsonVariance([])).toThrow(RangeError)
    expect(() => garmanKlassVariance([])).toThrow(RangeError)
    expect(() => yangZhangVariance([barOf(instrument, 0, {}), barOf(instrument, 1, {})])).toThrow(RangeError)
  })
})
