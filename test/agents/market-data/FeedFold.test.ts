import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import { correctionLimits } from "../../../src/agents/market-data/Corrections.ts"
import { buyAndHoldEquity, empty, evolve, FeedFold } from "../../../src/agents/market-data/FeedFold.ts"
import { oneWay } from "../../../src/market/Costs.ts"
import type { Bar, BarsEvent } from "../../../src/protocols/Bar.ts"
import { asOfAt, barOf, closed, ended, instrumentOf, opened, timeFrame } from "../feedEvents.ts"

const alpha = instrumentOf("ALPHA")
const beta = instrumentOf("BETA")
const costs = { feeBps: 5, halfSpreadBps: 1, slippageBps: 1 }
const free = { feeBps: 0, halfSpreadBps: 0, slippageBps: 0 }

const fold = (...events: ReadonlyArray<BarsEvent>): FeedFold => events.reduce(evolve, empty)
const bar = (index: number, open: number, close: number, instrument = alpha) =>
  barOf(instrument, index, { open, close })

const about = { ...ended(asOfAt(0)), type: undefined, payload: undefined }
const handedOver = (from: string, to: string): BarsEvent => ({
  ...about,
  type: "FeedHandedOver",
  payload: { from, to, reason: "it is gone", at: asOfAt(0), gapFrom: asOfAt(0), gapTo: asOfAt(0) }
})
const disagreed = (a: string, b: string): BarsEvent => ({
  ...about,
  type: "FeedsDisagreed",
  payload: {
    instrument: alpha.id,
    openTime: asOfAt(0),
    sources: [a, b],
    closes: [1, 2],
    share: 0.5,
    at: asOfAt(1)
  }
})
const recovered = (source: string): BarsEvent => ({
  ...about,
  type: "FeedRecovered",
  payload: { source, lostMs: 1_000, at: asOfAt(1) }
})

