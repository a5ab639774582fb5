import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import { parabolicSar } from "../../../src/market/indicators/ParabolicSar.ts"
import { walks } from "./walks.ts"

const options = { step: 0.02, stepMax: 0.2 }

type Range = readonly [high: number, low: number]

const run = (bars: ReadonlyArray<Range>, by = options) => {
  const next = parabolicSar(by)
  return bars.map(([high, low]) => next(high, low))
}

/** The stop a step further. */
const towards = (stop: number, acceleration: number, extreme: number) =>
  stop + acceleration * (extreme - stop)

describe("the parabolic stop and reverse", () => {
  const rise: ReadonlyArray<Range> = [
    [10, 8],
    [12, 9],
    [14, 11],
    [16, 13],
    [15, 7],
    [14, 6],
    [13, 5.5]
  ]
  const first = towards(8, 0.02, 12)
  const second = towards(first, 0.04, 14)
  const third = towards(second, 0.06, 16)

  it("follows a rise faster and faster, and turns where a low reaches it", () => {
    expect(third).toBeGreaterThan(7)
    // After the turn the stop is the extreme of the rise, no lower than the last two highs, and slow again.
    expect(run(rise)).toEqual([Number.NaN, 8, first, second, 16, 16, towards(16, 0.04, 6)])
  })

  it("turns where a low is exactly at it", () => {
    expect(run([...rise.slice(0, 2), [12, first]])).toEqual([Number.NaN, 8, 12])
  })

  it("begins short where the second bar falls by more than it rises, and long otherwise", () => {
    const inside: Range = [10, 8]
    expect(run([inside, [9, 7]])).toEqual([Number.NaN, 10])
    expect(run([inside, [12, 9]])).toEqual([Number.NaN, 8])
    // Both of these reach their first stop at once.
    expect(run([inside, [11, 6]])).toEqual([Number.NaN, 6])
    expect(run([inside, [13, 7]])).toEqual([Number.NaN, 13])
  })

  it("follows a fall in the same way", () => {
    const fall = rise.map(([high, low]): Range => [-low, -high])
    expect(run(fall)).toEqual(run(rise).map((stop) => -stop))
  })

  it("does not go into the range of the last two bars", () => {
    const steep: ReadonlyArray<Range> = [
      [10, 9],
      [20, 9.5],
      [30, 9.75],
      [40, 12],
      [50, 13]
    ]
    // A step of the whole way would bring it to the extreme.
    expect(run(steep, { step: 1, stepMax: 1 })).toEqual([Number.NaN, 9, 9.5, 9.5, 9.75])
  })

  it("does not get faster than the greatest step, nor begin so", () => {
    const rising = Array.from({ length: 30 }, (_, i): Range => [100 + 10 * i, 99 + 10 * i])
    const stops = run(rising)
    const [before, last] = stops.slice(-2) as [number, number]
    expect(last).toBeCloseTo(towards(before, 0.2, 100 + 10 * 28), 9)
    expect(run(rise, { step: 0.5, stepMax: 0.02 })[2]).toBe(first)
  })

  it("is on the other side of the bar it did not turn at", () => {
    fc.assert(
      fc.property(walks(3, 60), (bars) => {
        const ranges = bars.map(([high, low]): Range => [high, low])
        for (const [i, stop] of run(ranges).entries()) {
          const [high, low] = ranges[i] as Range
          if (i > 0) expect(stop <= low || stop >= high).toBe(true)
        }
      })
    )
  })
})
