import { describe, expect, it } from "@effect/vitest"
import { ConfigProvider, Effect, Fiber, Queue, TestClock } from "effect"
import { answer, drop, endless, type Fault, stall, standInServer } from "../../../support/standInServer.ts"
import { bitcoin, ether, historyOf, liveOf, message, minuteMs, open, startTime } from "./sources.ts"

const minuteOf = (text: string | null) => (Number(text) - startTime) / minuteMs
const linesOf = (values: ReadonlyArray<unknown>) =>
  values.map((value) => `${JSON.stringify(value)}\n`).join("")

/** A service that has a bar of every minute, and what the next requests come to instead. */
const setUp = Effect.fnUntraced(function* (more: Readonly<Record<string, unknown>> = {}) {
  const faults: Array<string | Fault> = []
  const server = yield* standInServer((url) => {
    const fault = faults.shift()
    if (fault !== undefined) return fault
    if (url.pathname === "/feed/instruments") return linesOf([bitcoin, ether])
    if (url.pathname !== "/feed/bars") return answer("", 404)
    const from = Math.ceil(minuteOf(url.searchParams.get("from")))
    const to = Math.ceil(minuteOf(url.searchParams.get("to")))
    return linesOf(Array.from({ length: to - from }, (_, i) => message(from + i)))
  })
  const source = yield* open({
    kind: "companion",
    name: "companion",
    url: `${server.url}/feed`,
    liveUrl: server.liveUrl,
    requestTimeoutMs: 300,
    ...more
  })
  return { server, source, fail: (...next: ReadonlyArray<string | Fault>) => void faults.push(...next) }
})

describe("history of a companion", () => {
  it.scopedLive("comes with its instruments, page by page", () =>
    Effect.gen(function* () {
      const { server, source } = yield* setUp()
      expect(yield* source.instruments).toEqual([bitcoin, ether])
      const bars = yield* historyOf(source, 0, 2_500)
      expect(bars.map(({ openTime }) => (openTime - startTime) / minuteMs)).toEqual(
        Array.from({ length: 2_500 }, (_, i) => i)
      )
      expect(bars[7]).toMatchObject({ source: "companion", close: 108, knownAt: startTime + 8 * minuteMs })
      expect(server.requests).toEqual([
        "GET /feed/instruments",
        ...[0, 1_000, 2_000].map((from) => {
          const to = startTime + Math.min(from + 1_000, 2_500) * minuteMs
          const at = startTime + from * minuteMs
          return `GET /feed/bars?instrument=binance%3ABTCUSDT%3Aspot&timeFrame=1m&from=${at}&to=${to}`
        })
      ])
      expect(yield* historyOf(source, 9, 9)).toEqual([])
    })
  )

  it.scopedLive("has no instrument that is not what its name says", () =>
    Effect.gen(function* () {
      const { fail, source } = yield* setUp()
      fail(linesOf([bitcoin, { ...ether, symbol: "SOLUSDT" }]))
      const error = yield* Effect.flip(source.instruments)
      expect(error.message).toContain(`line 2: ${ether.id} is not made of its venue, symbol and kind`)
    })
  )

  it.scopedLive("goes on over pages that are empty, and takes blank lines and one without an end", () =>
    Effect.gen(function* () {
      const { fail, source } = yield* setUp()
      fail("", `\n${JSON.stringify(message(1_500))}\r\n\n${JSON.stringify(message(1_501))}`)
      const bars = yield* historyOf(source, 0, 2_001)
      expect(bars.map(({ openTime }) => (openTime - startTime) / minuteMs)).toEqual([1_500, 1_501, 2_000])
    })
  )

  it.scoped("leaves out what has not closed", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(startTime + 5.5 * minuteMs)
      const { source } = yield* setUp()
      expect((yield* historyOf(source, 0, 10)).length).toBe(5)
    })
  )

  const cases: ReadonlyArray<readonly [what: string, fault: string | Fault, kind: string]> = [
    ["drops the connection", drop, "unavailable"],
    ["does not answer", stall, "stalled"],
    ["is broken", answer("", 502), "unavailable"],
    ["is asked too often", answer("", 429, { "retry-after": "3" }), "rate-limited"],
    ["knows no such thing", answer("", 404), "refused"],
    ["redirects", answer("", 307, { location: "/feed/bars" }), "unavailable"],
    ["never ends its answer", endless, "malformed"],
    ["answers with no JSON", "welcome", "malformed"],
    ["answers with a list", JSON.stringify([message(0)]), "malformed"],
    ["nests its answer", "[".repeat(2_000), "malformed"],
    ["cuts its answer off", JSON.stringify(message(0)).slice(0, -5), "malformed"],
    ["cuts its last line off", `${linesOf([message(0)])}{"instrument"`, "malformed"],
    ["gives many lines that are no bars", "{}\n".repeat(11) + linesOf([message(1)]), "malformed"]
  ]
  it.scopedLive("is without what was not asked for, or is of another instrument", () =>
    Effect.gen(function* () {
      const { fail, source } = yield* setUp()
      fail(linesOf([message(7)]), linesOf([message(0, { instrument: ether.id })]))
      expect(yield* historyOf(source, 0, 5)).toEqual([])
      expect(yield* historyOf(source, 0, 5)).toEqual([])
      expect(source.refused()).toBe(2)
      expect((yield* historyOf(source, 0, 5)).length).toBe(5)
    })
  )

  for (const [what, fault, kind] of cases) {
    it.scopedLive(`fails when the service ${what}: ${kind}`, () =>
      Effect.gen(function* () {
        const { fail, source } = yield* setUp()
        fail(fault)
        const error = yield* Effect.flip(historyOf(source, 0, 5))
        expect(error).toMatchObject({ kind, source: "companion" })
        if (kind === "rate-limited") expect(error.retryAfterMs).toBe(3_000)
        expect((yield* historyOf(source, 0, 5)).length).toBe(5)
      })
    )
  }

  it.scopedLive("comes without lines that are no bars, out of order or there twice, which are counted", () =>
    Effect.gen(function* () {
      const { fail, source } = yield* setUp()
      const odd = [
        message(0),
        "hello",
        message(2),
        message(1),
        message(2),
        message(3, { open: -1 }),
        message(4)
      ]
      fail(linesOf(odd))
      const bars = yield* historyOf(source, 0, 5)
      expect(bars.map(({ openTime }) => (openTime - startTime) / minuteMs)).toEqual([0, 2, 4])
      expect(source.refused()).toBe(4)
    })
  )

  it.scopedLive("is asked for with the token that a variable holds", () =>
    Effect.gen(function* () {
      const secrets = ConfigProvider.fromMap(new Map([["FEED_SECRET", "open sesame"]]))
      const { server, source } = yield* setUp({ secretVariable: "FEED_SECRET" }).pipe(
        Effect.withConfigProvider(secrets)
      )
      yield* source.instruments
      expect(server.headers[0]?.authorization).toBe("Bearer open sesame")
      yield* liveOf(source)
      expect(JSON.parse(yield* Queue.take(server.received))).toMatchObject({ token: "open sesame" })
    })
  )
})

