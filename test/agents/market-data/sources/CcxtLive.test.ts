import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Queue, TestClock } from "effect"
import { kline } from "../../../support/standInExchange.ts"
import { answer } from "../../../support/standInServer.ts"
import { at, klineRequests, klines, minutesOf, setUp } from "./exchange.ts"
import { asleepUntil, bitcoin, ether, historyOf, liveOf, until } from "./sources.ts"

describe("live bars of an exchange that is asked at each close", () => {
  const delayMs = 1_000
  /** Some seconds into minute 10, by the test's clock and by the exchange's. */
  const beginMs = at(10) + 5_000
  const setUpLive = Effect.gen(function* () {
    yield* TestClock.setTime(beginMs)
    const { exchange, source } = yield* setUp(10, { pollDelayMs: delayMs })
    exchange.setTime(beginMs)
    const live = yield* liveOf(source)
    return { exchange, source, ...live }
  })
  const take = (bars: Queue.Dequeue<{ readonly openTime: number }>, count: number) =>
    Effect.map(Queue.takeBetween(bars, count, count), (taken) => minutesOf([...taken]))

  it.scoped("begin with the last few that have closed, and go on after every close", () =>
    Effect.gen(function* () {
      const { bars, exchange } = yield* setUpLive
      expect(yield* take(bars, 5)).toEqual([5, 6, 7, 8, 9])
      for (const minute of [10, 11, 12]) {
        yield* asleepUntil(at(minute + 1) + delayMs)
        exchange.setKlines("BTCUSDT", klines(0, minute + 2))
        yield* TestClock.setTime(at(minute + 1) + delayMs - 1)
        expect(yield* Queue.size(bars)).toBe(0)
        yield* TestClock.setTime(at(minute + 1) + delayMs)
        const [bar] = yield* Queue.takeBetween(bars, 1, 1)
        expect(bar).toMatchObject({ openTime: at(minute), knownAt: at(minute + 1) + delayMs, revision: 0 })
      }
    })
  )

  it.scoped("ask again for one that is late, and give it when it is there", () =>
    Effect.gen(function* () {
      const { bars, exchange } = yield* setUpLive
      yield* take(bars, 5)
      exchange.setKlines("BTCUSDT", klines(0, 10))
      yield* asleepUntil(at(11) + delayMs)
      yield* TestClock.setTime(at(11) + delayMs)
      yield* asleepUntil(at(11) + delayMs + 1_000)
      expect(yield* Queue.size(bars)).toBe(0)
      exchange.setKlines("BTCUSDT", klines(0, 12))
      yield* TestClock.adjust("1 second")
      expect(yield* take(bars, 1)).toEqual([10])
    })
  )

  it.scoped("give up on one that does not come, and give it with the next if it does", () =>
    Effect.gen(function* () {
      const { bars, exchange } = yield* setUpLive
      yield* take(bars, 5)
      exchange.setKlines("BTCUSDT", klines(0, 10))
      const before = klineRequests(exchange).length
      for (let second = 0; second < 5; second++) {
        yield* asleepUntil(at(11) + delayMs + second * 1_000)
        yield* TestClock.setTime(at(11) + delayMs + second * 1_000)
      }
      yield* asleepUntil(at(12) + delayMs)
      expect(klineRequests(exchange).length - before).toBe(5)
      exchange.setKlines("BTCUSDT", klines(0, 13))
      yield* TestClock.setTime(at(12) + delayMs)
      expect(yield* take(bars, 2)).toEqual([10, 11])
    })
  )

  it.scoped("give one again that was corrected, with a higher revision, and no other twice", () =>
    Effect.gen(function* () {
      const { bars, exchange } = yield* setUpLive
      yield* take(bars, 5)
      const corrected = klines(0, 12).map((one) => (one[0] === at(8) ? kline(at(8), 2_000) : one))
      exchange.setKlines("BTCUSDT", [...corrected].reverse())
      yield* asleepUntil(at(11) + delayMs)
      yield* TestClock.setTime(at(11) + delayMs)
      const news = [...(yield* Queue.takeBetween(bars, 2, 2))]
      expect(news.map(({ close, openTime, revision }) => [openTime, close, revision])).toEqual([
        [at(8), 2_000, 1],
        [at(10), 1_010, 0]
      ])
      yield* asleepUntil(at(12) + delayMs)
      expect(yield* Queue.size(bars)).toBe(0)
    })
  )

  it.scoped("go on counting revisions when they are asked for again", () =>
    Effect.gen(function* () {
      const { bars, ended, exchange, source } = yield* setUpLive
      yield* take(bars, 5)
      yield* Fiber.interrupt(ended)
      const correct = (close: number) =>
        exchange.setKlines(
          "BTCUSDT",
          klines(0, 11).map((one) => (one[0] === at(8) ? kline(at(8), close) : one))
        )
      for (const [close, revision] of [
        [2_000, 1],
        [3_000, 2],
        [3_000, 2]
      ] as const) {
        correct(close)
        const again = yield* liveOf(source)
        const told = [...(yield* Queue.takeBetween(again.bars, 5, 5))]
        expect(told.map(({ openTime, revision }) => [(openTime - at(0)) / 60_000, revision])).toEqual(
          [5, 6, 7, 8, 9].map((minute) => [minute, minute === 8 ? revision : 0])
        )
        yield* Fiber.interrupt(again.ended)
      }
      expect((yield* historyOf(source, 7, 10)).map(({ revision }) => revision)).toEqual([0, 2, 0])
    })
  )

  it.scoped("count a candle without a time once, and not with every poll that it is in", () =>
    Effect.gen(function* () {
      const { bars, exchange, source } = yield* setUpLive
      yield* take(bars, 5)
      const polls = (untimed: number, count: number) =>
        exchange.fail(
          ...Array.from({ length: count }, () =>
            answer(JSON.stringify([...klines(6, 10), ...Array.from({ length: untimed }, () => "none")]))
          )
        )
      polls(2, 5)
      for (let second = 0; second < 5; second++) {
        yield* asleepUntil(at(11) + delayMs + second * 1_000)
        yield* TestClock.setTime(at(11) + delayMs + second * 1_000)
      }
      yield* asleepUntil(at(12) + delayMs)
      expect(source.refused()).toBe(2)
      polls(3, 1)
      exchange.setKlines("BTCUSDT", klines(0, 13))
      yield* TestClock.setTime(at(12) + delayMs)
      yield* asleepUntil(at(12) + delayMs + 1_000)
      expect(source.refused()).toBe(3)
      yield* TestClock.adjust("1 second")
      expect(yield* take(bars, 2)).toEqual([10, 11])
    })
  )

  it.scoped("end with the failure of a request", () =>
    Effect.gen(function* () {
      const { bars, ended, exchange } = yield* setUpLive
      yield* take(bars, 5)
      exchange.fail(answer("{}", 429, { "retry-after": "30" }))
      yield* asleepUntil(at(11) + delayMs)
      yield* TestClock.setTime(at(11) + delayMs)
      expect(yield* Fiber.join(ended)).toMatchObject({ kind: "rate-limited", retryAfterMs: 30_000 })
    })
  )

  it.scoped("are of all instruments that are asked for", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(at(10))
      const { exchange, source } = yield* setUp(10, { pollDelayMs: delayMs })
      exchange.setKlines("ETHUSDT", klines(0, 11))
      const { bars } = yield* liveOf(source, [bitcoin, ether])
      const first = [...(yield* Queue.takeBetween(bars, 10, 10))]
      expect(first.filter(({ instrument }) => instrument === ether.id).length).toBe(5)
    })
  )
})

