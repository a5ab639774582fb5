/** Bars in whole ticks, drawn or written by hand, for tests of candles. */
import fc from "fast-check"
import {
  type CandlePatternName,
  candlePatternColumns,
  candlePatterns,
  type PriceColumns
} from "../../../src/market/candles/CandlePatterns.ts"

export type Ohlc = readonly [open: number, high: number, low: number, close: number]

export const columnsOf = (bars: ReadonlyArray<Ohlc>): PriceColumns => {
  const column = (field: 0 | 1 | 2 | 3) => Float64Array.from(bars, (bar) => bar[field])
  return { open: column(0), high: column(1), low: column(2), close: column(3) }
}

/** Bars that wander: in whole ticks, with gaps, ties and bars without a body among them. */
export const wandering = (barsMin: number, barsMax: number): fc.Arbitrary<ReadonlyArray<Ohlc>> =>
  fc
    .array(
      fc.record({
        gap: fc.integer({ min: -4, max: 4 }),
        body: fc.integer({ min: -9, max: 9 }),
        upper: fc.constantFrom(0, 0, 1, 4, 12),
        lower: fc.constantFrom(0, 0, 1, 4, 12)
      }),
      { minLength: barsMin, maxLength: barsMax }
    )
    .map((steps) => {
      let price = 4_096
      return steps.map(({ body, gap, lower, upper }) => {
        const open = price + gap
        const close = open + body
        price = close
        return [open, Math.max(open, close) + upper, Math.min(open, close) - lower, close] as const
      })
    })

/** The patterns that end at a bar, with their values. */
export const patternsAt = (
  bars: ReadonlyArray<Ohlc>,
  bar: number
): Partial<Record<CandlePatternName, number>> =>
  Object.fromEntries(
    candlePatternColumns(columnsOf(bars)).flatMap((values, i) =>
      values[bar] === 0 ? [] : [[candlePatterns[i]?.name, values[bar]]]
    )
  )

export const patternsAtEnd = (bars: ReadonlyArray<Ohlc>) => patternsAt(bars, bars.length - 1)

/** Bodies of 100 and ranges of 200 around 1,000, white and black in turn: no side, and no small bar. */
export const background = (count: number): ReadonlyArray<Ohlc> =>
  Array.from({ length: count }, (_, i) => (i % 2 === 0 ? [950, 1_100, 900, 1_050] : [1_050, 1_100, 900, 950]))
