import { describe, expect, it, layer } from "@effect/vitest"
import { ConfigProvider, Context, Effect, Layer, Stream } from "effect"
import { InstrumentId } from "../../../../src/protocols/Instrument.ts"
import { TimeFrame } from "../../../../src/protocols/TimeFrame.ts"
import { kline, type StandInExchange, standInExchange } from "../../../support/standInExchange.ts"
import { answer, drop, endless, type Fault, stall } from "../../../support/standInServer.ts"
import { at, klineRequests, klines, minutesOf, range, settings, setUp } from "./exchange.ts"
import { bitcoin, historyOf, minuteMs, open, startTime } from "./sources.ts"

describe("instruments of an exchange", () => {
  it.scopedLive("have its steps and currency, and the name that they are given", () =>
    Effect.gen(function* () {
      const { exchange } = yield* setUp(1)
      const other = { symbol: "ETH/USDT", instrument: "venue:ETH:spot" }
      const source = yield* open(settings(exchange, { instruments: [{ symbol: "BTC/USDT" }, other] }))
      expect(source).toMatchObject({ name: "main", kind: "ccxt" })
      const [first, second] = yield* source.instruments
      expect(first).toEqual(bitcoin)
      expect(second).toMatchObject({ id: "venue:ETH:spot", venue: "venue", symbol: "ETH", lot: 0.00001 })
    })
  )

  it.scopedLive("are loaded once, however often they are asked for", () =>
    Effect.gen(function* () {
      const { exchange, source } = yield* setUp(5)
      yield* Effect.all([source.instruments, source.instruments, historyOf(source, 0, 3)], {
        concurrency: "unbounded"
      })
      yield* source.instruments
      expect(exchange.requests.filter((line) => line.includes("exchangeInfo")).length).toBe(1)
    })
  )

  it.scopedLive("are refused when the exchange has none of the name, or one twice", () =>
    Effect.gen(function* () {
      const exchange = yield* standInExchange
      const failure = (instruments: ReadonlyArray<unknown>) =>
        Effect.flatMap(open(settings(exchange, { instruments })), (source) => Effect.flip(source.instruments))
      for (const symbol of ["XRP/USDT", "__proto__"]) {
        const error = yield* failure([{ symbol }])
        expect(error).toMatchObject({ kind: "refused", source: "main", retryAfterMs: null })
        expect(error.message).toContain(`binance has no market "${symbol}"`)
      }
      const twice = yield* failure([{ symbol: "BTC/USDT" }, { symbol: "BTC/USDT" }])
      expect(twice.message).toContain("configured twice")
    })
  )

  it.scopedLive("are of an exchange that ccxt knows", () =>
    Effect.gen(function* () {
      const exchange = yield* standInExchange
      for (const [name, webSocket] of [
        ["constructor", false],
        ["exchanges", true]
      ] as const) {
        const error = yield* Effect.flip(open(settings(exchange, { exchange: name, webSocket })))
        expect(error.message).toContain(`ccxt knows no exchange "${name}"`)
      }
    })
  )
})

/** One exchange for many tests: its time stays, its candles are what each test says. */
class Shared extends Context.Tag("test/SharedExchange")<
  Shared,
  Effect.Effect.Success<ReturnType<typeof setUp>>
>() {}
const shared = Layer.scoped(Shared, setUp(3_000, { requestTimeoutMs: 1_000 }))
/** The requests for candles that an effect makes. */
const requestsOf = <A, E, R>(exchange: StandInExchange, effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const before = klineRequests(exchange).length
    return Effect.map(effect, (value) => [value, klineRequests(exchange).slice(before)] as const)
  })

