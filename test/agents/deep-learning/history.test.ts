import { describe, expect, it } from "@effect/vitest"
import { Effect, Either, Fiber, TestClock } from "effect"
import fc from "fast-check"
import { seriesOf } from "../../../src/agents/deep-learning/BarWindows.ts"
import {
  barsPerBar,
  type Context,
  contextReached,
  history,
  lastBars
} from "../../../src/agents/deep-learning/history.ts"
import { aggregateBars } from "../../../src/market/aggregateBars.ts"
import type { BarSeries } from "../../../src/market/BarSeries.ts"
import { TimeFrameUnfit } from "../../../src/market/errors.ts"
import type { Bar } from "../../../src/protocols/Bar.ts"
import type { Instrument } from "../../../src/protocols/Instrument.ts"
import { TimeFrame, toMs } from "../../../src/protocols/TimeFrame.ts"
import { asOfAt, frameMs, instrumentOf, simulated, timeFrame } from "../feedEvents.ts"
import { contextOf } from "./context.ts"

const count = 900
const { events, instruments } = simulated({ seed: 92, count, instruments: 2 })
const [alpha, bravo] = instruments as [Instrument, Instrument]
const all = events.flatMap(({ payload }) => payload.bars)
const barsOf = ({ id }: Instrument) => all.filter(({ instrument }) => instrument === id)
const barsPerCallMax = 250

const last = (wanted: number, asOf: number, bars: ReadonlyArray<Bar> = all) => {
  const { asked, context } = contextOf(bars)
  return Effect.map(lastBars(context, { instrument: bravo, timeFrame, asOf }, wanted), (found) => ({
    found,
    asked
  }))
}

const longer = (frame: string, asOf: number, bars: number, of: ReadonlyArray<Bar> = all) => {
  const question = { instrument: alpha, own: timeFrame, timeFrame: TimeFrame.make(frame), asOf }
  return Effect.either(history(contextOf(of).context, question, bars))
}

/** The last bars of a series; gaps are those of the whole. */
const tail = (series: BarSeries, bars: number) => ({
  openTime: series.openTime.slice(-bars),
  open: series.open.slice(-bars),
  high: series.high.slice(-bars),
  low: series.low.slice(-bars),
  close: series.close.slice(-bars),
  volume: series.volume?.slice(-bars) ?? null
})

