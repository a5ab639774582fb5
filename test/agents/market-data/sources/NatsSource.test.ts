import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Queue } from "effect"
import { connect } from "nats"
import { barSubject } from "../../../../src/agents/market-data/sources/NatsSource.ts"
import { InstrumentId } from "../../../../src/protocols/Instrument.ts"
import { natsServer } from "../../../support/natsServer.ts"
import { bitcoin, ether, listed, liveOf, message, oneMinute, open, startTime, until } from "./sources.ts"

const subject = barSubject(bitcoin.id, oneMinute)
const settings = (url: string, more: Readonly<Record<string, unknown>> = {}) => ({
  kind: "nats",
  name: "subjects",
  url,
  instruments: [bitcoin, ether].map(listed),
  requestTimeoutMs: 1_000,
  ...more
})

const setUp = Effect.fnUntraced(function* (more: Readonly<Record<string, unknown>> = {}) {
  const server = yield* natsServer
  const publisher = yield* Effect.acquireRelease(
    Effect.promise(() => connect({ servers: server.url.replace("nats://", ""), reconnect: false })),
    (connection) => Effect.promise(() => connection.close())
  )
  const source = yield* open(settings(server.url, more))
  const live = yield* liveOf(source, [bitcoin, ether])
  const publish = (to: string, text: string | Uint8Array) =>
    Effect.promise(async () => {
      publisher.publish(to, typeof text === "string" ? Buffer.from(text) : text)
      await publisher.flush()
    })
  // Until it is heard for the first time nobody may have listened.
  const firstBar = until(
    Effect.zipRight(publish(subject, JSON.stringify(message(0))), Queue.size(live.bars)),
    (size) => size > 0
  )
  yield* firstBar
  const first = yield* Queue.take(live.bars)
  /** What was published while nobody was known to listen may have come more than once. */
  const next = until(Queue.take(live.bars), ({ openTime }) => openTime > startTime)
  return { first, next, publish, server, source, ...live }
})

describe("bars from NATS", () => {
  it.scoped("have subjects whose tokens hold what a subject may hold, and no history", () =>
    Effect.gen(function* () {
      expect(subject).toBe("bars.binance.BTCUSDT.spot.1m")
      const odd = (id: string) => barSubject(InstrumentId.make(id), oneMinute)
      expect(odd("nyse:BRK.B:equity")).toBe("bars.nyse.BRK=2eB.equity.1m")
      expect(odd("a-b:EUR/USD:fx")).toBe("bars.a-b.EUR=2fUSD.fx.1m")
      expect(odd("cboe:^VIX:index")).toBe("bars.cboe.=5eVIX.index.1m")
      const source = yield* open(settings("nats://127.0.0.1:1"))
      expect(source).toMatchObject({ name: "subjects", kind: "nats", history: null })
      expect(yield* source.instruments).toEqual([bitcoin, ether])
    })
  )

  it.scopedLive("come as they are published, by the subject of their instrument", () =>
    Effect.gen(function* () {
      const { first, next, publish } = yield* setUp()
      expect(first).toMatchObject({ source: "subjects", instrument: bitcoin.id, close: 101 })
      yield* publish(subject, JSON.stringify(message(1)))
      expect(yield* next).toMatchObject({ openTime: startTime + 60_000 })
      yield* publish("bars.binance.SOLUSDT.spot.1m", JSON.stringify(message(1)))
      yield* publish(barSubject(ether.id, oneMinute), JSON.stringify(message(2, { instrument: ether.id })))
      expect(yield* next).toMatchObject({ instrument: ether.id })
    })
  )

  it.scopedLive("go on after messages that are no bars of the subject, and end when there are too many", () =>
    Effect.gen(function* () {
      const bad = ["", "[", JSON.stringify(message(1, { timeFrame: "5m" })), Buffer.alloc(500_000, 0x5b)]
      const { ended, next, publish, source } = yield* setUp()
      for (const text of bad) yield* publish(subject, text)
      yield* publish(subject, JSON.stringify(message(1)))
      expect(yield* next).toMatchObject({ openTime: startTime + 60_000 })
      expect(source.refused()).toBe(bad.length)
      for (let i = 0; i < 10; i++) yield* publish(subject, "[")
      const error = yield* Fiber.join(ended)
      expect(error).toMatchObject({ kind: "malformed", source: "subjects" })
      expect(error.message).toContain(subject)
    })
  )

  it.scopedLive("end when the server dies", () =>
    Effect.gen(function* () {
      const { ended, server } = yield* setUp()
      yield* server.kill
      expect(yield* Fiber.join(ended)).toMatchObject({ kind: "unavailable", source: "subjects" })
    })
  )

  it.scopedLive("end when the server has stopped and the connection stands", () =>
    Effect.gen(function* () {
      const { ended, server } = yield* setUp({ silentAfterMs: 300 })
      yield* server.signal("SIGSTOP")
      expect(yield* Fiber.join(ended)).toMatchObject({ kind: "unavailable" })
    })
  )

  it.scopedLive("are not to be had where no server is, or one that does not answer", () =>
    Effect.gen(function* () {
      const nobody = yield* liveOf(yield* open(settings("nats://127.0.0.1:9")))
      expect(yield* Fiber.join(nobody.ended)).toMatchObject({ kind: "unavailable" })
      const server = yield* natsServer
      yield* server.signal("SIGSTOP")
      const silent = yield* liveOf(yield* open(settings(server.url, { requestTimeoutMs: 200 })))
      expect(yield* Fiber.join(silent.ended)).toMatchObject({ kind: "unavailable" })
    })
  )
})
