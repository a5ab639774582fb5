import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import {
  type CandlePatternName,
  candlePatternColumns,
  candlePatterns,
  makeCandlePatternStream
} from "../../../src/market/candles/CandlePatterns.ts"
import { background, columnsOf, type Ohlc, patternsAt, patternsAtEnd, wandering } from "./bars.ts"
import { talibBars, talibPatterns } from "./talibPatterns.ts"

const atEndOf = (...bars: ReadonlyArray<Ohlc>) => patternsAtEnd([...background(14), ...bars])

/** Bars with one number of one bar replaced; fields are 0 open, 1 high, 2 low, 3 close. */
const replaced = (
  bars: ReadonlyArray<Ohlc>,
  bar: number,
  field: number,
  price: number
): ReadonlyArray<Ohlc> =>
  bars.map((one, i) =>
    i === bar ? (one.map((old, k) => (k === field ? price : old)) as unknown as Ohlc) : one
  )

/** Each edit takes the pattern away; without it, it is there, and at no bar before the first that TA-Lib looks at. */
const needs = (
  name: CandlePatternName,
  value: number,
  firstBar: number,
  bars: ReadonlyArray<Ohlc>,
  edits: Readonly<Record<string, readonly [bar: number, field: number, price: number]>>
) => {
  describe(name, () => {
    it("is found", () => {
      expect(atEndOf(...bars)[name]).toBe(value)
    })
    it(`is looked for from bar ${firstBar} on`, () => {
      const history = [...background(firstBar + 1 - bars.length), ...bars]
      expect(patternsAt(history, firstBar)[name]).toBe(value)
      expect(patternsAt(history.slice(1), firstBar - 1)[name]).toBeUndefined()
    })
    it.each(Object.entries(edits))("needs that %s", (_, [bar, field, price]) => {
      expect(atEndOf(...replaced(bars, bar, field, price))[name]).toBeUndefined()
    })
  })
}

needs("doji", 100, 10, [[1_000, 1_100, 900, 1_020]], {
  "the body is at most a tenth of the average range": [0, 3, 1_021]
})

needs("hammer", 100, 11, [[900, 910, 850, 905]], {
  "the lower shadow is longer than the body": [0, 2, 895],
  "the upper shadow is very short": [0, 1, 925],
  "the body is short": [0, 0, 804],
  "the body is at most near the low before": [0, 0, 1_041]
})

needs("hanging man", -100, 11, [[1_110, 1_120, 1_050, 1_115]], {
  "the lower shadow is longer than the body": [0, 2, 1_105],
  "the upper shadow is very short": [0, 1, 1_135],
  "the body is short": [0, 3, 1_211],
  "the body is at least near the high before": [0, 0, 1_059]
})

needs("inverted hammer", 100, 11, [[900, 990, 898, 910]], {
  "the upper shadow is longer than the body": [0, 1, 920],
  "the lower shadow is very short": [0, 2, 880],
  "the body is short": [0, 0, 800],
  "the bodies have a gap": [0, 3, 950]
})

needs("shooting star", -100, 11, [[1_060, 1_150, 1_058, 1_070]], {
  "the upper shadow is longer than the body": [0, 1, 1_080],
  "the lower shadow is very short": [0, 2, 1_040],
  "the body is short": [0, 3, 1_161],
  "the bodies have a gap": [0, 0, 1_050]
})

const smallBlack: Ohlc = [1_020, 1_030, 980, 990]
const smallWhite: Ohlc = [990, 1_030, 980, 1_020]
needs("engulfing", 100, 2, [smallBlack, [980, 1_060, 970, 1_050]], {
  "the top is covered": [1, 3, 1_019],
  "the bottom is covered": [1, 0, 991],
  "the colours differ": [0, 3, 1_021]
})
needs("engulfing", -100, 2, [smallWhite, [1_050, 1_060, 970, 980]], {
  "the top is covered": [1, 0, 1_019],
  "the bottom is covered": [1, 3, 991],
  "the colours differ": [0, 3, 989]
})
describe("engulfing", () => {
  it("is worth less where the bodies share an end, and nothing where they share both", () => {
    expect(atEndOf(smallBlack, [990, 1_060, 970, 1_050]).engulfing).toBe(80)
    expect(atEndOf(smallBlack, [980, 1_060, 970, 1_020]).engulfing).toBe(80)
    expect(atEndOf(smallWhite, [1_020, 1_060, 970, 980]).engulfing).toBe(-80)
    expect(atEndOf(smallBlack, [990, 1_060, 970, 1_020]).engulfing).toBeUndefined()
  })
})