describe("the last bars of the context", () => {
  it("come in calls that are small enough, the oldest first, and none of them twice", () =>
    Effect.gen(function* () {
      const { asked, found } = yield* last(620, asOfAt(799))
      expect(found).toEqual(barsOf(bravo).slice(180, 800))
      expect(asked.length).toBeGreaterThan(2)
      expect(asked.reduce((sum, { count: wanted }) => sum + wanted, 0)).toBe(620)
      for (const call of asked) {
        expect(call.count).toBeLessThanOrEqual(barsPerCallMax)
        expect(call).toMatchObject({ instrument: bravo.id, timeFrame })
      }
    }).pipe(Effect.runPromise))

  it("are those that were known by the as-of, though an earlier one became known after a later", () =>
    Effect.gen(function* () {
      const late = all.map((bar) =>
        bar.instrument === bravo.id && bar.closeTime === asOfAt(300) ? { ...bar, knownAt: asOfAt(700) } : bar
      )
      const closes = (found: ReadonlyArray<Bar>) => found.map(({ closeTime }) => closeTime)
      const { asked, found } = yield* last(620, asOfAt(799), late)
      expect(closes(found)).toEqual(closes(barsOf(bravo).slice(180, 800)))
      expect(asked.every(({ corrected }) => corrected === false)).toBe(true)
      const before = yield* last(620, asOfAt(699), late)
      expect(closes(before.found)).toEqual(
        closes(barsOf(bravo).filter(({ closeTime }) => closeTime !== asOfAt(300))).slice(79, 699)
      )
    }).pipe(Effect.runPromise))

  it("can be asked for with what has been corrected of them", () =>
    Effect.gen(function* () {
      const { asked, context } = contextOf(all)
      const own = timeFrame
      yield* history(context, { instrument: bravo, own, timeFrame, asOf: asOfAt(9), corrected: true }, 5)
      expect(asked.length).toBeGreaterThan(0)
      expect(asked.every(({ corrected }) => corrected === true)).toBe(true)
    }).pipe(Effect.runPromise))

  it("are those that had closed by the as-of, however many are asked for", () =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 700 }),
        fc.integer({ min: -1, max: count - 1 }),
        fc.nat(frameMs - 1),
        (wanted, index, within) =>
          Effect.gen(function* () {
            const { asked, found } = yield* last(wanted, asOfAt(index) + within)
            expect(found).toEqual(barsOf(bravo).slice(Math.max(0, index + 1 - wanted), index + 1))
            for (const call of asked) {
              expect(call.asOf).toBeLessThanOrEqual(asOfAt(index) + within)
              expect(call.count).toBeLessThanOrEqual(barsPerCallMax)
            }
          }).pipe(Effect.runPromise)
      ),
      { numRuns: 40 }
    ))

  it("are not taken twice from a context that does not know how to go back", () =>
    Effect.gen(function* () {
      const { asked, context } = contextOf(all)
      const Bars: Context["Bars"] = ({ before: _before, ...known }) => context.Bars(known)
      const question = { instrument: bravo, timeFrame, asOf: asOfAt(799) }
      const found = yield* lastBars({ ...context, Bars }, question, 620)
      expect(asked.length).toBe(2)
      expect(found).toEqual(barsOf(bravo).slice(700, 800))
    }).pipe(Effect.runPromise))

  it("are fewer where there are fewer, and none where there are none", () =>
    Effect.gen(function* () {
      expect((yield* last(600, asOfAt(299))).found.length).toBe(300)
      expect((yield* last(10, asOfAt(-1))).found).toEqual([])
      expect((yield* last(0, asOfAt(299))).asked).toEqual([])
      expect((yield* last(10, 0)).found).toEqual([])
    }).pipe(Effect.runPromise))
})

describe("the history of a time frame", () => {
  it("is the bars as they are where it is the feed's own", () =>
    Effect.gen(function* () {
      for (const frame of ["1h", "60m"]) {
        const series = Either.getOrThrow(yield* longer(frame, asOfAt(499), 300))
        const bars = barsOf(alpha).slice(200, 500)
        expect(series).toEqual(seriesOf(alpha, timeFrame, bars))
      }
    }).pipe(Effect.runPromise))

  it("is made of whole intervals up to the as-of: the last of the whole series, cut off there", () =>
    fc.assert(
      fc.asyncProperty(
        fc.constantFrom("2h", "4h", "6h", "1d"),
        fc.integer({ min: 300, max: count - 1 }),
        fc.integer({ min: 1, max: 12 }),
        (frame, index, wanted) =>
          Effect.gen(function* () {
            const asOf = asOfAt(index)
            const series = Either.getOrThrow(yield* longer(frame, asOf, wanted))
            const whole = seriesOf(alpha, timeFrame, barsOf(alpha).slice(0, index + 1))
            const expected = Either.getOrThrow(aggregateBars(whole, TimeFrame.make(frame)))
            expect(series.close.length).toBe(wanted)
            expect(tail(series, wanted)).toEqual(tail(expected, wanted))
            expect(series.timeFrame).toBe(frame)
            const end = (series.openTime.at(-1) as number) + toMs(series.timeFrame)
            expect(end).toBeLessThanOrEqual(asOf)
            expect(asOf - end).toBeLessThan(toMs(series.timeFrame))
          }).pipe(Effect.runPromise)
      ),
      { numRuns: 40 }
    ))

  it("is no longer than what was asked for where bars are missing", () =>
    Effect.gen(function* () {
      // Two of three hours are not there: as many bars as usual make three times as many intervals.
      const sparse = all.filter(({ sequence }) => sequence % 3 === 0)
      const series = Either.getOrThrow(yield* longer("2h", asOfAt(count - 1), 20, sparse))
      expect(series.close.length).toBe(20)
      expect(series.gaps).toBeGreaterThan(0)
      expect(series.close.at(-1)).toBe(
        sparse.filter(({ instrument }) => instrument === alpha.id).at(-1)?.close
      )
    }).pipe(Effect.runPromise))

  it("of closes alone is one array for every price", () =>
    Effect.gen(function* () {
      const closes = all.map((bar) => ({
        ...bar,
        open: bar.close,
        high: bar.close,
        low: bar.close,
        volume: null,
        closeOnly: true
      }))
      for (const [frame, wanted] of [
        ["1h", 30],
        ["4h", 30],
        ["4h", 2]
      ] as const) {
        const series = Either.getOrThrow(yield* longer(frame, asOfAt(399), wanted, closes))
        expect(series).toMatchObject({ closeOnly: true, volume: null, gaps: 0, barsMissing: 0 })
        expect(series.close.length).toBe(wanted)
        for (const name of ["open", "high", "low"] as const) expect(series[name]).toBe(series.close)
      }
    }).pipe(Effect.runPromise))

  it("is refused where there is not one interval, and where bars do not add up to it", () =>
    Effect.gen(function* () {
      for (const refused of [yield* longer("1d", asOfAt(10), 5), yield* longer("90m", asOfAt(400), 5)]) {
        expect(Either.getOrThrow(Either.flip(refused))).toBeInstanceOf(TimeFrameUnfit)
      }
      expect(Either.isLeft(yield* longer("4h", asOfAt(400), 5, []))).toBe(true)
    }).pipe(Effect.runPromise))

  it("needs as many of the feed's bars as fit into one", () => {
    const own = TimeFrame.make("5m")
    expect(barsPerBar(own, own)).toBe(1)
    expect(barsPerBar(own, TimeFrame.make("1h"))).toBe(12)
    expect(barsPerBar(own, TimeFrame.make("7m"))).toBe(2)
  })

  it("of an instrument without bars is refused, not taken from another", () =>
    Effect.gen(function* () {
      const { context } = contextOf(all)
      const question = {
        instrument: instrumentOf("NEW"),
        own: timeFrame,
        timeFrame: TimeFrame.make("4h"),
        asOf: asOfAt(400)
      }
      expect((yield* Effect.flip(history(context, question, 3)))._tag).toBe("TimeFrameUnfit")
    }).pipe(Effect.runPromise))
})

