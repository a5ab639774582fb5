import { describe, expect, it } from "@effect/vitest"
import { Effect, Either, Exit, Fiber } from "effect"
import fc from "fast-check"
import {
  type BarsIn,
  makePanelWindows,
  type Panel,
  panelBarsNeeded,
  spanBarsMax
} from "../../../src/agents/features/PanelWindows.ts"
import { inputFeatures } from "../../../src/agents/training/InputFeatures.ts"
import { inputsOf, type SequenceInput, standIn } from "../../../src/agents/training/ModelInput.ts"
import { runThrough } from "../../../src/learning/steps.ts"
import { type BarSeries, barAt, closeTimeAt } from "../../../src/market/BarSeries.ts"
import type { Bar } from "../../../src/protocols/Bar.ts"
import { breathe } from "../../../src/runtime/breathe.ts"
import { keep, simulatedSeries, timeFrame } from "../training/bars.ts"

const bars = 160
const [alpha, bravo, charlie, delta] = simulatedSeries({ bars, instruments: 4, world: "market" }) as [
  BarSeries,
  BarSeries,
  BarSeries,
  BarSeries
]
/** Whole; with gaps here and there; late; and with a bar in three, so that its last ones reach far back. */
const followed: ReadonlyArray<BarSeries> = [
  alpha,
  keep(bravo, (bar) => bar % 17 !== 5),
  keep(charlie, (bar) => bar >= 60),
  keep(delta, (bar) => bar % 3 === 0)
]
const length = 4
const panelOf = (of: ReadonlyArray<BarSeries> = followed): Panel => ({
  instruments: of.map(({ instrument }) => instrument.id),
  timeFrame,
  length
})
const needed = panelBarsNeeded(length)

/** What is held of a history, and what was asked for. */
const barsInOf = (of: ReadonlyArray<BarSeries> = followed) => {
  const all = of.map((series) => Array.from(series.close, (_, at) => barAt(series, at, "test")))
  const asked: Array<{ readonly from: number; readonly to: number }> = []
  const barsIn: BarsIn<never> = (id, _, from, to) =>
    Effect.sync(() => {
      asked.push({ from, to })
      const own = all.find(([first]) => first?.instrument === id) ?? []
      return own.filter(({ closeTime }) => closeTime >= from && closeTime <= to)
    })
  return { asked, barsIn }
}

/** Its bars up to the one that closed at an as-of; undefined where none did. */
const upTo = (series: BarSeries, asOf: number): BarSeries | undefined => {
  const last = series.openTime.findIndex((_, at) => closeTimeAt(series, at) === asOf)
  return last < 0 ? undefined : keep(series, (bar) => bar <= last && bar > last - needed)
}
const asOfAt = (bar: number): number => closeTimeAt(alpha, bar)

/** What a training sees at an as-of, with a number that is none of the features for what is absent. */
const input: SequenceInput = {
  kind: "sequence",
  features: "instruments",
  length,
  standIns: inputFeatures.instruments.names.map((_, k) => 1_000 + k)
}
const fill = Either.getOrThrow(runThrough(inputsOf(input, followed)))
const trainedOn = (instrument: number, asOf: number): Float32Array => {
  const series = followed[instrument] as BarSeries
  const bar = series.openTime.findIndex((_, at) => closeTimeAt(series, at) === asOf)
  const row = new Float32Array(length * inputFeatures.instruments.names.length)
  fill(instrument, bar, row, 0)
  return row
}
const served = (window: Float32Array): Float32Array => {
  standIn(window, input.standIns ?? [])
  return window
}

