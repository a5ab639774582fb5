import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import fc from "fast-check"
import * as MarketView from "../../../src/agents/orchestrator/MarketView.ts"
import { labelOf } from "../../../src/market/Label.ts"
import type { BarsClosed } from "../../../src/protocols/Bar.ts"
import { asOfAt, barOf, closed, ended, instrumentOf, opened, simulated, timeFrame } from "../feedEvents.ts"
import { evolveView, horizonBars, viewOptions } from "./rounds.ts"

const alpha = instrumentOf("ALPHA")
const beta = instrumentOf("BETA")

const fold = (events: ReadonlyArray<Parameters<typeof evolveView>[1]>): MarketView.MarketView =>
  events.reduce(evolveView, MarketView.empty)

const viewOf = (view: MarketView.MarketView, instrument = alpha): MarketView.InstrumentView =>
  view.instruments.find((known) => known.instrument === instrument.id) as MarketView.InstrumentView

/** Closes of one instrument; every bar opens a hundredth above its close. */
const series = (closes: ReadonlyArray<number>, closeOnly = false): ReadonlyArray<BarsClosed> =>
  closes.map((close, i) => closed(i, [barOf(alpha, i, { open: close * 1.01, close, closeOnly })]))

const zigzag = (count: number): ReadonlyArray<number> =>
  Array.from({ length: count }, (_, i) => 100 + 3 * Math.sin(i) + i / 10)

