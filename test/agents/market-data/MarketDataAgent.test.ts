import { RpcGroup } from "@effect/rpc"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Deferred, Effect, Fiber, type Scope, Stream } from "effect"
import type { Feed } from "../../../src/agents/market-data/Feed.ts"
import { empty, evolve } from "../../../src/agents/market-data/FeedFold.ts"
import * as MarketDataAgent from "../../../src/agents/market-data/MarketDataAgent.ts"
import { callAgent, type NodeContext, serveAgent } from "../../../src/agents/NodeContext.ts"
import { barsEvents, barsStream } from "../../../src/protocols/Bar.ts"
import { SettleAccount } from "../../../src/protocols/rpc/BrokerRpcs.ts"
import { MarketDataRpcs } from "../../../src/protocols/rpc/MarketDataRpcs.ts"
import { Settle } from "../../../src/protocols/rpc/OrchestratorRpcs.ts"
import * as EventType from "../../../src/protocols/wire/EventType.ts"
import { sequenceZero } from "../../../src/protocols/wire/Ids.ts"
import type { Bus } from "../../../src/runtime/Bus.ts"
import type { DeadLetters } from "../../../src/runtime/DeadLetters.ts"
import { Journal } from "../../../src/runtime/Journal.ts"
import type { Leases } from "../../../src/runtime/Leases.ts"
import type { Store } from "../../../src/runtime/Store.ts"
import { instrumentOf } from "../feedEvents.ts"
import { nodeServices, startAgent } from "../nodeServices.ts"
import { barAt, frameMs, startTime } from "./chains.ts"
import { liveFeedOf, scriptedSource, whole } from "./scriptedSource.ts"

type Services = Bus | DeadLetters | Journal | Leases | NodeContext | Store | Scope.Scope
const alpha = instrumentOf("ALPHA")
const instruments = [alpha]

/** Those who settle as-ofs, as quick as can be. */
const settlers = Effect.gen(function* () {
  const orchestrator = RpcGroup.make(Settle)
  const broker = RpcGroup.make(SettleAccount)
  const settled = { decisionsSequence: 0, decisions: 0, abstentions: 0 }
  yield* Effect.provide(
    serveAgent(orchestrator, "orchestrator"),
    orchestrator.toLayer({ Settle: () => Effect.succeed(settled) })
  )
  yield* Effect.provide(
    serveAgent(broker, "broker"),
    broker.toLayer({ SettleAccount: () => Effect.succeed({ asOf: null, fills: 0 }) })
  )
})

const life = (feed: Feed) =>
  Effect.gen(function* () {
    const ended = yield* Deferred.make<void>()
    const fiber = yield* Effect.provideService(startAgent(MarketDataAgent.run), MarketDataAgent.FeedSource, {
      feed,
      ended
    })
    const { Feed: ask } = yield* callAgent(MarketDataRpcs, "market-data")
    return { state: ask({}), end: Fiber.interrupt(fiber) }
  })

/** The events of the journal, once there are so many. */
const written = (count: number) =>
  Effect.gen(function* () {
    const journal = yield* Journal
    const decode = EventType.decoder(barsEvents)
    const records = yield* Stream.runCollect(Stream.take(journal.tail(barsStream, sequenceZero), count))
    return Chunk.toReadonlyArray(records).map(({ data }) => {
      const event = decode(data)
      if (event._tag === "Left") throw new Error(event.left.reason)
      return event.right
    })
  })

const check = (name: string, body: Effect.Effect<void, unknown, Services>) =>
  it.scopedLive(name, () => Effect.provide(body, nodeServices()))

describe("the market-data agent with a live feed", () => {
  check(
    "journals hand-overs before the bars that came of them, and goes on with the source that led",
    Effect.gen(function* () {
      yield* settlers
      const a = scriptedSource("a", { instruments })
      const b = scriptedSource("b", { instruments, history: whole })
      const changes = { "marketData.live.handOverMs": 100, "marketData.live.barrierMs": 100 }
      const first = yield* life(yield* liveFeedOf([a, b], changes))
      const warmUp = yield* written(4)
      yield* Effect.all([a.connected, b.connected])
      expect(warmUp.map(({ type }) => type)).toEqual(["FeedOpened", "BarsClosed", "BarsClosed", "BarsClosed"])
      const last = warmUp[3]
      if (last?.type !== "BarsClosed") throw new Error("no bars")
      expect(last.payload).toMatchObject({ index: 2, warmUp: true })
      // The bars that close next: within what a clock may be ahead, so that nobody has to wait for them.
      const index = (last.payload.asOf - startTime) / frameMs
      yield* a.give(barAt(index))
      yield* written(5)
      yield* a.fail({ retryAfterMs: 60_000 })
      yield* b.give(barAt(index), barAt(index + 1, { close: 90 }))
      const events = yield* written(7)
      expect(events.slice(4).map(({ type }) => type)).toEqual(["BarsClosed", "FeedHandedOver", "BarsClosed"])
      expect(events[5]?.payload).toMatchObject({ from: "a", to: "b" })
      expect(events[6]?.payload).toMatchObject({
        index: 4,
        warmUp: false,
        bars: [{ source: "b", close: 90 }]
      })
      expect(new Set(events.map(({ id }) => id)).size).toBe(events.length)
      expect(yield* first.state).toMatchObject({
        handOvers: 1,
        published: 5,
        sources: [
          { name: "a", role: "standby", state: "down" },
          { name: "b", role: "active", state: "well" }
        ]
      })
      expect(events.reduce(evolve, empty)).toMatchObject({ active: "b", handOvers: 1, next: 5 })
      yield* first.end

      const second = yield* life(yield* liveFeedOf([a, b], changes))
      yield* b.connected
      yield* b.give(barAt(index + 2))
      const more = yield* written(8)
      expect(more[7]).toMatchObject({ type: "BarsClosed", payload: { index: 5, bars: [{ source: "b" }] } })
      expect(yield* second.state).toMatchObject({
        handOvers: 1,
        sources: [{ role: "standby" }, { name: "b", role: "active" }]
      })
      yield* second.end
    })
  )

  check(
    "lets the bars of the real world age from their close on",
    Effect.gen(function* () {
      yield* settlers
      const a = scriptedSource("a", { instruments, history: whole })
      const { end } = yield* life(yield* liveFeedOf([a]))
      for (const event of yield* written(4)) {
        if (event.type === "BarsClosed") expect(event.knownAt).toBe(event.payload.asOf)
      }
      yield* end
    })
  )
})