describe("what a model sees of several instruments", () => {
  it("is what it was trained on at that as-of, to the last bit, in whatever order it is asked", async () => {
    let compared = 0
    let absent = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: bars - 1 }), { minLength: 1, maxLength: 12 }),
        fc.boolean(),
        async (asked, isRising) => {
          const panel = panelOf()
          const windows = makePanelWindows(barsInOf().barsIn)
          for (const bar of isRising ? asked.sort((a, b) => a - b) : asked) {
            const asOf = asOfAt(bar)
            for (const [i, series] of followed.entries()) {
              const own = upTo(series, asOf)
              if (own === undefined) continue
              const seen = await Effect.runPromise(windows.at(panel, own))
              expect(Either.isRight(seen)).toBe(own.close.length >= needed)
              if (Either.isLeft(seen)) continue
              const row = served(seen.right)
              expect(row).toEqual(trainedOn(i, asOf))
              compared++
              if (row.some((value) => value >= 1_000)) absent++
            }
          }
        }
      ),
      { numRuns: 60 }
    )
    expect(compared).toBeGreaterThan(500)
    expect(absent).toBeGreaterThan(20)
  })

  it("at an as-of is the same whatever comes after it", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 100, max: bars - 2 }), async (bar) => {
        const cut = followed.map((series) => keep(series, (at) => closeTimeAt(series, at) <= asOfAt(bar)))
        const changed = followed.map((series) => {
          const factor = (at: number) => (closeTimeAt(series, at) > asOfAt(bar) ? 1.7 : 1)
          return { ...series, close: series.close.map((close, at) => close * factor(at)) }
        })
        for (const series of followed) {
          const own = upTo(series, asOfAt(bar))
          if (own === undefined) continue
          const [whole, truncated, other] = await Promise.all(
            [followed, cut, changed].map((of) =>
              Effect.runPromise(makePanelWindows(barsInOf(of).barsIn).at(panelOf(), own))
            )
          )
          expect(truncated).toEqual(whole)
          expect(other).toEqual(whole)
        }
      }),
      { numRuns: 20 }
    )
  })

  it.effect("goes on with the bars that are new, and asks for no others", () =>
    Effect.gen(function* () {
      const panel = panelOf([alpha])
      const { asked, barsIn } = barsInOf([alpha])
      const windows = makePanelWindows(barsIn)
      const own = (bar: number) => upTo(alpha, asOfAt(bar)) as BarSeries
      for (const bar of [100, 100, 101, 103]) yield* windows.at(panel, own(bar))
      expect(asked).toEqual([
        { from: asOfAt(101 - needed), to: asOfAt(100) },
        { from: asOfAt(100) + 1, to: asOfAt(101) },
        { from: asOfAt(101) + 1, to: asOfAt(103) }
      ])
      // Longer ago than the model sees, it begins anew.
      yield* windows.at(panel, own(103 + needed))
      expect(asked.at(-1)).toEqual({ from: asOfAt(104), to: asOfAt(103 + needed) })
    })
  )

  it.effect("is followed for so many panels at a time, and begun anew for the others", () =>
    Effect.gen(function* () {
      const { asked, barsIn } = barsInOf([alpha])
      const windows = makePanelWindows(barsIn)
      const panels = Array.from({ length: 9 }, () => panelOf([alpha]))
      const own = (bar: number) => upTo(alpha, asOfAt(bar)) as BarSeries
      for (const panel of panels) yield* windows.at(panel, own(100))
      const begun = asked.length
      for (const panel of panels.slice(1)) yield* windows.at(panel, own(101))
      expect(asked.slice(begun).every(({ from }) => from === asOfAt(100) + 1)).toBe(true)
      yield* windows.at(panels[0] as Panel, own(101))
      expect(asked.at(-1)?.from).toBe(asOfAt(102 - needed))
    })
  )

  /** Whoever asks gives way to the others before each instrument. */
  const giving =
    (barsIn: BarsIn<never>): BarsIn<never> =>
    (...asked) =>
      Effect.zipRight(breathe, barsIn(...asked))

  it.live("is right for all who ask at a time", () =>
    Effect.gen(function* () {
      const panel = panelOf()
      const windows = makePanelWindows(giving(barsInOf().barsIn))
      const at = (bar: number) => windows.at(panel, upTo(alpha, asOfAt(bar)) as BarSeries)
      yield* at(110)
      const asked = [120, 90, 121, 90, 125, 122]
      const all = yield* Effect.forEach(asked, at, { concurrency: "unbounded" })
      expect(all.map((window) => served(Either.getOrThrow(window)))).toEqual(
        asked.map((bar) => trainedOn(0, asOfAt(bar)))
      )
    })
  )

  it.live("is right for those who ask after one has left, wherever it was", () =>
    Effect.gen(function* () {
      const whole = [alpha, bravo, charlie, delta]
      const panel = panelOf(whole)
      const { barsIn } = barsInOf(whole)
      const own = (bar: number) => upTo(alpha, asOfAt(bar)) as BarSeries
      const expected = yield* makePanelWindows(barsIn).at(panel, own(127))
      let left = 0
      for (let breaths = 0; breaths < 10; breaths++) {
        const windows = makePanelWindows(giving(barsIn))
        yield* windows.at(panel, own(100))
        const leaving = yield* Effect.fork(windows.at(panel, own(127)))
        for (let i = 0; i < breaths; i++) yield* breathe
        if (Exit.isFailure(yield* Fiber.interrupt(leaving))) left++
        expect(yield* windows.at(panel, own(127))).toEqual(expected)
      }
      expect(left).toBeGreaterThan(4)
    })
  )

  it.effect("is nothing, with the reason, of too few bars or of bars that lie far apart", () =>
    Effect.gen(function* () {
      const windows = makePanelWindows(barsInOf().barsIn)
      const few = keep(alpha, (bar) => bar < needed - 1)
      expect(yield* windows.at(panelOf(), few)).toEqual(
        Either.left("fewer than 28 bars are known at the as-of")
      )
      const first = alpha.openTime[0] as number
      const step = Math.ceil((spanBarsMax + 1) / (needed - 1)) * 3_600_000
      const rare = { ...keep(alpha, (bar) => bar < needed), openTime: alpha.openTime.slice(0, needed) }
      rare.openTime.forEach((_, at) => {
        rare.openTime[at] = first + at * step
      })
      const reason = Either.getOrThrow(Either.flip(yield* windows.at(panelOf(), rare)))
      expect(reason).toMatch(/^its last 28 bars are all that it has of 1\d\d\d$/)
      // Whoever gives the bars has let them go.
      const none = makePanelWindows(() => Effect.succeed<ReadonlyArray<Bar>>([]))
      const own = upTo(alpha, asOfAt(100)) as BarSeries
      expect(yield* none.at(panelOf(), own)).toEqual(Either.left("fewer than 28 bars are known at the as-of"))
    })
  )
})