layer(shared, { excludeTestServices: true })("history of an exchange", (it) => {
  it.effect("comes whole and ascending over many pages, from the first to before the last", () =>
    Effect.gen(function* () {
      const { exchange, source } = yield* Shared
      exchange.setKlines("BTCUSDT", klines(0, 3_001))
      const [bars, requests] = yield* requestsOf(exchange, historyOf(source, 20, 2_534))
      expect(minutesOf(bars)).toEqual(range(20, 2_534))
      expect(requests.length).toBe(3)
      expect(bars[0]).toEqual({
        instrument: bitcoin.id,
        timeFrame: "1m",
        openTime: at(20),
        closeTime: at(21),
        open: 1_019.5,
        high: 1_021,
        low: 1_019,
        close: 1_020,
        volume: 3,
        closeOnly: false,
        source: "main",
        sequence: at(20) / minuteMs,
        revision: 0,
        knownAt: at(21)
      })
    })
  )

  it.effect("asks for no more than it needs, and for nothing when nothing is wanted", () =>
    Effect.gen(function* () {
      const { exchange, source } = yield* Shared
      exchange.setKlines("BTCUSDT", klines(0, 50))
      const [bars, requests] = yield* requestsOf(exchange, historyOf(source, 30, 31))
      expect(minutesOf(bars)).toEqual([30])
      expect(requests[0]).toContain("limit=2")
      const [none, noRequests] = yield* requestsOf(exchange, historyOf(source, 30, 30))
      expect([none, noRequests]).toEqual([[], []])
    })
  )

  it.effect("leaves out the candle that is still moving, by the clock of the exchange", () =>
    Effect.gen(function* () {
      const { exchange, source } = yield* Shared
      exchange.setKlines("BTCUSDT", klines(2_990, 3_010))
      const [bars, requests] = yield* requestsOf(exchange, historyOf(source, 2_990, 3_100))
      expect(minutesOf(bars)).toEqual(range(2_990, 3_000))
      expect(requests.length).toBe(1)
    })
  )

  it.effect("goes on over pages that are empty, before a market began and in its pauses", () =>
    Effect.gen(function* () {
      const { exchange, source } = yield* Shared
      exchange.setKlines("BTCUSDT", klines(0, 3_000))
      exchange.fail(answer("[]"), answer("[]"))
      expect(minutesOf(yield* historyOf(source, 0, 2_500))).toEqual(range(2_000, 2_500))
    })
  )

  it.effect("is put in order where the exchange does not, of two that open together the latter", () =>
    Effect.gen(function* () {
      const { exchange, source } = yield* Shared
      exchange.setKlines("BTCUSDT", [kline(at(3), 50), kline(at(1), 51), kline(at(3), 52), kline(at(2), 53)])
      const bars = yield* historyOf(source, 1, 4)
      expect(bars.map(({ close, openTime }) => [(openTime - startTime) / minuteMs, close])).toEqual([
        [1, 51],
        [2, 53],
        [3, 52]
      ])
    })
  )

  it.effect("is refused for an instrument or a time frame that there is not", () =>
    Effect.gen(function* () {
      const { source } = yield* Shared
      const stranger = { ...bitcoin, id: InstrumentId.make("binance:XRPUSDT:spot") }
      const error = yield* Effect.flip(historyOf(source, 0, 5, stranger))
      expect(error).toMatchObject({ kind: "refused" })
      expect(error.message).toContain("not among its instruments")
      const odd = { instrument: bitcoin, timeFrame: TimeFrame.make("7m"), from: at(0), to: at(7) }
      const unknown = yield* Effect.flip(Stream.runDrain(source.history?.(odd) ?? Stream.empty))
      expect(unknown.message).toContain("binance has no bars of 7m")
    })
  )
})

describe("the secret of an exchange", () => {
  const openWith = (secret: string) =>
    Effect.gen(function* () {
      const exchange = yield* standInExchange
      yield* open(settings(exchange, { secretVariable: "FEED_SECRET" }))
    }).pipe(Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["FEED_SECRET", secret]]))))

  it.scopedLive("is refused without its key or its secret, and never repeated", () =>
    Effect.gen(function* () {
      for (const half of ["open-sesame", "open-sesame:", ":open-sesame"]) {
        const error = yield* Effect.flip(openWith(half))
        expect(error).toMatchObject({ kind: "refused", source: "main" })
        expect(error.message).toContain("KEY:SECRET")
        expect(JSON.stringify(error)).not.toContain("sesame")
      }
      yield* openWith("key:secret:with:colons")
    })
  )
})

