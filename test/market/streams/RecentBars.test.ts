import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import {
  logReturns,
  recentBarsMax,
  takeBar,
  visibleBars,
  visibleFrom
} from "../../../src/market/streams/RecentBars.ts"
import type { Bar } from "../../../src/protocols/Bar.ts"
import { asOfAt, barOf, frameMs, instrumentOf } from "./bars.ts"

const instrument = instrumentOf("ALPHA")
const arrivals = fc.array(
  fc.record({
    index: fc.nat(40),
    revision: fc.nat(3),
    close: fc.integer({ min: 50, max: 150 }),
    late: fc.nat(3)
  }),
  { maxLength: 120 }
)
const barsOf = (all: ReadonlyArray<{ index: number; revision: number; close: number; late: number }>) =>
  all.map(({ close, index, late, revision }) =>
    barOf(instrument, index, { close, revision, knownAt: asOfAt(index) + late * frameMs })
  )
const taken = (all: ReadonlyArray<Bar>) => {
  const bars: Array<Bar> = []
  for (const bar of all) takeBar(bars, bar)
  return bars
}

describe("the latest bars of an instrument", () => {
  it("rise in time, whatever arrives in whatever order, and a correction takes the place of what it corrects", () => {
    fc.assert(
      fc.property(arrivals, (all) => {
        const arrived = barsOf(all)
        const bars = taken(arrived)
        for (let i = 1; i < bars.length; i++) {
          expect((bars[i] as Bar).openTime).toBeGreaterThan((bars[i - 1] as Bar).openTime)
        }
        for (const bar of bars) {
          const first = arrived.findIndex(({ openTime }) => openTime === bar.openTime)
          const later = arrived.slice(first).filter(({ openTime }) => openTime === bar.openTime)
          expect(bar.revision).toBe(Math.max(...later.map(({ revision }) => revision)))
        }
      })
    )
  })

  it("are the same when everything comes twice", () => {
    fc.assert(
      fc.property(arrivals, (all) => {
        const arrived = barsOf(all)
        const once = taken(arrived)
        expect(taken(arrived.flatMap((bar) => [bar, bar]))).toEqual(once)
      })
    )
  })

  it("are bounded", () => {
    const bars = taken(Array.from({ length: 10 * recentBarsMax }, (_, i) => barOf(instrument, i, {})))
    expect(bars.length).toBeGreaterThanOrEqual(recentBarsMax)
    expect(bars.length).toBeLessThan(2 * recentBarsMax)
    expect(bars.at(-1)?.sequence).toBe(10 * recentBarsMax - 1)
  })

  it("are seen from when they could be known", () => {
    fc.assert(
      fc.property(arrivals, fc.nat(45), (all, index) => {
        const bars = taken(barsOf(all))
        const asOf = asOfAt(index)
        expect(visibleBars(bars, asOf)).toEqual(bars.filter((bar) => visibleFrom(bar) <= asOf))
        expect(visibleBars(bars, asOf, 3)).toEqual(bars.filter((bar) => visibleFrom(bar) <= asOf).slice(-3))
      })
    )
    const corrected = barOf(instrument, 1, { revision: 1, knownAt: asOfAt(5) })
    expect(visibleBars([corrected], asOfAt(4))).toEqual([])
  })

  it("have log returns from close to close", () => {
    const bars = [100, 110, 99].map((close, i) => barOf(instrument, i, { close }))
    expect([...logReturns(bars)]).toEqual([Math.log(1.1), Math.log(99 / 110)])
    expect(logReturns([]).length).toBe(0)
  })
})
