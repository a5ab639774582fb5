import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import { averageTrueRange, directionalMovement, trueRange } from "../../../src/market/indicators/TrueRange.ts"
import { type WalkBar, walks } from "./walks.ts"

describe("the true range", () => {
  it("reaches from the close before over the bar", () => {
    fc.assert(
      fc.property(walks(1, 40), (bars) => {
        const next = trueRange()
        for (const [i, [high, low, close]] of bars.entries()) {
          const before = bars[i - 1]?.[2]
          const expected = before === undefined ? Number.NaN : Math.max(high, before) - Math.min(low, before)
          expect(next(high, low, close)).toBe(expected)
        }
      })
    )
  })

  it("is averaged from the second bar on", () => {
    const next = averageTrueRange(2)
    const bars: ReadonlyArray<readonly [high: number, low: number, close: number]> = [
      [3, 1, 2],
      [5, 4, 4],
      [4, 3, 4],
      [9, 4, 8]
    ]
    const found = bars.map((bar) => next(...bar))
    expect(found).toEqual([Number.NaN, Number.NaN, 2, (2 + 5) / 2])
  })
})

describe("directional movement", () => {
  const period = 3
  const run = (bars: ReadonlyArray<WalkBar>) => {
    const next = directionalMovement(period)
    return bars.map(([high, low, close]) => next(high, low, close))
  }

  it("is all upward where every high and low rises, all downward where they fall", () => {
    const rising: ReadonlyArray<WalkBar> = Array.from({ length: 10 }, (_, i) => [10 + i, 9 + i, 9.5 + i, 1])
    const falling: ReadonlyArray<WalkBar> = rising.map(([high, low, close]) => [-low, -high, -close, 1])
    expect(run(rising).at(-1)).toMatchObject({ adx: 100, minus: 0 })
    expect(run(falling).at(-1)).toMatchObject({ adx: 100, plus: 0 })
    expect(run(rising).at(-1)?.plus).toBe(run(falling).at(-1)?.minus)
  })

  it("is worked out by hand over a few bars", () => {
    const bars: ReadonlyArray<WalkBar> = [
      [10, 8, 9, 1],
      [12, 9, 11, 1],
      [11, 6, 7, 1],
      [15, 5, 14, 1],
      [16, 3, 14, 1]
    ]
    // Of a rise and a fall the smaller one does not count: ups 2, 0, 4, 0; downs 0, 3, 0, 2; ranges 3, 5, 10, 13.
    const up = [2, 2 - 2 / 3 + 4, (2 - 2 / 3 + 4) * (2 / 3)]
    const down = [3, 3 - 1, 2 - 2 / 3 + 2]
    const range = [8, 8 - 8 / 3 + 10, (8 - 8 / 3 + 10) * (2 / 3) + 13]
    const found = run(bars)
    for (const at of [0, 1, 2])
      expect(found[at]).toEqual({ adx: Number.NaN, plus: Number.NaN, minus: Number.NaN })
    for (const step of [1, 2]) {
      const { adx, minus, plus } = found[step + 2] as (typeof found)[number]
      expect(plus).toBeCloseTo((100 * (up[step] as number)) / (range[step] as number), 10)
      expect(minus).toBeCloseTo((100 * (down[step] as number)) / (range[step] as number), 10)
      expect(adx).toBeNaN()
    }
  })

  it("is averaged from twice the period on, and stays between 0 and 100", () => {
    fc.assert(
      fc.property(walks(1, 40), (bars) => {
        const found = run(bars)
        for (const [bar, { adx, minus, plus }] of found.entries()) {
          expect([Number.isNaN(plus), Number.isNaN(minus)]).toEqual([bar < period, bar < period])
          expect(Number.isNaN(adx)).toBe(bar < 2 * period - 1)
          for (const value of [plus, minus, adx]) expect(value < -1e-9 || value > 100 + 1e-9).toBe(false)
        }
        const indices = found.map(({ minus, plus }) =>
          plus + minus < 1e-14 ? 0 : (100 * Math.abs(plus - minus)) / (plus + minus)
        )
        const first = indices.slice(period, 2 * period).reduce((sum, index) => sum + index, 0) / period
        const { adx } = found[2 * period - 1] ?? {}
        if (adx !== undefined) expect(adx).toBeCloseTo(first, 9)
      })
    )
  })

  it("is 0 where nothing moves, and the average then stays as it was", () => {
    const still: ReadonlyArray<WalkBar> = Array.from({ length: 8 }, () => [10, 10, 10, 1])
    expect(run(still).at(-1)).toEqual({ adx: 0, plus: 0, minus: 0 })
    const sideways: ReadonlyArray<WalkBar> = Array.from({ length: 8 }, () => [11, 9, 10, 1])
    expect(run(sideways).at(-1)).toEqual({ adx: 0, plus: 0, minus: 0 })
    const rising: ReadonlyArray<WalkBar> = Array.from({ length: 6 }, (_, i) => [10 + i, 10 + i, 10 + i, 1])
    const stopped = Array.from({ length: 200 }, () => [15, 15, 15, 1] as const)
    expect(run([...rising, ...stopped]).at(-1)).toEqual({ adx: 100, plus: 0, minus: 0 })
  })
})
