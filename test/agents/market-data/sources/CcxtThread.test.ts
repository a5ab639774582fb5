import type { Worker } from "node:worker_threads"
import { afterEach, describe, expect, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { vi } from "vitest"
import { openThread } from "../../../../src/agents/market-data/sources/CcxtThread.ts"
import { standInExchange } from "../../../support/standInExchange.ts"
import { stall } from "../../../support/standInServer.ts"
import { startTime, unlimited, until } from "./sources.ts"

const workers = vi.hoisted((): Array<Worker> => [])
vi.mock("node:worker_threads", async (original) => {
  const actual = await original<typeof import("node:worker_threads")>()
  return {
    ...actual,
    Worker: class extends actual.Worker {
      constructor(...args: ConstructorParameters<typeof actual.Worker>) {
        super(...args)
        workers.push(this)
      }
    }
  }
})
afterEach(() => void workers.splice(0))

const options = {
  exchange: "binance",
  webSocket: false,
  marketTypes: ["spot"],
  requestTimeoutMs: 5_000,
  apiKey: undefined,
  secret: undefined
}
const candles = { symbol: "BTC/USDT", timeFrame: "1m", since: startTime, count: 5 }
const setUp = Effect.gen(function* () {
  const exchange = yield* standInExchange
  exchange.setTime(startTime)
  const thread = yield* openThread("main", { ...options, baseUrl: exchange.url }, unlimited)
  return { exchange, thread }
})

describe("the thread of ccxt", () => {
  it.scopedLive("is one for all calls, and is told what an exchange has", () =>
    Effect.gen(function* () {
      const { thread } = yield* setUp
      expect(workers.length).toBe(0)
      const [description, time, markets] = yield* Effect.all(
        [
          thread.call("describe", {}),
          thread.call("time", {}),
          thread.call("markets", { symbols: ["BTC/USDT", "XRP/USDT"] })
        ],
        { concurrency: "unbounded" }
      )
      expect(workers.length).toBe(1)
      expect(description.hasTime).toBe(true)
      expect(description.timeFrames).toContain("1m")
      expect(time).toBe(startTime)
      expect(markets).toMatchObject([{ symbol: "BTC/USDT", tick: 0.01, limit: 1_000 }, null])
    })
  )

  it.scopedLive("is followed by another when it ends; whoever waits hears of it", () =>
    Effect.gen(function* () {
      const { exchange, thread } = yield* setUp
      yield* thread.call("markets", { symbols: [] })
      exchange.fail(stall)
      const waiting = yield* Effect.fork(Effect.flip(thread.call("candles", candles)))
      yield* until(
        Effect.sync(() => exchange.requests.length),
        (requests) => requests === 2
      )
      yield* Effect.promise(async () => workers[0]?.terminate())
      expect(yield* Fiber.join(waiting)).toMatchObject({ kind: "unavailable", source: "main" })
      expect(yield* thread.call("candles", candles)).toEqual([])
      expect(workers.length).toBe(2)
    })
  )

  it.live("ends with its scope", () =>
    Effect.gen(function* () {
      yield* Effect.scoped(Effect.flatMap(setUp, ({ thread }) => thread.call("describe", {})))
      expect(workers[0]?.threadId).toBe(-1)
    })
  )
})
