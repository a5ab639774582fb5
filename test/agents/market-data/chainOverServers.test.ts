/** A chain over an exchange on the loopback and a real Redis server, in real time: the exchange goes away. */
import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect, Logger, Schedule, Schema } from "effect"
import { Redis } from "ioredis"
import type { FeedItem } from "../../../src/agents/market-data/Feed.ts"
import { openLiveFeed } from "../../../src/agents/market-data/LiveFeed.ts"
import { openSource } from "../../../src/agents/market-data/sources/openSource.ts"
import { barChannel } from "../../../src/agents/market-data/sources/RedisSource.ts"
import { SourceSettings, venueOf } from "../../../src/agents/market-data/sources/SourceSettings.ts"
import { makeVenues, Venues } from "../../../src/agents/market-data/Venues.ts"
import { TimeFrame, toMs } from "../../../src/protocols/TimeFrame.ts"
import { redisServer } from "../../support/redisServer.ts"
import { kline, standInExchange } from "../../support/standInExchange.ts"
import { drop } from "../../support/standInServer.ts"
import { settingsWith } from "../settings.ts"
import { bitcoin, listed, message } from "./sources/sources.ts"

const timeFrame = TimeFrame.make("1s")
const frameMs = toMs(timeFrame)
const handOverMs = 400
const secondsMax = 60

const decodeSources = Schema.decodeUnknownSync(Schema.Array(SourceSettings))

/** What happens every tenth of a second, until the scope is closed. */
const always = (happen: Effect.Effect<unknown>) =>
  Effect.forkScoped(Effect.repeat(happen, Schedule.spaced("100 millis")))

describe("a chain over an exchange and Redis", () => {
  it.scopedLive(
    "goes on with Redis when the exchange goes away, and loses no bar",
    () =>
      Effect.gen(function* () {
        const exchange = yield* standInExchange
        const redis = yield* redisServer()
        const publisher = new Redis(redis.url, { retryStrategy: () => null })
        yield* Effect.addFinalizer(() => Effect.sync(() => publisher.disconnect()))
        const begun = Math.floor((yield* Clock.currentTimeMillis) / frameMs) * frameMs
        const closeOf = (openTime: number) => 1_000 + ((openTime / frameMs) % 100)
        exchange.setKlines(
          "BTCUSDT",
          Array.from({ length: secondsMax + 20 }, (_, i) => begun + (i - 20) * frameMs).map((openTime) =>
            kline(openTime, closeOf(openTime))
          )
        )
        // The exchange's clock goes as ours, and the relay says each bar when it has closed.
        let published = begun
        yield* always(
          Effect.flatMap(Clock.currentTimeMillis, (now) => {
            exchange.setTime(now)
            if (published + frameMs > now) return Effect.void
            const close = closeOf(published)
            const bar = {
              ...message(0),
              timeFrame,
              openTime: published,
              open: close,
              high: close,
              low: close,
              close
            }
            published += frameMs
            return Effect.promise(() =>
              publisher.publish(barChannel(bitcoin.id, timeFrame), JSON.stringify(bar))
            )
          })
        )

        const sources = decodeSources([
          {
            kind: "ccxt",
            name: "exchange",
            exchange: "binance",
            instruments: [{ symbol: "BTC/USDT" }],
            marketTypes: ["spot"],
            baseUrl: exchange.url,
            pollDelayMs: 50,
            requestsPerMinuteMax: 6_000
          },
          { kind: "redis", name: "relay", url: redis.url, instruments: [listed(bitcoin)] }
        ])
        const settings = settingsWith({
          "marketData.source": "live",
          "marketData.timeFrame": timeFrame,
          "marketData.history": 5,
          "marketData.warmUpBarsMin": 5,
          "marketData.live.handOverMs": handOverMs,
          "marketData.live.wellForMs": 60_000,
          "marketData.live.backoffMs": 100
        })
        const feed = yield* Effect.provideServiceEffect(
          openLiveFeed({ ...settings.marketData, sources }),
          Venues,
          makeVenues({ sources, venueOf, open: (settings, budget) => openSource(settings, budget, "auto") })
        )
        const take = yield* feed.from({ index: 0, asOf: null, active: null })
        const items: Array<FeedItem> = []
        const takeUntil = (isEnough: () => boolean) =>
          Effect.repeat(
            Effect.map(take, (item) => item !== undefined && items.push(item)),
            { until: isEnough }
          )
        const bars = () => items.flatMap((item) => item.bars ?? [])
        const ofRelay = () => bars().filter(({ source }) => source === "relay").length

        yield* takeUntil(() => bars().length >= 8)
        expect(new Set(bars().map(({ source }) => source))).toEqual(new Set(["exchange"]))
        exchange.fail(...Array.from({ length: 1_000 }, () => drop))
        yield* takeUntil(() => ofRelay() >= 3)

        const times = bars().map(({ openTime }) => openTime)
        expect(times).toEqual(times.map((_, i) => (times[0] as number) + i * frameMs))
        expect(bars().map(({ close }) => close)).toEqual(times.map(closeOf))
        const [handedOver] = items.flatMap(({ event }) => (event === undefined ? [] : [event]))
        expect(handedOver).toMatchObject({
          type: "FeedHandedOver",
          payload: { from: "exchange", to: "relay", reason: expect.stringContaining("exchange") }
        })
        expect(feed.sources()).toMatchObject([
          { name: "exchange", role: "standby" },
          { name: "relay", role: "active", state: "well" }
        ])
      }).pipe(Effect.provide(Logger.remove(Logger.defaultLogger))),
    40_000
  )
})
