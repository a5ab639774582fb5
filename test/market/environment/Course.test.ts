import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import * as fc from "fast-check"
import { type CourseParts, fineContract, prepareCourse } from "../../../src/market/environment/Course.ts"
import { microPerTickLot } from "../../../src/market/execution/Money.ts"
import { cents, courseOf, free, partsOf, steady } from "./arbitraries.ts"

const prices = [100, 101, 102, 103]

describe("a course", () => {
  it("has the prices in ticks at which orders fill, worse by what they cost, and none in a bar without volume", () => {
    const bars = { open: [10, 10, 10], close: [10.004, 10.006, 11], volume: [1, 0, 2], closeOnly: false }
    const course = courseOf(bars, { costs: { feeBps: 0, halfSpreadBps: 10, slippageBps: 3 } })
    expect([...course.buyTicks]).toEqual([1_002, 0, 1_002])
    expect([...course.sellTicks]).toEqual([998, 0, 998])
    expect([...course.markTicks]).toEqual([1_000, 1_001, 1_100])
    // Of a bar whose volume is not known nothing says that none was traded.
    const unknown = courseOf({ ...bars, volume: [1, Number.NaN, 2] }, { costs: free })
    expect([...unknown.buyTicks]).toEqual([1_000, 1_000, 1_000])
    const closeOnly = courseOf(
      { open: [1, 2], close: [3, 4], volume: null, closeOnly: true },
      { costs: free }
    )
    expect([...closeOnly.buyTicks]).toEqual([300, 400])
  })

  it("is refused with the reason", () => {
    const reasonOf = (parts: CourseParts) => {
      const refused = Either.getOrThrow(Either.flip(prepareCourse(parts)))
      expect(refused.message).toContain("No course can be made of these bars: ")
      return refused.reason
    }
    const parts = partsOf(steady(prices))
    const withFeatures = (values: ReadonlyArray<number>, first = 0) =>
      reasonOf({ ...parts, features: { names: ["a"], values: Float32Array.from(values), first } })
    expect(reasonOf(partsOf(steady([])))).toContain("fewer than the 2")
    expect(reasonOf(partsOf(steady([100])))).toContain("fewer than the 2")
    expect(withFeatures([0, 0, 0, 0], 3)).toContain("fewer than the 2")
    expect(withFeatures([0, Number.NaN, 0, 0])).toContain("a of bar 1 is NaN")
    expect(withFeatures([0, 0, 0, 11])).toContain("a of bar 3 is 11")
    expect(withFeatures([0, 0, 0])).toContain("3 values are not 1 features of 4 bars")
    expect(withFeatures([0, 0, 0, 0], -1)).toContain("first bar")
    expect(reasonOf(partsOf(steady([100, Number.NaN, 100])))).toContain("bar 1 has the price NaN")
    expect(reasonOf(partsOf(steady([100, 0, 100])))).toContain("bar 1 has the price 0")
    expect(reasonOf(partsOf(steady([100, 1_601, 100])))).toContain("more than 16 times")
    expect(reasonOf(partsOf({ ...steady(prices), volume: [1, 1, -1, 1] }))).toContain("the volume -1")
    expect(reasonOf(partsOf({ ...steady(prices), open: [1] }))).toContain("same length")
    const openTime = Float64Array.of(0, 2, 2, 3)
    expect(reasonOf({ ...parts, bars: { ...parts.bars, openTime } })).toContain("bar 2 opens at 2")
    expect(reasonOf({ ...parts, instrument: { ...cents, tick: 0 } })).toContain("tick of the instrument is 0")
    expect(reasonOf({ ...parts, instrument: { ...cents, tick: 1 / 3, lot: 1 / 7 } })).toContain("more digits")
    expect(reasonOf({ ...parts, instrument: { ...cents, tick: 1e-15, lot: 1 } })).toContain("ticks")
    expect(reasonOf({ ...parts, costs: { ...free, feeBps: Number.NaN } })).toContain("no costs")
    expect(reasonOf({ ...parts, costs: { ...free, slippageBps: -1 } })).toContain("no costs")
  })
})

describe("a contract for prices without one", () => {
  it("has ticks and lots so fine that rounding does not tell, and can be counted in", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 1e-5, max: 1e5, noNaN: true }),
        fc.double({ min: 1, max: 100, noNaN: true }),
        fc.integer({ min: 1_000, max: 1_000_000 }),
        (lowest, times, capital) => {
          const highest = lowest * times
          const contract = fineContract({ lowest, highest }, capital)
          expect(lowest / contract.tick).toBeGreaterThanOrEqual(1e6 - 1e-3)
          expect(capital / highest / contract.lot).toBeGreaterThanOrEqual(1e6 - 1e-3)
          expect(lowest / contract.tick).toBeLessThan(1.000_001e7)
          expect(microPerTickLot(contract).numerator).toBeGreaterThan(0)
          expect(
            Either.isRight(
              prepareCourse(partsOf(steady([lowest, lowest]), { instrument: { kind: "spot", ...contract } }))
            )
          ).toBe(true)
        }
      )
    )
  })
})
