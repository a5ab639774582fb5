import { describe, expect, it } from "@effect/vitest"
import { Clock, Deferred, Effect, TestClock } from "effect"
import fc from "fast-check"
import { everyInterval, isDue, lockStepInterval } from "../../../src/agents/streams/schedule.ts"

describe("the schedule of a stream", () => {
  it("has one publication an interval, if there is anything to publish in it", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.array(fc.nat(20), { minLength: 1, maxLength: 100 }),
        (everyMs, pauses) => {
          let at = 0
          const times = pauses.map((pause) => {
            at += pause
            return at
          })
          const due = times.filter((time, i) => isDue(everyMs, times[i - 1] ?? -1, time))
          const intervals = times.map((time) => Math.floor(time / everyMs))
          expect(due.map((time) => Math.floor(time / everyMs))).toEqual([...new Set(intervals)])
        }
      )
    )
  })

  it("in lock-step is counted in bars where bars are long", () => {
    expect(lockStepInterval(30_000, 3_600_000, 20)).toBe(72_000_000)
    expect(lockStepInterval(600_000, 1_000, 20)).toBe(600_000)
  })
})

describe("an action at an interval of the clock", () => {
  /** When it ran, and how long each run is held up. */
  const running = (everyMs: number, holdUp: (run: number) => Effect.Effect<void>) =>
    Effect.gen(function* () {
      const runs: Array<number> = []
      const action = Effect.flatMap(Clock.currentTimeMillis, (at) => {
        runs.push(at)
        return holdUp(runs.length)
      })
      yield* Effect.forkScoped(everyInterval(everyMs, action))
      yield* TestClock.adjust(0)
      return runs
    })

  it.scoped("runs at once, and then as each interval begins", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust(700)
      const runs = yield* running(1_000, () => Effect.void)
      expect(runs).toEqual([700])
      yield* TestClock.adjust(299)
      expect(runs).toEqual([700])
      yield* TestClock.adjust(1)
      yield* TestClock.adjust(2_500)
      expect(runs).toEqual([700, 1_000, 2_000, 3_000])
    })
  )

  it.scoped("runs no second time in an interval, however soon it is done", () =>
    Effect.gen(function* () {
      const runs = yield* running(1_000, () => Effect.sleep(300))
      yield* TestClock.adjust(2_500)
      expect(runs).toEqual([0, 1_000, 2_000])
    })
  )

  it.scoped("runs once after a pause, however many intervals it took, and then on the grid again", () =>
    Effect.gen(function* () {
      const pause = yield* Deferred.make<void>()
      const runs = yield* running(1_000, (run) => (run === 2 ? Deferred.await(pause) : Effect.void))
      yield* TestClock.adjust(3_600_500)
      expect(runs).toEqual([0, 1_000])
      yield* Deferred.succeed(pause, undefined)
      yield* TestClock.adjust(0)
      expect(runs).toEqual([0, 1_000, 3_600_500])
      yield* TestClock.adjust(1_499)
      expect(runs).toEqual([0, 1_000, 3_600_500, 3_601_000])
    })
  )
})
