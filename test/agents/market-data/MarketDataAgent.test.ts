import { describe, expect, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { empty, evolve } from "../../../src/agents/market-data/FeedFold.ts"
import type { NodeContext } from "../../../src/agents/NodeContext.ts"
import type { Bar } from "../../../src/protocols/Bar.ts"
import type { Bus } from "../../../src/runtime/Bus.ts"
import type { DeadLetters } from "../../../src/runtime/DeadLetters.ts"
import type { Journal } from "../../../src/runtime/Journal.ts"
import type { Leases } from "../../../src/runtime/Leases.ts"
import type { Store } from "../../../src/runtime/Store.ts"
import { instrumentOf } from "../feedEvents.ts"
import { nodeServices } from "../nodeServices.ts"
import { life, settlers, written } from "./agentLife.ts"
import { barAt, frameMs, startTime } from "./chains.ts"
import { liveFeedOf, scriptedSource, whole } from "./scriptedSource.ts"

type Services = Bus | DeadLetters | Journal | Leases | NodeContext | Store | Scope.Scope
const alpha = instrumentOf("ALPHA")
const instruments = [alpha]

const check = (name: string, body: Effect.Effect<void, unknown, Services>) =>
  it.scopedLive(name, () => Effect.provide(body, nodeServices()))

describe("the market-data agent with a live feed", () => {
  check(
    "journals hand-overs before the bars that came of them, and goes on with the source that led",
    Effect.gen(function* () {
      yield* settlers
      const a = scriptedSource("a", { instruments })
      const b = scriptedSource("b", { instruments, history: whole })
      const changes = { "marketData.live.handOverMs": 100, "marketData.live.barrierMs": 200 }
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
    "publishes late and corrected bars once, in whichever of its lives they come",
    Effect.gen(function* () {
      yield* settlers
      const beta = instrumentOf("BETA")
      const changes = { "marketData.live.handOverMs": 50, "marketData.live.barrierMs": 100 }
      const feedOf = (source: ReturnType<typeof scriptedSource>) => liveFeedOf([source], changes)
      // Its adapter counts the revisions.
      const a = scriptedSource("a", { instruments: [alpha, beta], history: whole, kind: "ccxt" })
      const first = yield* life(yield* feedOf(a))
      const warmUp = yield* written(4)
      yield* a.connected
      const last = warmUp[3]
      if (last?.type !== "BarsClosed") throw new Error("no bars")
      const index = (last.payload.asOf - startTime) / frameMs
      const of = (instrument: typeof alpha, changes: Partial<Bar>) =>
        barAt(index, { instrument: instrument.id, ...changes })
      yield* a.give(of(alpha, { close: 10 }))
      const alone = (yield* written(5))[4]
      expect(alone).toMatchObject({ type: "BarsClosed", payload: { bars: [{ instrument: alpha.id }] } })
      // The one that was late for its as-of, then two reports of what was published, one of them twice.
      yield* a.give(of(beta, { close: 20 }))
      const late = (yield* written(6))[5]
      expect(late).toMatchObject({
        type: "BarsCorrected",
        payload: { bars: [{ instrument: beta.id, close: 20, revision: 0 }] }
      })
      yield* a.give(of(alpha, { close: 11, revision: 1 }))
      yield* a.give(of(alpha, { close: 11, revision: 1 }), of(beta, { close: 20 }))
      const corrected = (yield* written(7))[6]
      expect(corrected).toMatchObject({
        type: "BarsCorrected",
        payload: { bars: [{ instrument: alpha.id, close: 11, revision: 1 }] }
      })
      for (const event of [late, corrected]) {
        if (event?.type !== "BarsCorrected") throw new Error("no correction")
        expect(event.payload.asOf).toBeGreaterThan(last.payload.asOf + frameMs)
        expect(event.knownAt).toBe(event.payload.asOf)
        for (const bar of event.payload.bars) expect(bar.knownAt).toBe(event.payload.asOf)
      }
      expect(yield* first.state).toMatchObject({ corrections: 2, barsMissing: 1, published: 4 })
      yield* first.end

      // Another life, whose source counts revisions anew.
      const second = yield* life(yield* feedOf(a))
      yield* a.connected
      yield* a.give(of(alpha, { close: 11 }), of(alpha, { close: 10 }), of(beta, { close: 20 }))
      yield* a.give(of(beta, { close: 21 }))
      const again = (yield* written(8))[7]
      expect(again).toMatchObject({
        type: "BarsCorrected",
        payload: { bars: [{ instrument: beta.id, close: 21, revision: 1 }] }
      })
      yield* a.give(...[alpha, beta].map(({ id }) => barAt(index + 1, { instrument: id })))
      const events = yield* written(9)
      expect(events[8]).toMatchObject({ type: "BarsClosed", payload: { index: 4 } })
      expect(new Set(events.map(({ id }) => id)).size).toBe(9)
      yield* second.end
    })
  )

  check(
    "says once more of a run that was opened without it that it is live, and says it once",
    Effect.gen(function* () {
      yield* settlers
      const a = scriptedSource("a", { instruments, history: whole })
      const before = yield* life({ ...(yield* liveFeedOf([a])), isLive: false })
      yield* a.connected
      const warmUp = yield* written(4)
      expect(warmUp[0]?.payload).not.toHaveProperty("isLive")
      yield* before.end
      for (const lives of [1, 2]) {
        const { end, state } = yield* life(yield* liveFeedOf([a]))
        yield* a.connected
        const events = yield* written(5)
        expect(events[4]).toMatchObject({ type: "FeedOpened", payload: { isLive: true } })
        expect(new Set(events.map(({ id }) => id)).size).toBe(5)
        expect(yield* state).toMatchObject({ published: 3 })
        if (lives === 2) {
          const last = warmUp[3]
          if (last?.type !== "BarsClosed") throw new Error("no bars")
          yield* a.give(barAt((last.payload.asOf - startTime) / frameMs))
          expect((yield* written(6))[5]?.type).toBe("BarsClosed")
        }
        yield* end
      }
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