const longBlack: Ohlc = [1_100, 1_110, 890, 900]
const longWhite: Ohlc = [900, 1_110, 890, 1_100]
needs("harami", 100, 11, [longBlack, [950, 1_060, 940, 980]], {
  "the first body is long": [0, 0, 1_000],
  "the second body is short": [1, 3, 1_065],
  "the second body is within the first": [0, 3, 965]
})
needs("harami", -100, 11, [longWhite, [950, 1_060, 940, 980]], {
  "the first body is long": [0, 3, 1_000],
  "the second body is short": [1, 3, 1_065],
  "the second body is within the first": [0, 0, 965]
})
describe("harami", () => {
  it("takes a body of the average length for a short one", () => {
    expect(atEndOf(longBlack, [920, 1_060, 910, 1_030]).harami).toBe(100)
  })

  it("is worth less where the bodies share an end", () => {
    expect(atEndOf(longBlack, [1_060, 1_110, 950, 1_100]).harami).toBe(80)
    expect(atEndOf(longWhite, [960, 1_060, 890, 900]).harami).toBe(-80)
  })
})

needs(
  "morning star",
  100,
  12,
  [
    [1_200, 1_210, 990, 1_000],
    [960, 970, 920, 950],
    [900, 1_540, 890, 1_500]
  ],
  {
    "the first is black": [0, 3, 1_400],
    "the first is long": [0, 0, 1_090],
    "the second is short": [1, 3, 840],
    "the second gaps down": [1, 0, 1_000],
    "the third is white": [2, 0, 1_650],
    "the third is not short": [2, 0, 1_400],
    "the third closes above three tenths of the first": [2, 3, 1_060]
  }
)

needs(
  "evening star",
  -100,
  12,
  [
    [1_000, 1_210, 990, 1_200],
    [1_240, 1_280, 1_230, 1_250],
    [1_290, 1_300, 690, 700]
  ],
  {
    "the first is white": [0, 3, 800],
    "the first is long": [0, 0, 1_110],
    "the second is short": [1, 3, 1_360],
    "the second gaps up": [1, 0, 1_200],
    "the third is black": [2, 0, 550],
    "the third is not short": [2, 0, 800],
    "the third closes below three tenths of the first": [2, 3, 1_140]
  }
)

needs(
  "three white soldiers",
  100,
  12,
  [
    [1_000, 1_110, 990, 1_100],
    [1_120, 1_210, 1_070, 1_200],
    [1_220, 1_350, 1_170, 1_340]
  ],
  {
    "the first is white": [0, 0, 1_110],
    "the second is white": [1, 0, 1_201],
    "the third is white": [2, 0, 1_341],
    "the first has a very short upper shadow": [0, 1, 1_120],
    "the second has a very short upper shadow": [1, 1, 1_221],
    "the third has a very short upper shadow": [2, 1, 1_361],
    "the second closes higher": [1, 3, 1_100],
    "the third closes higher": [2, 3, 1_200],
    "the second opens higher": [1, 0, 1_000],
    "the third opens higher": [2, 0, 1_120],
    "the second opens near the first body": [1, 0, 1_141],
    "the third opens near the second body": [2, 0, 1_241],
    "the second is not far shorter than the first": [0, 0, 850],
    "the third is not short": [2, 3, 1_310]
  }
)

needs(
  "three black crows",
  -100,
  13,
  [
    [1_010, 1_210, 1_000, 1_200],
    [1_190, 1_200, 1_090, 1_100],
    [1_150, 1_160, 990, 1_000],
    [1_050, 1_060, 890, 900]
  ],
  {
    "a white one comes before": [0, 0, 1_201],
    "the first is black": [1, 0, 1_099],
    "the second is black": [2, 0, 999],
    "the third is black": [3, 0, 899],
    "the first has a very short lower shadow": [1, 2, 1_079],
    "the second has a very short lower shadow": [2, 2, 979],
    "the third has a very short lower shadow": [3, 2, 879],
    "the second opens below the first": [2, 0, 1_190],
    "the second opens above the close of the first": [2, 0, 1_100],
    "the third opens below the second": [3, 0, 1_150],
    "the third opens above the close of the second": [3, 0, 1_000],
    "the first closes below the high before": [0, 1, 1_100],
    "the second closes lower": [2, 3, 1_100],
    "the third closes lower": [3, 3, 1_000]
  }
)

