import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Ref, Request } from "effect"
import * as Agent from "../../src/runtime/Agent.ts"

class Add extends Request.TaggedClass("Add")<number, never, { readonly by: number }> {}
class Divide extends Request.TaggedClass("Divide")<number, "division by zero", { readonly by: number }> {}
class Explode extends Request.TaggedClass("Explode")<void, never, { readonly _?: never }> {}
class Wait extends Request.TaggedClass("Wait")<void, never, { readonly gate: Gate }> {}

interface Gate {
  readonly entered: Deferred.Deferred<void>
  readonly opened: Deferred.Deferred<void>
}

const makeGate = Effect.all({ entered: Deferred.make<void>(), opened: Deferred.make<void>() })

type Command = Add | Divide | Explode | Wait

const calculator = (total: Ref.Ref<number>): Agent.Behaviour<Command> => ({
  Add: ({ by }) => Ref.updateAndGet(total, (n) => n + by),
  Divide: ({ by }) => (by === 0 ? Effect.fail("division by zero") : Ref.updateAndGet(total, (n) => n / by)),
  Explode: () => Effect.dieMessage("bug"),
  Wait: ({ gate }) => Effect.zipRight(Deferred.succeed(gate.entered, undefined), Deferred.await(gate.opened))
})

const start = (mailboxCapacityMax = 8) =>
  Effect.gen(function* () {
    const agent = yield* Agent.make<Command>({ name: "calculator", mailboxCapacityMax })
    const total = yield* Ref.make(0)
    const life = yield* Effect.fork(agent.live(calculator(total)))
    return { agent, total, life }
  })

describe("Agent", () => {
  it.effect("carries out commands one after the other and answers each", () =>
    Effect.gen(function* () {
      const { agent } = yield* start(200)
      const answers = yield* Effect.forEach(
        Array.from({ length: 100 }),
        () => agent.ask(new Add({ by: 1 })),
        {
          concurrency: "unbounded"
        }
      )
      expect(answers).toEqual(Array.from({ length: 100 }, (_, i) => i + 1))
    })
  )

  it.effect("answers a failing command with its failure and lives on", () =>
    Effect.gen(function* () {
      const { agent, life } = yield* start()
      expect(yield* Effect.flip(agent.ask(new Divide({ by: 0 })))).toBe("division by zero")
      expect(yield* agent.ask(new Add({ by: 2 }))).toBe(2)
      expect(life.unsafePoll()).toBeNull()
    })
  )

  it.effect("refuses commands beyond its mailbox, and counts them", () =>
    Effect.gen(function* () {
      const { agent } = yield* start(2)
      const gate = yield* makeGate
      const first = yield* Effect.fork(agent.ask(new Wait({ gate })))
      yield* Deferred.await(gate.entered)
      const waiting = yield* Effect.forEach([1, 2], () => Effect.fork(agent.ask(new Add({ by: 1 }))))
      yield* Effect.yieldNow()
      const error = yield* Effect.flip(agent.ask(new Add({ by: 1 })))
      expect(error).toMatchObject({ _tag: "Overloaded", agent: "calculator", call: "Add", limit: 2 })
      expect(agent.mailbox()).toEqual({ waiting: 2, capacity: 2, refused: 1 })
      yield* Deferred.succeed(gate.opened, undefined)
      yield* Fiber.join(first)
      expect(yield* Fiber.joinAll(waiting)).toEqual([1, 2])
      expect(agent.mailbox().waiting).toBe(0)
    })
  )

  it.effect("lets a durable consumer wait for room instead", () =>
    Effect.gen(function* () {
      const { agent } = yield* start(1)
      const gate = yield* makeGate
      yield* Effect.fork(agent.ask(new Wait({ gate })))
      yield* Deferred.await(gate.entered)
      const submitted = yield* Effect.forEach([1, 2, 3], () => Effect.fork(agent.submit(new Add({ by: 1 }))))
      yield* Effect.yieldNow()
      yield* Deferred.succeed(gate.opened, undefined)
      expect(yield* Fiber.joinAll(submitted)).toEqual([1, 2, 3])
    })
  )

  it.effect("answers what was in hand when it crashed and keeps what waits for its next life", () =>
    Effect.gen(function* () {
      const { agent, life, total } = yield* start()
      const gate = yield* makeGate
      yield* Effect.fork(agent.ask(new Wait({ gate })))
      yield* Deferred.await(gate.entered)
      const doomed = yield* Effect.fork(Effect.flip(agent.ask(new Explode({}))))
      const survivor = yield* Effect.fork(agent.ask(new Add({ by: 5 })))
      yield* Effect.yieldNow()
      yield* Deferred.succeed(gate.opened, undefined)
      expect(yield* Fiber.join(doomed)).toMatchObject({ _tag: "AgentCrashed", call: "Explode" })
      expect(Exit.isFailure(yield* Fiber.await(life))).toBe(true)
      yield* Effect.fork(agent.live(calculator(total)))
      expect(yield* Fiber.join(survivor)).toBe(5)
    })
  )

  it.effect("drains: refuses what comes, finishes what waits, then ends", () =>
    Effect.gen(function* () {
      const { agent, life } = yield* start()
      const gate = yield* makeGate
      const first = yield* Effect.fork(agent.ask(new Wait({ gate })))
      yield* Deferred.await(gate.entered)
      const queued = yield* Effect.fork(agent.ask(new Add({ by: 3 })))
      yield* Effect.yieldNow()
      const draining = yield* Effect.fork(agent.drain)
      yield* Effect.yieldNow()
      expect(yield* Effect.flip(agent.ask(new Add({ by: 1 })))).toMatchObject({ _tag: "AgentUnavailable" })
      expect(draining.unsafePoll()).toBeNull()
      yield* Deferred.succeed(gate.opened, undefined)
      yield* Fiber.join(first)
      expect(yield* Fiber.join(queued)).toBe(3)
      yield* Fiber.join(draining)
      expect(Exit.isSuccess(yield* Fiber.await(life))).toBe(true)
    })
  )
})
