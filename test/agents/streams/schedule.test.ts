import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import { isDue, lockStepInterval } from "../../../src/agents/streams/schedule.ts"

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
          const due = times.filter((time, i) => isDue(everyMs, times[i - 1], time))
          const intervals = times.map((time) => Math.floor(time / everyMs))
          expect(due.map((time) => Math.floor(time / everyMs))).toEqual([...new Set(intervals)])
        }
      )
    )
  })

  it("begins with what there is", () => {
    expect(isDue(1_000, undefined, 5)).toBe(true)
  })

  it("in lock-step is counted in bars where bars are long", () => {
    expect(lockStepInterval(30_000, 3_600_000, 20)).toBe(72_000_000)
    expect(lockStepInterval(600_000, 1_000, 20)).toBe(600_000)
  })
})
