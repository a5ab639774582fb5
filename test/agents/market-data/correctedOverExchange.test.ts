/** The market-data agent over an exchange on the loopback, in real time: a candle comes late, another is corrected. */
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Clock, Effect, Schedule, Schema, Stream } from "effect"
import { openLiveFeed } from "../../../src/agents/market-data/LiveFeed.ts"
import { openSource } from "../../../src/agents/market-data/sources/openSource.ts"
import { SourceSettings, venueOf } from "../../../src/agents/market-data/sources/SourceSettings.ts"
import { makeVenues, Venues } from "../../../src/agents/market-data/Venues.ts"
import { TimeFrame, toMs } from "../../../src/protocols/TimeFrame.ts"
import { kline, standInExchange } from "../../support/standInExchange.ts"
import { nodeServices } from "../nodeServices.ts"
import { settingsWith } from "../settings.ts"
import { journalled, life, settlers } from "./agentLife.ts"

const timeFrame = TimeFrame.make("1s")
const frameMs = toMs(timeFrame)
const historyBars = 5
/** Within the last candles that are read with every poll. */
const tellAfterMs = 2.5 * frameMs
const secondsMax = 60

describe("bars of an exchange that become known too late for their as-of", () => {
  it.scopedLive(
    "are published as corrections, in a feed that goes on",
    () =>
      Effect.gen(function* () {
        const exchange = yield* standInExchange
        const begun = Math.floor((yield* Clock.currentTimeMillis) / frameMs) * frameMs
        const closeOf = (openTime: number) => 1_000 + ((openTime / frameMs) % 100)
        // Once the feed runs: one candle stays away for a while, the one after the next is corrected later.
        let late = Number.POSITIVE_INFINITY
        let corrected = Number.POSITIVE_INFINITY
        const klinesAt = (now: number) =>
          Array.from({ length: secondsMax + historyBars }, (_, i) => begun + (i - historyBars) * frameMs)
            .filter((openTime) => openTime !== late || now >= late + frameMs + tellAfterMs)
            .map((openTime) => {
              const isCorrected = openTime === corrected && now >= corrected + frameMs + tellAfterMs
              return kline(openTime, isCorrected ? 999 : closeOf(openTime))
            })
        yield* Effect.forkScoped(
          Effect.repeat(
            Effect.map(Clock.currentTimeMillis, (now) => {
              exchange.setTime(now)
              exchange.setKlines("BTCUSDT", klinesAt(now))
            }),
            Schedule.spaced("50 millis")
          )
        )

        const sources = Schema.decodeUnknownSync(Schema.Array(SourceSettings))([
          {
            kind: "ccxt",
            name: "exchange",
            exchange: "binance",
            instruments: [{ symbol: "BTC/USDT" }],
            marketTypes: ["spot"],
            baseUrl: exchange.url,
            pollDelayMs: 50,
            requestsPerMinuteMax: 6_000
          }
        ])
        const { marketData } = settingsWith({
          "marketData.source": "live",
          "marketData.timeFrame": timeFrame,
          "marketData.history": historyBars,
          "marketData.warmUpBarsMin": historyBars,
          "marketData.live.handOverMs": 400
        })
        const feed = yield* Effect.provideServiceEffect(
          openLiveFeed({ ...marketData, sources }),
          Venues,
          makeVenues({ sources, venueOf, open: (source, budget) => openSource(source, budget, "auto") })
        )
        yield* settlers
        const agent = yield* life(feed)
        // Two live bars: it runs.
        let closed = 0
        yield* Stream.runDrain(
          Stream.takeUntil(journalled, ({ type }) => type === "BarsClosed" && ++closed === historyBars + 2)
        )
        late = Math.floor((yield* Clock.currentTimeMillis) / frameMs) * frameMs + frameMs
        corrected = late + 2 * frameMs

        let corrections = 0
        const events = Chunk.toReadonlyArray(
          yield* Stream.runCollect(
            Stream.takeUntil(journalled, ({ type }) => type === "BarsCorrected" && ++corrections === 2)
          )
        )
        const found = events.flatMap((event) => (event.type === "BarsCorrected" ? [event.payload] : []))
        expect(found).toMatchObject([
          { bars: [{ openTime: late, close: closeOf(late), revision: 0, source: "exchange" }] },
          { bars: [{ openTime: corrected, close: 999, revision: 1, source: "exchange" }] }
        ])
        for (const { asOf, bars } of found) {
          for (const bar of bars) expect(bar.knownAt).toBe(asOf)
        }
        expect(found[0]?.asOf).toBeGreaterThanOrEqual(late + frameMs + tellAfterMs)
        expect(found[1]?.asOf).toBeGreaterThanOrEqual(corrected + frameMs + tellAfterMs)
        // What was decided on stays: the late one has no as-of, the other the close of its first report.
        const bars = events.flatMap((event) => (event.type === "BarsClosed" ? event.payload.bars : []))
        const times = bars.map(({ openTime }) => openTime)
        expect(times).toEqual(
          Array.from({ length: times.length + 1 }, (_, i) => (times[0] as number) + i * frameMs).filter(
            (openTime) => openTime !== late
          )
        )
        expect(bars.map(({ close }) => close)).toEqual(times.map(closeOf))
        expect(yield* agent.state).toMatchObject({ corrections: 2, barsMissing: 1, gaps: 1 })
        yield* agent.end
      }).pipe(Effect.provide(nodeServices())),
    40_000
  )
})