describe("the view of the market", () => {
  it("asks nothing before it knows the volatility, and then what the bars say", () => {
    const events = series(zigzag(40))
    const early = fold(events.slice(0, MarketView.returnsMin))
    expect(MarketView.questionOf(early, viewOf(early), viewOptions)).toBeUndefined()
    const view = fold(events.slice(0, MarketView.returnsMin + 1))
    const asked = MarketView.questionOf(view, viewOf(view), viewOptions)
    expect(asked).toMatchObject({ instrument: alpha.id, timeFrame, asOf: asOfAt(20), horizonBars })
    expect(asked?.sigma).toBe(MarketView.sigmaOf(viewOf(view), horizonBars))
    expect(asked?.band).toBe(Math.max(0.0014, 0.25 * (asked?.sigma ?? 0)))
  })

  it("takes the mean of the squared returns for the variance while there are few", () => {
    const closes = zigzag(12)
    const squares = closes.slice(1).map((close, i) => Math.log(close / (closes[i] as number)) ** 2)
    const mean = squares.reduce((sum, square) => sum + square, 0) / squares.length
    expect(viewOf(fold(series(closes))).variance).toBeCloseTo(mean, 15)
  })

  it("knows a return from the open after the as-of to the close at the end of the horizon, once it is there", () => {
    const closes = zigzag(30)
    const asked = asOfAt(20)
    const expected = Math.log((closes[24] as number) / ((closes[21] as number) * 1.01))
    for (const [count, isKnown] of [
      [24, false],
      [25, true],
      [26, true]
    ] as const) {
      const known = MarketView.returnOf(viewOf(fold(series(closes.slice(0, count)))), asked, horizonBars)
      if (isKnown) expect(known).toBeCloseTo(expected, 14)
      else expect(known).toBeUndefined()
    }
  })

  it("begins a close-only series' horizon at the close where it could fill, one bar later", () => {
    const closes = zigzag(30)
    const asked = asOfAt(20)
    const at = (count: number) =>
      MarketView.returnOf(viewOf(fold(series(closes.slice(0, count), true))), asked, horizonBars)
    expect(at(25)).toBeUndefined()
    expect(at(26)).toBeCloseTo(Math.log((closes[25] as number) / (closes[21] as number)), 14)
  })

  it("counts the sides that came true over every bar, as if it had kept them all", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10_000 }), fc.integer({ min: 22, max: 120 }), (seed, count) => {
        const { events, instruments } = simulated({ seed, count, instruments: 1 })
        const id = instruments[0]?.id
        const bars = events.map(({ payload }) => payload.bars[0] as (typeof payload.bars)[number])
        const counts = { sell: 0, hold: 0, buy: 0 }
        let view = MarketView.empty
        const bands: Array<number | undefined> = []
        for (const event of events) {
          view = evolveView(view, event)
          const known = view.instruments[0] as MarketView.InstrumentView
          bands.push(MarketView.questionOf(view, known, viewOptions)?.band)
        }
        bands.forEach((band, i) => {
          const entry = bars[i + 1]
          const exit = bars[i + horizonBars]
          if (band === undefined || entry === undefined || exit === undefined) return
          counts[labelOf(Math.log(exit.close / entry.open), band)]++
        })
        const known = view.instruments.find(({ instrument }) => instrument === id)
        expect(known?.counts).toEqual(counts)
      }),
      { numRuns: 40 }
    )
  })

  it("begins with a uniform base rate and never makes one of zero", () => {
    const first = MarketView.baseRateOf(viewOf(fold(series([100]))))
    expect(first).toEqual({ probabilities: { sell: 1 / 3, hold: 1 / 3, buy: 1 / 3 }, outcomes: 0 })
    const { outcomes, probabilities } = MarketView.baseRateOf(
      viewOf(fold(series(Array.from({ length: 60 }, (_, i) => 100 * 1.05 ** i))))
    )
    expect(outcomes).toBeGreaterThan(20)
    expect(probabilities.buy).toBeGreaterThan(0.85)
    expect(probabilities.sell).toBeGreaterThan(0)
  })

  it("forgets nothing that a later question needs: what it knows of an as-of is what a shorter history knew", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10_000 }), fc.integer({ min: 21, max: 60 }), (seed, cut) => {
        const { events } = simulated({ seed, count: 80 })
        const truncated = fold(events.slice(0, cut))
        let whole = MarketView.empty
        let atCut = MarketView.empty
        events.forEach((event, i) => {
          whole = evolveView(whole, event)
          if (i === cut - 1) atCut = whole
        })
        expect(atCut).toEqual(truncated)
        expect(whole.asOf).not.toBe(truncated.asOf)
      }),
      { numRuns: 20 }
    )
  })

  it("is the same whatever is delivered again: an as-of comes once", () => {
    const { events } = simulated({ seed: 5, count: 60 })
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(59), fc.nat(59)), { maxLength: 40 }), (repetitions) => {
        const again = events.flatMap((event, i) => [
          event,
          ...repetitions.flatMap(([after, which]) =>
            after === i && which <= i ? [events[which] as BarsClosed] : []
          )
        ])
        expect(fold(again)).toEqual(fold(events))
      }),
      { numRuns: 30 }
    )
  })

  it("keeps instruments apart, and lets one be absent from an as-of", () => {
    const both = (i: number) => [
      barOf(alpha, i, { open: 100 + i, close: 101 + (i % 3) }),
      barOf(beta, i, { open: 50, close: 50 + (i % 5) })
    ]
    const alone = Array.from({ length: 40 }, (_, i) => closed(i, both(i).slice(0, 1)))
    const gaps = Array.from({ length: 40 }, (_, i) => closed(i, i % 4 === 3 ? both(i).slice(0, 1) : both(i)))
    expect(viewOf(fold(gaps))).toEqual(viewOf(fold(alone)))
    expect(viewOf(fold(gaps), beta).bars).toBe(30)
    expect(viewOf(fold(gaps), beta).asOf).toBe(asOfAt(38))
  })

  it("takes from the feed what is listed, how it is paced, and that it has ended", () => {
    const events = [opened([alpha, beta], { paceMs: 1_000 }), ...series(zigzag(3))]
    expect(fold(events)).toMatchObject({ listed: [alpha, beta], paceMs: 1_000, feedEnded: false })
    const over = fold([...events, ended(asOfAt(2))])
    expect(over.feedEnded).toBe(true)
    expect(evolveView(over, opened([alpha])).feedEnded).toBe(false)
  })

  it("goes on from a snapshot as if it had never been written", () => {
    const { events } = simulated({ seed: 6, count: 90 })
    const json = Schema.parseJson(MarketView.MarketView)
    const half = Schema.decodeSync(json)(Schema.encodeSync(json)(fold(events.slice(0, 45))))
    expect(events.slice(45).reduce(evolveView, half)).toEqual(fold(events))
  })
})
