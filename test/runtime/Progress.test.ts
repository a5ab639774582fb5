import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import fc from "fast-check"
import * as Progress from "../../src/runtime/Progress.ts"

describe("Progress", () => {
  it("never goes back", () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), (positions) => {
        const progress = Progress.make(0)
        for (const position of positions) progress.advance(position)
        expect(progress.current()).toBe(Math.max(0, ...positions))
      })
    )
  })

  it.effect("wakes those whose position it has reached, and no others", () =>
    Effect.gen(function* () {
      const progress = Progress.make(5)
      yield* progress.reached(5)
      const waiting = yield* Effect.forEach([6, 7, 8, 9], (at) => Effect.fork(progress.reached(at)))
      yield* Effect.yieldNow()
      const arrived = () => waiting.map((fiber) => fiber.unsafePoll() !== null)
      expect(arrived()).toEqual([false, false, false, false])
      progress.advance(8)
      yield* Effect.yieldNow()
      expect(arrived()).toEqual([true, true, true, false])
      progress.advance(3)
      progress.advance(100)
      yield* Fiber.joinAll(waiting)
    })
  )

  it.effect("forgets who has stopped waiting", () =>
    Effect.gen(function* () {
      const progress = Progress.make(0)
      const impatient = yield* Effect.fork(progress.reached(1))
      const patient = yield* Effect.fork(progress.reached(1))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(impatient)
      progress.advance(1)
      yield* Fiber.join(patient)
      yield* progress.reached(1)
    })
  )
})