describe("the state of the feed", () => {
  it("counts as-ofs and bars, through the warm-up to the end", () => {
    const events = [
      opened([alpha, beta], { warmUp: 2 }),
      closed(0, [bar(0, 1, 2), bar(0, 1, 2, beta)], true),
      closed(1, [bar(1, 2, 3)], true),
      closed(2, [bar(2, 3, 4)])
    ]
    expect(fold(...events.slice(0, 1))).toMatchObject({
      isOpen: true,
      next: 0,
      isWarmUp: true,
      instruments: 2
    })
    expect(fold(...events.slice(0, 3))).toMatchObject({ next: 2, bars: 3, isWarmUp: true, canTrade: false })
    expect(fold(...events)).toMatchObject({
      next: 3,
      bars: 4,
      asOf: asOfAt(2),
      isWarmUp: false,
      hasEnded: false
    })
    expect(fold(...events, ended(asOfAt(2))).hasEnded).toBe(true)
  })

  it("buys and holds from the first price at which a decision could have filled, and not before", () => {
    const events = [
      opened([alpha], { warmUp: 1 }),
      closed(0, [bar(0, 10, 20)], true),
      // The first as-of that is decided on: what it decides fills at the next open.
      closed(1, [bar(1, 20, 40)]),
      closed(2, [bar(2, 50, 60)]),
      closed(3, [bar(3, 60, 100)])
    ]
    expect(buyAndHoldEquity(fold(...events.slice(0, 3)), 1_000, free)).toBe(1_000)
    expect(buyAndHoldEquity(fold(...events.slice(0, 4)), 1_000, free)).toBeCloseTo(1_200, 9)
    expect(buyAndHoldEquity(fold(...events), 1_000, free)).toBeCloseTo(2_000, 9)
  })

  it("pays for going in, splits the cash evenly, and leaves in cash what never traded", () => {
    const events = [opened([alpha, beta]), closed(0, [bar(0, 10, 10)]), closed(1, [bar(1, 10, 20)])]
    expect(buyAndHoldEquity(fold(...events), 1_000, free)).toBeCloseTo(500 + 1_000, 9)
    expect(buyAndHoldEquity(fold(...events), 1_000, costs)).toBeCloseTo(500 + 1_000 * (1 - oneWay(costs)), 9)
    expect(buyAndHoldEquity(empty, 1_000, costs)).toBe(1_000)
  })

  it("fills a close-only series at its close", () => {
    const closeOnly = (index: number, close: number) =>
      barOf(alpha, index, { open: close, close, closeOnly: true })
    const state = fold(
      opened([alpha]),
      closed(0, [closeOnly(0, 10)]),
      closed(1, [closeOnly(1, 20)]),
      closed(2, [closeOnly(2, 30)])
    )
    expect(buyAndHoldEquity(state, 1_000, free)).toBeCloseTo(1_500, 9)
  })

  it("knows which source leads, and how often what has befallen the sources", () => {
    const state = fold(
      opened([alpha]),
      handedOver("a", "b"),
      closed(0, [bar(0, 10, 10)]),
      disagreed("a", "b"),
      recovered("a"),
      handedOver("b", "a")
    )
    expect(state).toMatchObject({ active: "a", handOvers: 2, disagreements: 1, recoveries: 1, next: 1 })
    expect(fold(opened([alpha])).active).toBeNull()
  })

  it("remembers what it published lately unless in lock-step, with what was corrected of it", () => {
    const again = { ...bar(5, 1, 3), revision: 1, knownAt: asOfAt(6) }
    const corrected = (...bars: ReadonlyArray<Bar>): BarsEvent => ({
      ...about,
      type: "BarsCorrected",
      payload: { asOf: asOfAt(6), timeFrame, bars }
    })
    const closes = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, i) => closed(from + i, [bar(from + i, 1, 2)]))
    const paced = opened([alpha], { paceMs: 1_000 })
    const { asOfsMax } = correctionLimits
    const before = fold(paced, ...closes(0, 7), corrected(again))
    expect(before).toMatchObject({ next: 7, bars: 7, corrections: 1, corrected: [again] })
    expect(before.recent.map(({ asOf }) => asOf)).toEqual(Array.from({ length: 7 }, (_, i) => asOfAt(i)))
    const after = closes(7, asOfsMax + 6).reduce(evolve, before)
    expect(after.recent.map(({ asOf }) => asOf)).toEqual(
      Array.from({ length: asOfsMax }, (_, i) => asOfAt(i + 6))
    )
    expect(after).toMatchObject({ corrections: 1, corrected: [], correctedAsOf: asOfAt(6) })
    expect(fold(opened([alpha]), ...closes(0, 7)).recent).toEqual([])
    const wide = Array.from({ length: correctionLimits.barsMax / 2 + 1 }, (_, i) =>
      bar(0, 1, 2, instrumentOf(`X${i}`))
    )
    const few = fold(paced, closed(0, wide), closed(1, wide))
    expect(few.recent.map(({ asOf }) => asOf)).toEqual([asOfAt(0)])
  })

  it("opens a snapshot that knows of no corrections", () => {
    const {
      corrected: _c,
      correctedAsOf: _a,
      corrections: _n,
      isLive: _w,
      isLockStep: _l,
      recent: _r,
      ...old
    } = Schema.encodeSync(FeedFold)(fold(opened([alpha]), closed(0, [bar(0, 1, 2)])))
    expect(Schema.decodeUnknownSync(FeedFold)(old)).toMatchObject({
      next: 1,
      recent: [],
      corrections: 0,
      correctedAsOf: null,
      isLive: false
    })
  })

  it("goes on from a snapshot as if it had never been written", () => {
    const events = [
      opened([alpha], { paceMs: 1_000 }),
      handedOver("a", "b"),
      ...Array.from({ length: 6 }, (_, i) => closed(i, [bar(i, 10 + i, 11 + i)]))
    ]
    const json = Schema.parseJson(FeedFold)
    const half = Schema.decodeSync(json)(Schema.encodeSync(json)(fold(...events.slice(0, 3))))
    expect(events.slice(3).reduce(evolve, half)).toEqual(fold(...events))
  })
})
