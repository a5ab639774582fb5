/** Prices that wander, and bars around them, for tests of indicators. */
import fc from "fast-check"
import type { VolumeColumns } from "../../../src/market/indicators/IndicatorColumns.ts"

/** Prices between about 50 and 150, with standstills among them. */
export const prices = (barsMin: number, barsMax: number): fc.Arbitrary<ReadonlyArray<number>> =>
  fc
    .array(
      fc.integer({ min: -100, max: 100 }).map((step) => (Math.abs(step) < 20 ? 0 : step)),
      {
        minLength: barsMin,
        maxLength: barsMax
      }
    )
    .map((steps) => {
      let price = 100
      return steps.map((step) => {
        price = Math.min(150, Math.max(50, price + step / 64))
        return price
      })
    })

export type WalkBar = readonly [high: number, low: number, close: number, volume: number]

export const walks = (barsMin: number, barsMax: number): fc.Arbitrary<ReadonlyArray<WalkBar>> =>
  prices(barsMin, barsMax).chain((closes) =>
    fc
      .array(fc.tuple(fc.nat(64), fc.nat(64), fc.integer({ min: 1, max: 1_000 })), {
        minLength: closes.length,
        maxLength: closes.length
      })
      .map((extras) =>
        closes.map((close, i) => {
          const [up = 0, down = 0, volume = 1] = extras[i] ?? []
          return [close + up / 64, close - down / 64, close, volume] as const
        })
      )
  )

export const columnsOf = (bars: ReadonlyArray<WalkBar>): VolumeColumns => {
  const column = (field: 0 | 1 | 2 | 3) => Float64Array.from(bars, (bar) => bar[field])
  return { high: column(0), low: column(1), close: column(2), volume: column(3) }
}

export const mean = (values: ReadonlyArray<number>): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length

/** The last `count` values up to a bar. */
export const window = <A>(values: ReadonlyArray<A>, bar: number, count: number): ReadonlyArray<A> =>
  values.slice(bar + 1 - count, bar + 1)