describe("the candle patterns of a history", () => {
  it("are TA-Lib's, ties among them", () => {
    const columns = candlePatternColumns(columnsOf(talibBars()))
    for (const [i, { talibName }] of candlePatterns.entries()) {
      const found = columns[i] as Int8Array
      const expected = new Int8Array(found.length)
      const claims = talibPatterns.filter(([name]) => name === talibName)
      for (const [, value, bars] of claims) {
        for (const bar of bars.split(/\s+/)) expected[Number(bar)] = value
      }
      expect(claims.length).toBeGreaterThan(0)
      expect([talibName, ...found]).toEqual([talibName, ...expected])
    }
  })

  const bars = wandering(0, 60)

  it("of a truncated history equal those of the full one at the same bar", () => {
    fc.assert(
      fc.property(bars, fc.nat(60), (history, length) => {
        const full = candlePatternColumns(columnsOf(history))
        const cut = candlePatternColumns(columnsOf(history.slice(0, length)))
        expect(cut).toEqual(full.map((column) => column.slice(0, length)))
      })
    )
  })

  it("are those that the stream gives bar by bar", () => {
    fc.assert(
      fc.property(bars, (history) => {
        const stream = makeCandlePatternStream()
        const pushed = history.map((bar) => [...stream.push(...bar)])
        const columns = candlePatternColumns(columnsOf(history))
        expect(pushed).toEqual(history.map((_, i) => columns.map((column) => column[i])))
      })
    )
  })

  it("turn with the prices: what is bullish one way up is bearish the other", () => {
    const turned: ReadonlyArray<readonly [CandlePatternName, CandlePatternName]> = [
      ["engulfing", "engulfing"],
      ["harami", "harami"],
      ["morning star", "evening star"]
    ]
    const at = (name: CandlePatternName) => candlePatterns.findIndex((one) => one.name === name)
    const withBodies = wandering(20, 60).map((history) =>
      history.filter(([open, , , close]) => open !== close)
    )
    let found = 0
    fc.assert(
      fc.property(withBodies, (history) => {
        const upright = candlePatternColumns(columnsOf(history))
        const upsideDown = candlePatternColumns(
          columnsOf(
            history.map(([open, high, low, close]) => [
              8_192 - open,
              8_192 - low,
              8_192 - high,
              8_192 - close
            ])
          )
        )
        for (const [name, mirrored] of turned) {
          const values = Array.from(upright[at(name)] as Int8Array)
          found += values.filter((value) => value !== 0).length
          expect(values.map((value) => 0 - value)).toEqual(Array.from(upsideDown[at(mirrored)] as Int8Array))
        }
      })
    )
    expect(found).toBeGreaterThan(0)
  })

  it("do not depend on the unit of the price", () => {
    fc.assert(
      fc.property(bars, fc.constantFrom(2 ** -20, 0.5, 2 ** 20), (history, unit) => {
        const scaled = history.map((bar) => bar.map((price) => price * unit) as unknown as Ohlc)
        expect(candlePatternColumns(columnsOf(scaled))).toEqual(candlePatternColumns(columnsOf(history)))
      })
    )
  })

  it("are dojis alone where bars have one price, from the bar on whose average has ten before it", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 1_000 }), { maxLength: 40 }), (closes) => {
        const columns = candlePatternColumns(columnsOf(closes.map((price) => [price, price, price, price])))
        for (const [i, { name }] of candlePatterns.entries()) {
          const expected = closes.map((_, bar) => (name === "doji" && bar >= 10 ? 100 : 0))
          expect(Array.from(columns[i] as Int8Array)).toEqual(expected)
        }
      })
    )
  })

  it("refuse a number that is not finite, and go on as if that bar had not been there", () => {
    const history = [...background(14), ...[smallBlack, [980, 1_060, 970, 1_050] as const]]
    const stream = makeCandlePatternStream()
    const undisturbed = makeCandlePatternStream()
    for (const bar of history) {
      for (const price of [Number.NaN, Number.POSITIVE_INFINITY]) {
        for (const field of [0, 1, 2, 3]) {
          const [spoilt] = replaced([bar], 0, field, price)
          expect(() => stream.push(...(spoilt as Ohlc))).toThrow(/is not finite/)
        }
      }
      expect([...stream.push(...bar)]).toEqual([...undisturbed.push(...bar)])
    }
  })

  it("refuse columns of unequal length", () => {
    const columns = columnsOf(background(3))
    expect(() => candlePatternColumns({ ...columns, low: columns.low.slice(1) })).toThrow(
      "The column low has 2 rows where the others have 3."
    )
  })
})
