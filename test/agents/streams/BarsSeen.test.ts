import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import fc from "fast-check"
import {
  type BarsSeen,
  BarsSeenSnapshot,
  emptyBarsSeen,
  evolveBarsSeen,
  followedBy
} from "../../../src/agents/streams/BarsSeen.ts"
import type { BarsEvent } from "../../../src/protocols/Bar.ts"
import { instrumentsPerReadingMax } from "../../../src/protocols/Streams.ts"
import { asOfAt, barOf, closed, ended, instrumentOf, opened, simulated } from "../feedEvents.ts"

const { events, instruments } = simulated({ seed: 7, count: 120, instruments: 3 })
const json = Schema.parseJson(BarsSeenSnapshot)
const fold = (all: ReadonlyArray<BarsEvent>, from: BarsSeen = emptyBarsSeen()) =>
  all.reduce(evolveBarsSeen, from)
const restarted = (state: BarsSeen) => Schema.decodeSync(json)(Schema.encodeSync(json)(state))

describe("what the streams keep of bars", () => {
  it("is the bars of each instrument, the market's returns, and where the run is", () => {
    const state = fold([opened(instruments, { paceMs: 500 }), ...events, ended(0)])
    expect(state).toMatchObject({
      source: "test",
      paceMs: 500,
      asOf: asOfAt(119),
      previousAsOf: asOfAt(118),
      index: 119,
      isWarmUp: false
    })
    const followed = followedBy(state)
    expect(followed.map(({ instrument }) => instrument)).toEqual(instruments)
    expect(followed[0]?.bars.at(-1)).toEqual(events.at(-1)?.payload.bars[0])
    expect(state.market.count).toBe(119)
    const [before, last] = events.slice(-2).map(({ payload }) => payload.bars)
    const returns = (last ?? []).map(({ close }, i) => Math.log(close / (before?.[i]?.close ?? Number.NaN)))
    expect(state.market.returns.at(-1)).toBeCloseTo(returns.reduce((sum, one) => sum + one, 0) / 3, 14)
  })

  it("goes on after a restart as if there had been none", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 120 }), (cut) => {
        const all = [opened(instruments), ...events]
        const later = fold(all.slice(cut), restarted(fold(all.slice(0, cut))))
        expect(later).toEqual(fold(all))
      }),
      { numRuns: 20 }
    )
    expect(restarted(emptyBarsSeen())).toEqual(emptyBarsSeen())
  })

  it("takes an as-of once, and knows bars that came late from when they came", () => {
    const alpha = instrumentOf("ALPHA")
    const first = closed(0, [barOf(alpha, 0, { open: 1, close: 1 })])
    const state = fold([opened([alpha]), first, first])
    expect(state).toMatchObject({ asOf: asOfAt(0), previousAsOf: 0 })
    const late = { ...barOf(alpha, 1, { open: 1, close: 2, volume: null }), knownAt: asOfAt(1) + 750 }
    const after = fold([closed(1, [late])], state)
    expect(after.asOf).toBe(asOfAt(1) + 750)
    expect(restarted(after)).toEqual(after)
  })

  it("takes every bar of a gap that was filled at one instant", () => {
    const alpha = instrumentOf("ALPHA")
    const knownAt = asOfAt(3) + 500
    const bars = [0, 1, 2, 3, 4].map((index) => {
      const bar = barOf(alpha, index, { open: 1 + index, close: 2 + index })
      return index >= 1 && index <= 3 ? { ...bar, knownAt } : bar
    })
    const state = fold([opened([alpha]), ...bars.map((bar, index) => closed(index, [bar]))])
    expect(state.bars.get(alpha.id)?.map(({ close }) => close)).toEqual([2, 3, 4, 5, 6])
    expect(state.market.count).toBe(4)
    expect([state.asOf, state.previousAsOf]).toEqual([asOfAt(4), knownAt])
  })

  it("follows as many instruments as a reading covers, and only those it was told of", () => {
    const many = Array.from({ length: instrumentsPerReadingMax + 5 }, (_, i) => instrumentOf(`I${i}`))
    const state = fold([
      opened(many),
      closed(
        0,
        many.map((instrument) => barOf(instrument, 0, { open: 1, close: 1 }))
      )
    ])
    expect(followedBy(state)).toHaveLength(instrumentsPerReadingMax)
    expect(state.bars.size).toBe(instrumentsPerReadingMax)
  })
})
