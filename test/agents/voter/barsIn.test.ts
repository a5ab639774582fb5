import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { emptyWindows, evolveWindows } from "../../../src/agents/deep-learning/BarWindows.ts"
import { makeBarsIn } from "../../../src/agents/voter/barsIn.ts"
import type { Bar, BarsEvent } from "../../../src/protocols/Bar.ts"
import type { Instrument } from "../../../src/protocols/Instrument.ts"
import { TimeFrame } from "../../../src/protocols/TimeFrame.ts"
import * as Progress from "../../../src/runtime/Progress.ts"
import { contextOf } from "../deep-learning/context.ts"
import { asOfAt, instrumentOf, opened, simulated, timeFrame } from "../feedEvents.ts"

const count = 400
const { events, instruments } = simulated({ seed: 12, count, instruments: 2 })
const [alpha] = instruments as [Instrument]
const bars = events.flatMap(({ payload }) => payload.bars)
const own = bars.filter(({ instrument }) => instrument === alpha.id)
const all: ReadonlyArray<BarsEvent> = [opened(instruments), ...events]
const held = all.reduce(evolveWindows, emptyWindows())

const voterOf = (windows = held, kept: ReadonlyArray<Bar> = bars) => {
  const { asked, context } = contextOf(kept)
  const latest = { Latest: () => Effect.succeed({ occurredAt: asOfAt(count - 1) }) }
  const barsIn = makeBarsIn(
    {
      context: { ...context, ...latest } as unknown as typeof context,
      known: Progress.make(asOfAt(count - 1)),
      state: () => ({ own: null, windows })
    },
    () => timeFrame
  )
  return { asked, barsIn }
}
const numbersOf = (found: ReadonlyArray<Bar>) =>
  found.map(({ close, closeTime, high, low, open, volume }) => [closeTime, open, high, low, close, volume])

describe("the bars of a stretch of time, for a voter", () => {
  it.effect("are those that it holds, and of those that it has let go what the context has kept", () =>
    Effect.gen(function* () {
      const { asked, barsIn } = voterOf()
      const late = yield* barsIn(alpha.id, timeFrame, asOfAt(350), asOfAt(390))
      expect(numbersOf(late)).toEqual(numbersOf(own.slice(350, 391)))
      expect(asked).toEqual([])
      const early = yield* barsIn(alpha.id, timeFrame, asOfAt(20), asOfAt(130))
      expect(numbersOf(early)).toEqual(numbersOf(own.slice(20, 131)))
      expect(asked.length).toBeGreaterThan(0)
      expect(asked.every(({ asOf }) => asOf <= asOfAt(130))).toBe(true)
    })
  )

  it.effect("have the same volumes by whichever way they come, each its own", () =>
    Effect.gen(function* () {
      const isUnknown = ({ openTime }: Bar) => openTime === own[60]?.openTime
      const without = (bar: Bar): Bar => (isUnknown(bar) ? { ...bar, volume: null } : bar)
      const told = events.map((event) => ({
        ...event,
        payload: { ...event.payload, bars: event.payload.bars.map(without) }
      }))
      const early = [opened(instruments), ...told.slice(0, 100)].reduce(evolveWindows, emptyWindows())
      const late = [opened(instruments), ...told].reduce(evolveWindows, emptyWindows())
      const { asked, barsIn } = voterOf(early)
      const live = yield* barsIn(alpha.id, timeFrame, asOfAt(20), asOfAt(99))
      expect(asked).toEqual([])
      expect(live.filter(({ volume }) => volume === null)).toHaveLength(1)
      const again = voterOf(late, bars.map(without))
      const kept = yield* again.barsIn(alpha.id, timeFrame, asOfAt(20), asOfAt(99))
      expect(again.asked.length).toBeGreaterThan(0)
      expect(numbersOf(kept)).toEqual(numbersOf(live))
    })
  )

  it.effect("of longer bars are made of the feed's", () =>
    Effect.gen(function* () {
      const { barsIn } = voterOf()
      const found = yield* barsIn(alpha.id, TimeFrame.make("4h"), asOfAt(303), asOfAt(311))
      expect(numbersOf(found).map(([closeTime]) => closeTime)).toEqual([303, 307, 311].map(asOfAt))
      expect(found[2]).toMatchObject({ open: own[308]?.open, close: own[311]?.close })
    })
  )

  it.effect("are none of what is not followed, or has none in it", () =>
    Effect.gen(function* () {
      const { barsIn } = voterOf()
      expect(yield* barsIn(instrumentOf("OTHER").id, timeFrame, asOfAt(0), asOfAt(count))).toEqual([])
      expect(yield* barsIn(alpha.id, timeFrame, asOfAt(count), asOfAt(count + 9))).toEqual([])
      const empty = voterOf({ ...emptyWindows(), instruments })
      expect(yield* empty.barsIn(alpha.id, timeFrame, asOfAt(0), asOfAt(count))).toEqual([])
    })
  )
})
