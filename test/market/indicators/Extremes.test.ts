import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import { aroon, stochastic, williamsR } from "../../../src/market/indicators/Extremes.ts"
import { mean, type WalkBar, walks, window } from "./walks.ts"

const extremesOf = (bars: ReadonlyArray<WalkBar>) => ({
  highest: Math.max(...bars.map(([high]) => high)),
  lowest: Math.min(...bars.map(([, low]) => low))
})

const period = fc.integer({ min: 2, max: 8 })

describe("the stochastic oscillator", () => {
  it("averages where the closes stand between the extremes, and averages that again", () => {
    fc.assert(
      fc.property(walks(0, 40), period, (bars, length) => {
        const [slowK, slowD] = [3, 2] as const
        const next = stochastic(length, slowK, slowD)
        const places = bars.map(([, , close], bar) => {
          const { highest, lowest } = extremesOf(window(bars, bar, length))
          return highest === lowest ? 0 : (100 * (close - lowest)) / (highest - lowest)
        })
        const ks = places.map((_, bar) => mean(window(places, bar, slowK)))
        for (const [bar, [high, low, close]] of bars.entries()) {
          const found = next(high, low, close)
          if (bar < length + slowK + slowD - 3) {
            expect(found).toEqual({ slowK: Number.NaN, slowD: Number.NaN })
            continue
          }
          expect(found.slowK).toBeCloseTo(ks[bar] as number, 9)
          expect(found.slowD).toBeCloseTo(mean(window(ks, bar, slowD)), 9)
        }
      })
    )
  })
})

describe("Williams' %R", () => {
  it("is 0 at the highest high of the window and -100 at the lowest low", () => {
    fc.assert(
      fc.property(walks(0, 40), period, (bars, length) => {
        const next = williamsR(length)
        for (const [bar, [high, low, close]] of bars.entries()) {
          const found = next(high, low, close)
          if (bar < length - 1) {
            expect(found).toBeNaN()
            continue
          }
          const { highest, lowest } = extremesOf(window(bars, bar, length))
          const expected = highest === lowest ? 0 : (-100 * (highest - close)) / (highest - lowest)
          expect(found).toBeCloseTo(expected, 9)
        }
      })
    )
  })
})

describe("Aroon", () => {
  it("counts the bars since the last of the extremes", () => {
    fc.assert(
      fc.property(walks(0, 40), period, (bars, length) => {
        const next = aroon(length)
        for (const [bar, [high, low]] of bars.entries()) {
          const found = next(high, low)
          if (bar < length) {
            expect(found).toEqual({ down: Number.NaN, up: Number.NaN })
            continue
          }
          const last = window(bars, bar, length + 1)
          const { highest, lowest } = extremesOf(last)
          expect(found.up).toBeCloseTo((100 * last.map(([one]) => one).lastIndexOf(highest)) / length, 9)
          expect(found.down).toBeCloseTo((100 * last.map(([, one]) => one).lastIndexOf(lowest)) / length, 9)
        }
      })
    )
  })
})
