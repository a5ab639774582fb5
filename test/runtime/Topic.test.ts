import { describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, Fiber, Layer, Metric, type Scope, Stream } from "effect"
import * as EventType from "../../src/protocols/wire/EventType.ts"
import { Bus } from "../../src/runtime/Bus.ts"
import { DeadLetters } from "../../src/runtime/DeadLetters.ts"
import * as InProcessBus from "../../src/runtime/InProcessBus.ts"
import * as Topic from "../../src/runtime/Topic.ts"
import { Closed, Deposited, DepositedLater, deposit, run } from "../support/deposits.ts"

const deposits = Topic.make("deposits", Deposited)

const subscribe = (capacityMax = 1_000) => Topic.subscribe(deposits, { run, capacityMax })

/** Dropped so far, in all tests of this process. */
const dropped = Effect.map(
  Metric.value(Metric.tagged(Topic.droppedEvents, "topic", deposits.name)),
  ({ count }) => count
)

const publish = (id: string, token?: string) => Topic.publish(deposits, deposit(id, 1), token)

const check = (name: string, effect: Effect.Effect<void, unknown, Bus | DeadLetters | Scope.Scope>) =>
  it.scoped(name, () => Effect.provide(effect, Layer.merge(InProcessBus.layer, DeadLetters.layerMemory(10))))

const take = <E>(stream: Stream.Stream<{ readonly id: string }, E>, count: number) =>
  Effect.map(Stream.runCollect(Stream.take(stream, count)), (events) =>
    Chunk.toReadonlyArray(events).map(({ id }) => id)
  )

describe("Topic", () => {
  check(
    "carries typed events to everyone who listens, in their order",
    Effect.gen(function* () {
      const both = [yield* subscribe(), yield* subscribe()] as const
      for (const id of ["a", "b", "c"]) yield* publish(id)
      for (const stream of both) expect(yield* take(stream, 3)).toEqual(["a", "b", "c"])
    })
  )

  check(
    "is heard under any token, and under none",
    Effect.gen(function* () {
      const stream = yield* subscribe()
      yield* publish("plain")
      yield* publish("of-one", "one")
      yield* publish("of-two", "two")
      expect([...(yield* take(stream, 3))].sort()).toEqual(["of-one", "of-two", "plain"])
    })
  )

  check(
    "drops and counts what a subscriber has no room for, and keeps what came first",
    Effect.gen(function* () {
      const before = yield* dropped
      const slow = yield* subscribe(3)
      const quick = yield* subscribe()
      for (let i = 0; i < 10; i++) yield* publish(`${i}`)
      expect((yield* dropped) - before).toBe(7)
      expect(yield* take(slow, 3)).toEqual(["0", "1", "2"])
      expect((yield* take(quick, 10)).length).toBe(10)
    })
  )

  check(
    "makes dead letters of what is no event of its own, and goes on",
    Effect.gen(function* () {
      const { publish: publishBytes } = yield* Bus
      const letters = yield* DeadLetters
      const stream = yield* subscribe()
      const subject = "conclave.v1.test.topic.deposits"
      const { payload: _, ...header } = deposit("x", 1)
      yield* publishBytes(subject, Buffer.from("{"))
      yield* publishBytes(subject, EventType.encode(Closed, { ...header, payload: {} }))
      yield* publishBytes(
        `${subject}.one`,
        EventType.encode(DepositedLater, { ...header, payload: { cents: 1 } })
      )
      yield* publish("good")
      expect(yield* take(stream, 1)).toEqual(["good"])
      expect(yield* letters.count).toBeGreaterThanOrEqual(2)
      const all = yield* letters.latest(10)
      expect(all.every(({ consumer }) => consumer === "topic.deposits")).toBe(true)
      expect(all.some(({ reason }) => reason.includes('no event type "closed"'))).toBe(true)
    })
  )

  check(
    "is heard until the scope closes, and no longer",
    Effect.gen(function* () {
      const before = yield* dropped
      yield* Effect.scoped(
        Effect.gen(function* () {
          const stream = yield* subscribe(1)
          const listening = yield* Effect.fork(take(stream, 1))
          yield* publish("heard")
          expect(yield* Fiber.join(listening)).toEqual(["heard"])
        })
      )
      for (let i = 0; i < 5; i++) yield* publish(`${i}`)
      expect(yield* dropped).toBe(before)
    })
  )
})