layer(shared, { excludeTestServices: true })("an exchange that fails", (it) => {
  /** What comes of a fault; after it the exchange is well again at once. */
  const failureOf = Effect.fnUntraced(function* ({ exchange, source }: typeof Shared.Service, fault: Fault) {
    exchange.setKlines("BTCUSDT", klines(0, 10))
    exchange.fail(fault)
    const error = yield* Effect.flip(historyOf(source, 0, 5))
    expect(error.source).toBe("main")
    expect(minutesOf(yield* historyOf(source, 0, 5))).toEqual(range(0, 5))
    return error
  })
  const cases: ReadonlyArray<readonly [what: string, fault: Fault, kind: string]> = [
    ["drops the connection", drop, "unavailable"],
    ["does not answer", stall, "stalled"],
    ["is broken", answer("{}", 500), "unavailable"],
    ["is being repaired", answer("<html>", 503), "unavailable"],
    ["is asked too often", answer('{"code":-1003,"msg":"Too many requests."}', 429), "rate-limited"],
    ["knows no such symbol", answer('{"code":-1121,"msg":"Invalid symbol."}', 400), "refused"],
    ["redirects", answer("", 302, { location: "http://127.0.0.1:1/" }), "unavailable"],
    ["answers with half of its JSON", answer("[[1700000000000,"), "malformed"],
    ["answers with no JSON", answer("<html>welcome</html>"), "malformed"],
    ["answers with nothing", answer(""), "malformed"],
    ["never ends its answer", endless, "malformed"],
    ["nests its answer deeply", answer("[".repeat(100_000)), "malformed"],
    ["poisons its answer", answer('[{"__proto__":{"polluted":1}}]'), "malformed"]
  ]
  const strange: ReadonlyArray<readonly [what: string, rows: string]> = [
    ["are other things", '["a"]'],
    ["have no prices", `[[${at(1)}]]`],
    ["have a price of NaN", JSON.stringify([[at(1), "NaN", "2", "1", "1.5", "3"]])],
    ["have a price beyond numbers", JSON.stringify([[at(1), "1e999", "2", "1", "1.5", "3"]])],
    ["have a price of nothing", JSON.stringify([[at(1), "0", "2", "0", "1.5", "3"]])],
    ["have a low above the high", JSON.stringify([[at(1), "1", "1", "2", "1", "3"]])],
    ["have a negative volume", JSON.stringify([[at(1), "1", "2", "1", "1", "-3"]])]
  ]
  it.effect("has its strange candles refused, counted, and none of them given", () =>
    Effect.gen(function* () {
      const { exchange, source } = yield* Shared
      for (const [what, rows] of strange) {
        const before = source.refused()
        exchange.fail(answer(rows))
        const given = minutesOf(yield* historyOf(source, 1, 2))
        expect([what, given, source.refused() - before]).toEqual([what, [], 1])
        expect(minutesOf(yield* historyOf(source, 1, 2))).toEqual([1])
      }
    })
  )

  it.effect("says how, whatever it does, and is read again when it is well", () =>
    Effect.gen(function* () {
      const running = yield* Shared
      for (const [what, fault, kind] of cases) {
        const error = yield* failureOf(running, fault)
        expect([what, error.kind]).toEqual([what, kind])
      }
    })
  )

  it.effect("says when it may be asked again, within reason", () =>
    Effect.gen(function* () {
      const running = yield* Shared
      const wait = (retryAfter: string, status: number) =>
        Effect.map(failureOf(running, answer("{}", status, { "retry-after": retryAfter })), (error) => [
          error.kind,
          error.retryAfterMs
        ])
      expect(yield* wait("7", 429)).toEqual(["rate-limited", 7_000])
      expect(yield* wait("2", 418)).toEqual(["rate-limited", 2_000])
      expect(yield* wait("5", 503)).toEqual(["unavailable", 5_000])
      expect(yield* wait("99999999999", 429)).toEqual(["rate-limited", 3_600_000])
      expect(yield* wait("soon", 429)).toEqual(["rate-limited", null])
      expect(yield* wait("-1", 429)).toEqual(["rate-limited", null])
    })
  )

  it.effect("is not reached, and says so in a sentence", () =>
    Effect.gen(function* () {
      const { exchange } = yield* Shared
      const source = yield* open(
        settings(exchange, { baseUrl: "http://127.0.0.1:9", requestTimeoutMs: 2_000 })
      )
      const error = yield* Effect.flip(source.instruments)
      expect(error.kind).toBe("unavailable")
      expect(error.message).toMatch(/^The bar source main is unavailable: .+\.$/)
    }).pipe(Effect.scoped)
  )
})
