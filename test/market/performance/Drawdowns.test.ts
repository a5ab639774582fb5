import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import { drawdownsOf } from "../../../src/market/performance/Drawdowns.ts"

describe("drawdownsOf", () => {
  it("says from where to where, and when it was made good", () => {
    const equity = Float64Array.of(100, 120, 120, 90, 60, 80, 130, 110, 125)
    const { deepest, longestBars } = drawdownsOf(equity)
    expect(deepest).toEqual({ depth: 0.5, peak: 2, trough: 4, recovered: 6 })
    expect(longestBars).toBe(4)
  })

  it("counts a fall that was not made good up to the end", () => {
    const { deepest, longestBars } = drawdownsOf(Float64Array.of(100, 90, 100, 75, 80, 90, 99))
    expect(deepest).toEqual({ depth: 0.25, peak: 2, trough: 3, recovered: null })
    expect(longestBars).toBe(4)
  })

  it("finds none where the curve never falls", () => {
    for (const equity of [[1], [1, 1, 1], [1, 2, 3]]) {
      expect(drawdownsOf(new Float64Array(equity))).toEqual({ deepest: null, longestBars: 0 })
    }
  })

  it("takes the first of several that are as deep", () => {
    expect(drawdownsOf(Float64Array.of(4, 2, 4, 2, 4)).deepest).toMatchObject({ peak: 0, recovered: 2 })
  })

  it("is the deepest of all pairs of points, recovered as soon as the peak is seen again", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 40 }), (points) => {
        const equity = new Float64Array(points)
        const { deepest, longestBars } = drawdownsOf(equity)
        const depths = points.flatMap((peak, i) => points.slice(i).map((later) => 1 - later / peak))
        expect(deepest?.depth ?? 0).toBe(Math.max(...depths))
        if (deepest === null) return
        const { peak, recovered, trough } = deepest
        expect(peak).toBeLessThan(trough)
        const top = points[peak] as number
        expect(Math.max(...points.slice(0, peak + 1))).toBe(top)
        const later = points.findIndex((value, i) => i > trough && value >= top)
        expect(recovered).toBe(later < 0 ? null : later)
        expect(longestBars).toBeGreaterThanOrEqual((recovered ?? points.length - 1) - peak)
        // Bar by bar: how long ago the running maximum was last seen.
        let highest = 0
        let seen = 0
        const underwater = points.map((value, i) => {
          if (value < highest) return i - seen
          const since = i > 0 && (points[i - 1] as number) < highest ? i - seen : 0
          highest = value
          seen = i
          return since
        })
        expect(longestBars).toBe(Math.max(...underwater))
      })
    )
  })
})
