import { describe, expect, it } from "@effect/vitest"
import { ConfigProvider, Effect, Fiber, Queue } from "effect"
import { Redis } from "ioredis"
import { barChannel } from "../../../../src/agents/market-data/sources/RedisSource.ts"
import { redisServer } from "../../../support/redisServer.ts"
import { bitcoin, ether, listed, liveOf, message, oneMinute, open, startTime, until } from "./sources.ts"

const channel = barChannel(bitcoin.id, oneMinute)
const settings = (url: string, more: Readonly<Record<string, unknown>> = {}) => ({
  kind: "redis",
  name: "pubsub",
  url,
  instruments: [bitcoin, ether].map(listed),
  requestTimeoutMs: 1_000,
  ...more
})
const publisherTo = (url: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const redis = new Redis(url, { retryStrategy: () => null })
      redis.on("error", () => undefined)
      return redis
    }),
    (redis) => Effect.sync(() => redis.disconnect())
  )
/** Publishes once somebody listens: before, nobody would ever hear of it. */
const publish = (redis: Redis, to: string, text: string | Buffer) =>
  Effect.zipRight(
    until(
      Effect.promise(() => redis.pubsub("NUMSUB", to)),
      ([, listeners]) => Number(listeners) > 0
    ),
    Effect.promise(() => redis.publish(to, text))
  )

const setUp = Effect.fnUntraced(function* (more: Readonly<Record<string, unknown>> = {}) {
  const server = yield* redisServer()
  const source = yield* open(settings(server.url, more))
  const publisher = yield* publisherTo(server.url)
  return { publisher, server, source, ...(yield* liveOf(source, [bitcoin, ether])) }
})

describe("bars from Redis", () => {
  it.scoped("have channels by instrument and time frame, and no history", () =>
    Effect.gen(function* () {
      expect(channel).toBe("conclave:bars:binance:BTCUSDT:spot:1m")
      const source = yield* open(settings("redis://127.0.0.1:1"))
      expect(source).toMatchObject({ name: "pubsub", kind: "redis", history: null })
      expect(yield* source.instruments).toEqual([bitcoin, ether])
    })
  )

  it.scopedLive("come as they are published, by the channel of their instrument", () =>
    Effect.gen(function* () {
      const { bars, publisher } = yield* setUp()
      for (const minute of [0, 1, 2]) yield* publish(publisher, channel, JSON.stringify(message(minute)))
      const other = JSON.stringify(message(3, { instrument: ether.id }))
      yield* publish(publisher, barChannel(ether.id, oneMinute), other)
      const taken = [...(yield* Queue.takeBetween(bars, 4, 4))]
      expect(taken.map(({ instrument, openTime }) => [instrument, openTime - startTime])).toEqual([
        [bitcoin.id, 0],
        [bitcoin.id, 60_000],
        [bitcoin.id, 120_000],
        [ether.id, 180_000]
      ])
      expect(taken[0]).toMatchObject({ source: "pubsub", close: 101 })
      expect(taken[0]?.knownAt).toBeGreaterThan(taken[0]?.closeTime as number)
    })
  )

  it.scopedLive("go on after messages that are no bars of the channel, and end when there are too many", () =>
    Effect.gen(function* () {
      const bad = ["{", JSON.stringify(message(0, { instrument: ether.id })), Buffer.alloc(100_000, 0x5b)]
      const { bars, ended, publisher, source } = yield* setUp()
      for (const text of bad) yield* publish(publisher, channel, text)
      yield* publish(publisher, channel, JSON.stringify(message(0)))
      expect((yield* Queue.take(bars)).close).toBe(101)
      expect(source.refused()).toBe(bad.length)
      // As many as the one bar before leaves room for, since nobody listens after that.
      for (let i = 0; i < 8; i++) yield* publish(publisher, channel, "{")
      const error = yield* Fiber.join(ended)
      expect(error).toMatchObject({ kind: "malformed", source: "pubsub" })
      expect(error.message).toContain(channel)
    })
  )

  it.scopedLive("end when the server dies", () =>
    Effect.gen(function* () {
      const { bars, ended, publisher, server } = yield* setUp()
      yield* publish(publisher, channel, JSON.stringify(message(0)))
      yield* Queue.take(bars)
      yield* server.kill
      expect(yield* Fiber.join(ended)).toMatchObject({ kind: "unavailable", source: "pubsub" })
    })
  )

  it.scopedLive("end when the server has stopped and the connection stands", () =>
    Effect.gen(function* () {
      const { bars, ended, publisher, server } = yield* setUp({ silentAfterMs: 200 })
      yield* publish(publisher, channel, JSON.stringify(message(0)))
      yield* Queue.take(bars)
      yield* server.signal("SIGSTOP")
      expect(yield* Fiber.join(ended)).toMatchObject({ kind: "stalled" })
    })
  )

  it.scopedLive("are not to be had where no server is, or one that does not answer", () =>
    Effect.gen(function* () {
      const nobody = yield* liveOf(yield* open(settings("redis://127.0.0.1:9")))
      expect(yield* Fiber.join(nobody.ended)).toMatchObject({ kind: "unavailable" })
      const server = yield* redisServer()
      yield* server.signal("SIGSTOP")
      const silent = yield* liveOf(yield* open(settings(server.url, { requestTimeoutMs: 200 })))
      expect(yield* Fiber.join(silent.ended)).toMatchObject({ kind: "stalled" })
    })
  )

  it.scopedLive("need the password that a variable holds", () =>
    Effect.gen(function* () {
      const server = yield* redisServer("wonder:land")
      const withSecret = (secret: string) =>
        Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["FEED_SECRET", secret]])))
      const named = settings(server.url, { secretVariable: "FEED_SECRET" })
      const live = yield* liveOf(yield* open(named).pipe(withSecret("default:wonder:land")))
      const publisher = yield* publisherTo(server.url.replace("//", "//default:wonder%3Aland@"))
      yield* publish(publisher, channel, JSON.stringify(message(0)))
      expect((yield* Queue.take(live.bars)).close).toBe(101)

      const wrong = yield* liveOf(yield* open(named).pipe(withSecret("default:wrong")))
      const refused = yield* Fiber.join(wrong.ended)
      expect(refused.kind).toBe("refused")
      expect(refused.message).not.toContain("wrong")
      const none = yield* Effect.flip(open(named).pipe(withSecret("")))
      expect(none.message).toContain("the environment variable FEED_SECRET is not set")
    })
  )
})
