/**
 * The streams over every bar file of the reference data: what they say is within its bounds, the same by a history that
 * was cut off, and where the history of the markets is known, what it should be.
 */
import { basename } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { readBarFile } from "../../src/agents/market-data/readBarFile.ts"
import { type BarSeries, barAt } from "../../src/market/BarSeries.ts"
import { emptyMarket, observe } from "../../src/market/streams/MarketSeries.ts"
import { pricesAt } from "../../src/market/streams/prices.ts"
import { recentBarsMax } from "../../src/market/streams/RecentBars.ts"
import { regimeAt, regimeModel } from "../../src/market/streams/regime.ts"
import { volatilityAt } from "../../src/market/streams/volatilitySurface.ts"
import { RegimeReading, VolatilityReading } from "../../src/protocols/Streams.ts"
import { drained } from "../market/streams/series.ts"
import { files, root, skippedTitle } from "./referenceFiles.ts"

const skipped = files.length === 0
const title = skipped ? skippedTitle("streams") : `the streams over the files of ${root}`
const instrumentsOfFile = 3
const options = { states: 3, fitBars: 500, refitEveryBars: 250, seed: 1 }

/** The series of a file; none of one that holds no bars. */
const read = (path: string): Effect.Effect<ReadonlyArray<BarSeries>, unknown> =>
  readBarFile({ path, instrumentsMax: instrumentsOfFile, refusedShareMax: 1 }).pipe(
    Effect.map(({ series }) => series),
    Effect.catchTag("NotABarFile", () => Effect.succeed([]))
  )

/** The bars up to an index, as many as are kept. */
const followedAt = (series: BarSeries, end: number) => ({
  instrument: series.instrument,
  bars: Array.from({ length: Math.min(end + 1, recentBarsMax) }, (_, i) =>
    barAt(series, end + 1 - Math.min(end + 1, recentBarsMax) + i, "test")
  )
})

const marketOf = (series: BarSeries, from: number, to: number) => {
  const market = emptyMarket()
  for (let i = Math.max(1, from); i < to; i++) {
    const change = Math.log((series.close[i] as number) / (series.close[i - 1] as number))
    observe(market, barAt(series, i, "test").closeTime, [change])
  }
  return market
}

const regimeOf = (series: BarSeries, from: number, to: number) => {
  const market = marketOf(series, from, to)
  const asOf = market.asOfs.at(-1) as number
  return regimeAt(market, options, asOf, drained(regimeModel(market, options, asOf, undefined)))
}

describe.skipIf(skipped)(title, () => {
  it.each(files.map((path) => [basename(path), path] as const))(
    "%s",
    (_, path) =>
      Effect.gen(function* () {
        for (const series of yield* read(path)) {
          const last = series.close.length - 1
          if (last < 600) continue
          for (const end of [80, 300, last]) {
            const { closeTime } = barAt(series, end, "test")
            const followed = [followedAt(series, end)]
            const volatility = volatilityAt(followed, "none", closeTime)
            expect(Schema.is(VolatilityReading)(volatility)).toBe(true)
            expect(volatility.status).toBe("available")
            const later = [followedAt(series, Math.min(end + 3, last))]
            expect(pricesAt(later, closeTime)).toEqual(pricesAt(followed, closeTime))
          }
          const regime = regimeOf(series, last - 600, last + 1)
          expect(regime.status).toBe("available")
          expect(Schema.is(RegimeReading)(regime)).toBe(true)
        }
      }).pipe(Effect.runPromise),
    120_000
  )

  const index = files.find((path) => basename(path).startsWith("sp500_1d"))
  it.skipIf(index === undefined)("the S&P 500 is turbulent in October 2008 and calm in August 2017", () =>
    Effect.gen(function* () {
      const [series] = yield* read(index as string)
      const placeOf = (date: string) =>
        (series as BarSeries).openTime.findIndex((time) => time >= Date.parse(date))
      // 500 sessions that the model knows, and those since.
      const regimeOn = (date: string) => regimeOf(series as BarSeries, placeOf(date) - 750, placeOf(date) + 1)
      expect(regimeOn("2008-10-15")).toMatchObject({ regime: "turbulent" })
      expect(regimeOn("2017-08-01")).toMatchObject({ regime: "calm" })
    }).pipe(Effect.runPromise)
  )
})
