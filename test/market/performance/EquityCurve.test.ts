import { describe, expect, it } from "@effect/vitest"
import { checkCurve, livedPoints, returnsOf } from "../../../src/market/performance/EquityCurve.ts"

describe("an equity curve", () => {
  it("ends at its first point that is ruin", () => {
    expect([...livedPoints(Float64Array.of(3, 2, 0, 5, -1))]).toEqual([3, 2, 0])
    expect([...livedPoints(Float64Array.of(3, 2))]).toEqual([3, 2])
  })

  it("has one return fewer than it has points", () => {
    expect([...returnsOf(Float64Array.of(4, 6, 3, -3))]).toEqual([0.5, -0.5, -2])
    expect(returnsOf(Float64Array.of(4)).length).toBe(0)
  })

  it("has a time for each point, and they rise", () => {
    const curve = (time: ReadonlyArray<number>, equity: ReadonlyArray<number>) => () =>
      checkCurve({ time: new Float64Array(time), equity: new Float64Array(equity) })
    expect(curve([1, 2], [5, 6])).not.toThrow()
    expect(curve([1], [5, 6])).toThrow("1 times and 2 points")
    expect(curve([1, 1], [5, 6])).toThrow("time 1 of an equity curve is 1, after 1")
    expect(curve([Number.NaN, 1], [5, 6])).toThrow("time 0 of an equity curve is NaN, after nothing")
    expect(curve([], [])).toThrow("an equity curve begins with nothing")
    expect(curve([1, 2], [5, Number.POSITIVE_INFINITY])).toThrow("the equity of point 1 is Infinity")
  })
})