describe("live bars of an exchange by WebSocket", () => {
  it.scopedLive("are given when the next candle begins, as they were last, and end with the connection", () =>
    Effect.gen(function* () {
      const { exchange, source } = yield* setUp(100, { webSocket: true })
      const { bars, ended } = yield* liveOf(source)
      expect(yield* Queue.take(exchange.received)).toContain("btcusdt@kline_1m")
      const tell = (minute: number, close: number) => exchange.tell("BTCUSDT", "1m", kline(at(minute), close))
      yield* tell(20, 100)
      yield* tell(20, 101)
      yield* tell(21, 102)
      expect(yield* Queue.take(bars)).toMatchObject({ openTime: at(20), close: 101, instrument: bitcoin.id })
      yield* tell(21, 103)
      yield* tell(22, 104)
      expect(yield* Queue.take(bars)).toMatchObject({ openTime: at(21), close: 103 })
      expect(yield* Queue.size(bars)).toBe(0)
      yield* exchange.dropAll
      expect(yield* Fiber.join(ended)).toMatchObject({ kind: "unavailable" })
    })
  )

  it.scopedLive(
    "are over when the next candle has begun, even if the clock of the exchange lags behind it",
    () =>
      Effect.gen(function* () {
        const { exchange, source } = yield* setUp(100, { webSocket: true })
        exchange.setTime(at(21) - 30_000)
        const { bars } = yield* liveOf(source)
        yield* Queue.take(exchange.received)
        yield* exchange.tell("BTCUSDT", "1m", kline(at(20), 100))
        yield* exchange.tell("BTCUSDT", "1m", kline(at(21), 101))
        expect(yield* Queue.take(bars)).toMatchObject({ openTime: at(20), closeTime: at(21), close: 100 })
      })
  )

  it.scopedLive(
    "go on after a candle that is none, or lies in the far future, and end when there are too many",
    () =>
      Effect.gen(function* () {
        const { exchange, source } = yield* setUp(100, { webSocket: true })
        const { bars, ended } = yield* liveOf(source)
        yield* Queue.take(exchange.received)
        const tell = (minute: number, open: string) =>
          exchange.tell("BTCUSDT", "1m", [at(minute), open, "9", "1", "2", "3"])
        yield* tell(20, "NaN")
        yield* until(
          Effect.zipRight(tell(1_000_000, "2"), Effect.sync(source.refused)),
          (refused) => refused > 0
        )
        yield* tell(21, "2")
        yield* tell(22, "2")
        expect(yield* Queue.take(bars)).toMatchObject({ openTime: at(21), open: 2 })
        expect(source.refused()).toBeGreaterThan(1)
        for (let minute = 23; minute < 40; minute++) yield* tell(minute, "-1")
        expect(yield* Fiber.join(ended)).toMatchObject({ kind: "malformed" })
      })
  )

  it.scopedLive("end with a message that is too large", () =>
    Effect.gen(function* () {
      const { exchange, source } = yield* setUp(100, { webSocket: true })
      const { ended } = yield* liveOf(source)
      yield* Queue.take(exchange.received)
      yield* exchange.send(JSON.stringify({ e: "kline", pad: "x".repeat(1_100_000) }))
      expect(yield* Fiber.join(ended)).toMatchObject({ kind: "unavailable" })
    })
  )

  it.scopedLive("close the connection with the stream", () =>
    Effect.gen(function* () {
      const { exchange, source } = yield* setUp(100, { webSocket: true })
      const { ended } = yield* liveOf(source)
      yield* Queue.take(exchange.received)
      expect(exchange.open()).toBeGreaterThan(0)
      yield* Fiber.interrupt(ended)
      yield* until(Effect.sync(exchange.open), (open) => open <= 1)
      const again = yield* liveOf(source)
      expect(yield* Queue.take(exchange.received)).toContain("btcusdt@kline_1m")
      yield* Fiber.interrupt(again.ended)
    })
  )
})