describe("live bars of a companion", () => {
  const listen = Effect.fnUntraced(function* (more: Readonly<Record<string, unknown>> = {}) {
    const { server, source } = yield* setUp(more)
    const live = yield* liveOf(source)
    const hello: unknown = JSON.parse(yield* Queue.take(server.received))
    return { hello, server, source, ...live }
  })
  const text = (minute: number, more: Readonly<Record<string, unknown>> = {}) =>
    JSON.stringify(message(minute, more))

  it.scopedLive("are asked for once, and come as they are sent; of others there are none", () =>
    Effect.gen(function* () {
      const { bars, hello, server } = yield* listen()
      expect(hello).toEqual({ subscribe: { timeFrame: "1m", instruments: [bitcoin.id] } })
      yield* server.send(text(0))
      yield* server.send(text(1, { instrument: ether.id }))
      yield* server.send(JSON.stringify({ heartbeat: startTime }))
      yield* server.send(text(2, { revision: 3 }))
      const taken = [...(yield* Queue.takeBetween(bars, 2, 2))]
      expect(taken.map(({ close, revision }) => [close, revision])).toEqual([
        [101, 0],
        [103, 3]
      ])
      expect(taken[0]?.knownAt).toBeGreaterThan(startTime + minuteMs)
    })
  )

  it.scopedLive("go on after a message that is none, and end when there are too many", () =>
    Effect.gen(function* () {
      const bad = [
        "hello",
        "{}",
        text(0, { timeFrame: "5m" }),
        `"${"x".repeat(2_000_000)}"`,
        text(0, { open: -1 })
      ]
      const { bars, ended, server, source } = yield* listen()
      for (const message of bad) yield* server.send(message)
      yield* server.send(text(1))
      expect(yield* Queue.take(bars)).toMatchObject({ openTime: startTime + minuteMs })
      expect(source.refused()).toBe(bad.length)
      for (let i = 0; i < 10; i++) yield* server.send("hello")
      expect(yield* Fiber.join(ended)).toMatchObject({ kind: "malformed", source: "companion" })
    })
  )

  it.scopedLive("end with the connection, after what came before", () =>
    Effect.gen(function* () {
      const { bars, ended, server } = yield* listen()
      yield* server.send(text(0))
      yield* Queue.take(bars)
      yield* server.dropAll
      expect(yield* Fiber.join(ended)).toMatchObject({ kind: "unavailable" })
    })
  )

  it.scopedLive("end when neither bar nor heartbeat comes, and not before", () =>
    Effect.gen(function* () {
      const { ended } = yield* listen({ silentAfterMs: 150 })
      expect(yield* Fiber.join(ended)).toMatchObject({ kind: "stalled" })
    })
  )

  it.scopedLive("are not to be had where no service is, and none are where it has no address", () =>
    Effect.gen(function* () {
      const { source } = yield* setUp({ liveUrl: "ws://127.0.0.1:9/live" })
      const { ended } = yield* liveOf(source)
      expect(yield* Fiber.join(ended)).toMatchObject({ kind: "unavailable" })
      const { source: past } = yield* setUp({ liveUrl: undefined })
      expect(past.live).toBeNull()
    })
  )
})