/** A context that has come to an as-of, and how often it was looked at. */
const reaching = () => {
  const at = { asOf: Number.NaN, looks: 0 }
  const context = {
    Latest: ({ type }: { readonly type: string }) =>
      Effect.sync(() => {
        expect(type).toBe("bar")
        at.looks++
        return Number.isNaN(at.asOf) ? null : { occurredAt: at.asOf }
      })
  } as unknown as Context
  return { at, context }
}

describe("waiting for the context", () => {
  it.effect("ends when it has the bars of the as-of, or later ones", () =>
    Effect.gen(function* () {
      const { at, context } = reaching()
      const fiber = yield* Effect.fork(contextReached(context, asOfAt(5)))
      yield* TestClock.adjust("100 millis")
      at.asOf = asOfAt(4)
      yield* TestClock.adjust("100 millis")
      expect(fiber.unsafePoll()).toBeNull()
      expect(at.looks).toBeGreaterThan(5)
      at.asOf = asOfAt(6)
      yield* TestClock.adjust("20 millis")
      yield* Fiber.join(fiber)
    })
  )

  it.effect("does not wait where it has them", () =>
    Effect.gen(function* () {
      const { at, context } = reaching()
      at.asOf = asOfAt(5)
      yield* contextReached(context, asOfAt(5))
      expect(at.looks).toBe(1)
    })
  )

  it.effect("gives up after ten seconds: then it is asked for what it has", () =>
    Effect.gen(function* () {
      const { context } = reaching()
      const fiber = yield* Effect.fork(contextReached(context, asOfAt(5)))
      yield* TestClock.adjust("9 seconds")
      expect(fiber.unsafePoll()).toBeNull()
      yield* TestClock.adjust("1100 millis")
      yield* Fiber.join(fiber)
    })
  )

  it.effect("fails as the context does", () =>
    Effect.gen(function* () {
      const context = { Latest: () => Effect.fail(new Error("gone")) } as unknown as Context
      expect((yield* Effect.flip(contextReached(context, 1))).message).toBe("gone")
    })
  )
})
