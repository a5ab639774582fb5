import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import {
  commodityChannelIndex,
  moneyFlowIndex,
  onBalanceVolume
} from "../../../src/market/indicators/TypicalPrice.ts"
import { mean, walks, window } from "./walks.ts"

const period = fc.integer({ min: 2, max: 8 })

describe("the commodity channel index", () => {
  it("is the distance from the mean in mean distances", () => {
    fc.assert(
      fc.property(walks(0, 40), period, (bars, length) => {
        const next = commodityChannelIndex(length)
        const prices = bars.map(([high, low, close]) => (high + low + close) / 3)
        for (const [bar, [high, low, close]] of bars.entries()) {
          const found = next(high, low, close)
          if (bar < length - 1) {
            expect(found).toBeNaN()
            continue
          }
          const last = window(prices, bar, length)
          const distance = mean(last.map((price) => Math.abs(price - mean(last))))
          // Prices are multiples of 1/192: a mean distance is 0 or far above rounding.
          const expected = distance < 1e-6 ? 0 : ((prices[bar] as number) - mean(last)) / (0.015 * distance)
          if (distance >= 1e-6) expect(found).toBeCloseTo(expected, 6)
        }
      })
    )
  })

  it("is 0 where nothing moves", () => {
    const next = commodityChannelIndex(3)
    expect([5, 5, 5, 5].map((price) => next(price, price, price))).toEqual([Number.NaN, Number.NaN, 0, 0])
  })
})

describe("the money flow index", () => {
  it("is the share of what flowed where the typical price rose", () => {
    fc.assert(
      fc.property(walks(0, 40), period, (bars, length) => {
        const next = moneyFlowIndex(length)
        const flows = bars.map(([high, low, close, volume], bar) => {
          const price = (high + low + close) / 3
          const [highBefore = Number.NaN, lowBefore = Number.NaN, closeBefore = Number.NaN] =
            bars[bar - 1] ?? []
          return { flow: price * volume, change: price - (highBefore + lowBefore + closeBefore) / 3 }
        })
        for (const [bar, one] of bars.entries()) {
          const found = next(...one)
          if (bar < length) {
            expect(found).toBeNaN()
            continue
          }
          const last = window(flows, bar, length)
          const sum = (some: typeof last) => some.reduce((total, { flow }) => total + flow, 0)
          const inflow = sum(last.filter(({ change }) => change > 0))
          const total = inflow + sum(last.filter(({ change }) => change < 0))
          expect(found).toBeCloseTo(total === 0 ? 0 : (100 * inflow) / total, 8)
        }
      })
    )
  })

  it("takes less than 1 for nothing", () => {
    const lastOf = (volume: number) => {
      const next = moneyFlowIndex(2)
      return [1, 2, 3].map((price) => next(price, price, price, volume)).at(-1)
    }
    expect(lastOf(0.19)).toBe(0)
    expect(lastOf(0.21)).toBe(100)
  })
})

describe("on-balance volume", () => {
  it("begins with the first volume, adds that of rises and takes off that of falls", () => {
    const next = onBalanceVolume()
    const bars: ReadonlyArray<readonly [close: number, volume: number]> = [
      [10, 7],
      [11, 2],
      [11, 50],
      [9, 4]
    ]
    expect(bars.map((bar) => next(...bar))).toEqual([7, 9, 9, 5])
  })
})
