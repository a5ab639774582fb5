import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, TestClock } from "effect"
import { makeRateBudget, type RateBudget } from "../../../../src/agents/market-data/RateBudget.ts"
import { answer } from "../../../support/standInServer.ts"
import { at, klines, settings, setUp } from "./exchange.ts"
import { asleepUntil, historyOf, minuteMs, open, until } from "./sources.ts"

describe("the requests to an exchange", () => {
  it.scopedLive("are each within the budget, and go by one connection", () =>
    Effect.gen(function* () {
      let permits = 0
      const counting: RateBudget = {
        withPermit: (request) =>
          Effect.zipRight(
            Effect.sync(() => {
              permits++
            }),
            request
          )
      }
      const { exchange, source } = yield* setUp(1_300, {}, counting)
      yield* historyOf(source, 0, 1_200)
      // The markets, the time and two pages.
      expect([permits, exchange.requests.length]).toEqual([4, 4])
      expect(exchange.connections()).toBe(1)
      // Each kind of market by a request of its own, and what failed and is asked again.
      exchange.fail(answer("{}", 503))
      const other = yield* open(settings(exchange, { marketTypes: ["spot", "linear"] }), counting)
      yield* Effect.flip(historyOf(other, 0, 5))
      yield* historyOf(other, 0, 5)
      expect(exchange.requests.filter((line) => line.includes("exchangeInfo")).length).toBe(3)
      expect(permits).toBe(exchange.requests.length)
    })
  )

  it.scoped("leave when the budget lets them, however long that takes", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(at(3_000))
      const budget = yield* makeRateBudget(2)
      const { exchange, source } = yield* setUp(3_000, {}, budget)
      const reading = yield* Effect.fork(historyOf(source, 0, 1_200))
      const left = (count: number) =>
        until(
          Effect.sync(() => exchange.requests.length),
          (requests) => requests >= count
        )
      // The markets, the time and two pages: one at once, and one a minute.
      for (const count of [1, 2, 3, 4]) {
        yield* left(count)
        if (count === 4) break
        yield* asleepUntil(at(3_000 + count))
        expect(exchange.requests.length).toBe(count)
        yield* TestClock.adjust(minuteMs)
      }
      expect((yield* Fiber.join(reading)).length).toBe(1_200)
    })
  )

  it.scoped("for the time are made again after a while, and need no answer then", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(at(10))
      const { exchange, source } = yield* setUp(10)
      exchange.setKlines("BTCUSDT", klines(0, 60))
      const closed = Effect.map(historyOf(source, 0, 60), (bars) => bars.length)
      const times = () => exchange.requests.filter((line) => line.includes("/time")).length
      expect([yield* closed, times()]).toEqual([10, 1])
      exchange.setTime(Number.NaN)
      yield* TestClock.adjust(9 * minuteMs)
      expect([yield* closed, times()]).toEqual([19, 1])
      yield* TestClock.adjust(2 * minuteMs)
      expect([yield* closed, times()]).toEqual([21, 2])
      expect([yield* closed, times()]).toEqual([21, 2])
      // By its own clock it is earlier than that.
      exchange.setTime(at(15))
      yield* TestClock.adjust(minuteMs)
      expect([yield* closed, times()]).toEqual([15, 3])
    })
  )

  it.scoped("give up their place in the budget with whoever gives up the call", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(at(3_000))
      let waiting = 0
      let isShut = false
      const gate: RateBudget = {
        withPermit: (request) =>
          isShut
            ? Effect.acquireUseRelease(
                Effect.sync(() => waiting++),
                () => Effect.never,
                () => Effect.sync(() => waiting--)
              )
            : request
      }
      const { source } = yield* setUp(3_000, {}, gate)
      yield* historyOf(source, 0, 5)
      isShut = true
      const given = yield* Effect.fork(historyOf(source, 0, 5))
      yield* until(
        Effect.sync(() => waiting),
        (count) => count === 1
      )
      yield* Fiber.interrupt(given)
      expect(waiting).toBe(0)
      isShut = false
      expect((yield* historyOf(source, 0, 5)).length).toBe(5)
    })
  )
})
