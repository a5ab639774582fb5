import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import {
  candleClassColumn,
  candleClasses,
  candleClassOf,
  makeCandleClassStream
} from "../../../src/market/candles/CandleLabel.ts"
import { type CandlePatternName, candlePatterns } from "../../../src/market/candles/CandlePatterns.ts"
import { background, columnsOf, patternsAtEnd, wandering } from "./bars.ts"

const classOf = (values: Partial<Record<CandlePatternName, number>>) =>
  candleClasses[candleClassOf(Int8Array.from(candlePatterns, ({ name }) => values[name] ?? 0))]

describe("the candle class", () => {
  it("is one of fourteen, in their order", () => {
    expect(candleClasses).toEqual([
      "doji",
      "hammer",
      "inverted hammer",
      "shooting star",
      "hanging man",
      "bullish engulfing",
      "bearish engulfing",
      "bullish harami",
      "bearish harami",
      "morning star",
      "evening star",
      "three white soldiers",
      "three black crows",
      "none"
    ])
  })

  it("is that of the only pattern, and none where there is none", () => {
    expect(classOf({})).toBe("none")
    expect(classOf({ doji: 100 })).toBe("doji")
    expect(classOf({ hammer: 100 })).toBe("hammer")
    expect(classOf({ "inverted hammer": 100 })).toBe("inverted hammer")
    expect(classOf({ "shooting star": -100 })).toBe("shooting star")
    expect(classOf({ "hanging man": -100 })).toBe("hanging man")
    expect(classOf({ engulfing: 80 })).toBe("bullish engulfing")
    expect(classOf({ engulfing: -100 })).toBe("bearish engulfing")
    expect(classOf({ harami: 100 })).toBe("bullish harami")
    expect(classOf({ harami: -80 })).toBe("bearish harami")
    expect(classOf({ "morning star": 100 })).toBe("morning star")
    expect(classOf({ "evening star": -100 })).toBe("evening star")
    expect(classOf({ "three white soldiers": 100 })).toBe("three white soldiers")
    expect(classOf({ "three black crows": -100 })).toBe("three black crows")
  })

  it("is that of the longest pattern, and of the first in the list among those of one length", () => {
    expect(classOf({ doji: 100, hammer: 100, harami: -80, "evening star": -100 })).toBe("evening star")
    expect(classOf({ hammer: 100, doji: 100, engulfing: 100 })).toBe("bullish engulfing")
    expect(classOf({ "hanging man": -100, harami: -80 })).toBe("bearish harami")
    expect(classOf({ hammer: 100, doji: 100 })).toBe("doji")
    expect(classOf({ "hanging man": -100, "inverted hammer": 100 })).toBe("inverted hammer")
  })

  it("does not have to choose among patterns of two or three bars: there is never more than one", () => {
    let found = 0
    fc.assert(
      fc.property(wandering(14, 60), (history) => {
        const names = Object.keys(patternsAtEnd(history))
        for (const bars of [2, 3]) {
          const ofLength = candlePatterns.filter((one) => one.bars === bars && names.includes(one.name))
          expect(ofLength.length).toBeLessThanOrEqual(1)
          found += ofLength.length
        }
      })
    )
    expect(found).toBeGreaterThan(0)
  })

  it("of a truncated history equals that of the full one at the same bar, pushed or in a column", () => {
    fc.assert(
      fc.property(wandering(0, 60), fc.nat(60), (history, length) => {
        const full = candleClassColumn(columnsOf(history))
        expect(candleClassColumn(columnsOf(history.slice(0, length)))).toEqual(full.slice(0, length))
        const stream = makeCandleClassStream()
        expect(history.map((bar) => stream.push(...bar))).toEqual([...full])
      })
    )
  })

  it("is found at the last bar of a history", () => {
    const bars = [...background(14), [1_020, 1_030, 980, 990], [980, 1_060, 970, 1_050]] as const
    expect(candleClasses[candleClassColumn(columnsOf(bars)).at(-1) as number]).toBe("bullish engulfing")
  })
})
