import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import { type GapPolicy, gapPolicies } from "../../../src/market/time/BarAggregator.ts"
import { makeBarBook, visibleAt } from "../../../src/market/time/BarBook.ts"
import { timeFrameView } from "../../../src/market/time/timeFrameView.ts"
import type { Bar } from "../../../src/protocols/Bar.ts"
import { TimeFrame } from "../../../src/protocols/TimeFrame.ts"
import { arrivals } from "./arrivals.ts"
import { barAt, hour, hourMs, instrument, midnight } from "./bars.ts"

const frames = [
  { timeFrame: TimeFrame.make("2h"), bars: 3 },
  { timeFrame: TimeFrame.make("4h"), bars: 2 },
  { timeFrame: TimeFrame.make("1d"), bars: 2 }
]

const viewOf = (
  bars: ReadonlyArray<Bar>,
  hours: number,
  gaps: GapPolicy = "keep-gap",
  barsOfEach?: number
) => {
  const book = makeBarBook({ instrument, timeFrame: hour })
  for (const bar of bars) book.accept(bar)
  const asked = frames.map(({ bars: few, timeFrame }) => ({ timeFrame, bars: barsOfEach ?? few }))
  return timeFrameView(book, { asOf: midnight + hours * hourMs, frames: asked, calendar: "always", gaps })
}

describe("the view of longer time frames", () => {
  it("has the last closed bars of each, and none that is not over", () => {
    const [two, four, day] = viewOf(
      Array.from({ length: 40 }, (_, i) => barAt(i)),
      11
    )
    const opens = (view: typeof two) => view?.bars.map(({ openTime }) => (openTime - midnight) / hourMs)
    expect([opens(two), opens(four), opens(day)]).toEqual([[4, 6, 8], [0, 4], []])
  })

  it("closes an interval of which the last bar is missing when its time is over", () => {
    const [two] = viewOf([barAt(0), barAt(1), barAt(2)], 4)
    expect(two?.bars.map(({ bars }) => bars)).toEqual([2, 1])
    expect(viewOf([barAt(0), barAt(1), barAt(2)], 3)[0]?.bars).toHaveLength(1)
  })

  it("shows a late bar from when it was known on", () => {
    const late = barAt(1, { knownAt: midnight + 3 * hourMs })
    const bars = [barAt(0), late]
    expect(viewOf(bars, 2)[0]?.bars).toMatchObject([{ bars: 1, close: barAt(0).close }])
    expect(viewOf(bars, 3)[0]?.bars).toMatchObject([{ bars: 2, close: late.close, knownAt: late.knownAt }])
  })

  it("of a few bars is the end of that of many", () => {
    fc.assert(
      fc.property(
        arrivals,
        fc.integer({ min: 0, max: 60 }),
        fc.constantFrom(...gapPolicies),
        (bars, hours, gaps) => {
          const few = viewOf(bars, hours, gaps)
          const many = viewOf(bars, hours, gaps, 1_000)
          for (const [i, frame] of frames.entries()) {
            expect(few[i]?.bars).toEqual(many[i]?.bars.slice(-frame.bars))
          }
        }
      )
    )
  })

  it("is at an as-of the same of the truncated history and of the whole one, late and corrected bars among them", () => {
    fc.assert(
      fc.property(
        arrivals,
        fc.integer({ min: 0, max: 45 }),
        fc.constantFrom(...gapPolicies),
        (bars, hours, gaps) => {
          const asOf = midnight + hours * hourMs
          const whole = viewOf(bars, hours, gaps)
          expect(
            viewOf(
              bars.filter((bar) => visibleAt(bar) <= asOf),
              hours,
              gaps
            )
          ).toEqual(whole)
          for (const { bars: closed } of whole) {
            for (const bar of closed) expect(visibleAt(bar)).toBeLessThanOrEqual(asOf)
          }
        }
      )
    )
  })
})
