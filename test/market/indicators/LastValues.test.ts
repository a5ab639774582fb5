import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import { highest, lowest, makeLastValues, periodOf } from "../../../src/market/indicators/LastValues.ts"

describe("the last values", () => {
  it("are those pushed last, and their extremes theirs", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 6 }),
        fc.array(fc.integer({ min: -5, max: 5 }), { minLength: 1, maxLength: 30 }),
        (size, pushed) => {
          const last = makeLastValues(size)
          for (const [i, value] of pushed.entries()) {
            last.push(value)
            const kept = pushed.slice(Math.max(0, i + 1 - size), i + 1)
            expect(last.isFull()).toBe(i + 1 >= size)
            expect(kept.map((_, lag) => last.at(lag))).toEqual([...kept].reverse())
            expect(highest(last)).toBe(Math.max(...kept))
            expect(lowest(last)).toBe(Math.min(...kept))
          }
        }
      )
    )
  })

  it("have a size that is a whole number of bars", () => {
    expect(periodOf(14)).toBe(14)
    for (const bars of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 100_001]) {
      expect(() => makeLastValues(bars)).toThrow(/bars is none: whole numbers from 1 to 100000 are/)
    }
  })
})
