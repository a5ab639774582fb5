import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import { makeAsOfBarrier } from "../../../src/agents/market-data/AsOfBarrier.ts"
import type { Bar } from "../../../src/protocols/Bar.ts"
import type { InstrumentId } from "../../../src/protocols/Instrument.ts"
import { alpha, barAt, beta, frameMs, openTimeAt } from "./chains.ts"

const always = (id: InstrumentId) => ({ id, calendar: "always" }) as const
const options = { instruments: [alpha, beta].map(always), frameMs, barrierMs: 2_000, fillMs: 10_000 }

/** How far a chain is, set by hand. */
const progress = () => {
  const next = new Map<string, number>()
  const filling = new Set<string>()
  const held = new Map<string, number>()
  const state = { isCatchingUp: false }
  return {
    next: (instrument: string) => next.get(instrument) ?? null,
    isFilling: (instrument: string) => filling.has(instrument),
    isHolding: (instrument: string, asOf: number) =>
      (held.get(instrument) ?? Number.POSITIVE_INFINITY) <= asOf,
    isCatchingUp: () => state.isCatchingUp,
    reach: (instrument: string, index: number) => next.set(instrument, openTimeAt(index)),
    /** Has it hold the bar at an index, or none. */
    hold: (instrument: string, index: number | null) =>
      index === null ? held.delete(instrument) : held.set(instrument, openTimeAt(index + 1)),
    filling,
    state
  }
}

const said = (bars: ReadonlyArray<Bar> | undefined) =>
  bars?.map(
    ({ instrument, openTime }) => `${instrument.split(":")[1]}@${(openTime - openTimeAt(0)) / frameMs}`
  )

describe("the barrier over instruments", () => {
  it("lets an as-of go when all of its bars are there, in the order of the instruments", () => {
    const barrier = makeAsOfBarrier(options, null)
    const chain = progress()
    barrier.push(barAt(0, { instrument: beta }), 0)
    expect(barrier.next(0, chain)).toBeUndefined()
    barrier.push(barAt(0), 100)
    expect(said(barrier.next(100, chain))).toEqual(["ALPHA@0", "BETA@0"])
    expect(barrier.next(100, chain)).toBeUndefined()
  })

  it("waits for an absent one so long and no longer, and not for one of which the chain expects nothing", () => {
    const barrier = makeAsOfBarrier(options, null)
    const chain = progress()
    barrier.push(barAt(0), 0)
    expect(barrier.next(1_999, chain)).toBeUndefined()
    expect(said(barrier.next(2_000, chain))).toEqual(["ALPHA@0"])
    barrier.push(barAt(1), 3_000)
    chain.reach(beta, 2)
    expect(said(barrier.next(3_000, chain))).toEqual(["ALPHA@1"])
  })

  it("waits longer for bars that are being fetched, and without a limit for those of the past", () => {
    const barrier = makeAsOfBarrier(options, null)
    const chain = progress()
    chain.filling.add(beta)
    barrier.push(barAt(0), 0)
    expect(barrier.next(9_999, chain)).toBeUndefined()
    chain.state.isCatchingUp = true
    expect(barrier.next(1e9, chain)).toBeUndefined()
    chain.state.isCatchingUp = false
    expect(said(barrier.next(10_000, chain))).toEqual(["ALPHA@0"])
  })

  it("waits for a bar that the chain holds until its turn, within the time of a fill, and for no later one", () => {
    const barrier = makeAsOfBarrier(options, null)
    const chain = progress()
    barrier.push(barAt(0), 0)
    chain.hold(beta, 0)
    expect(barrier.next(2_000, chain)).toBeUndefined()
    barrier.push(barAt(0, { instrument: beta }), 2_500)
    chain.hold(beta, null)
    expect(said(barrier.next(2_500, chain))).toEqual(["ALPHA@0", "BETA@0"])
    barrier.push(barAt(1), 10_000)
    chain.hold(beta, 1)
    expect(barrier.next(19_999, chain)).toBeUndefined()
    expect(said(barrier.next(20_000, chain))).toEqual(["ALPHA@1"])
    barrier.push(barAt(2), 30_000)
    chain.hold(beta, 3)
    expect(said(barrier.next(32_000, chain))).toEqual(["ALPHA@2"])
  })

  it("takes nothing of an as-of that is gone, or of before where it was taken up, and says so", () => {
    const barrier = makeAsOfBarrier(options, openTimeAt(3))
    const chain = progress()
    expect(barrier.push(barAt(2), 0)).toBe("gone")
    expect(barrier.push(barAt(3), 0)).toBe("taken")
    barrier.next(2_000, chain)
    expect(barrier.push(barAt(3, { instrument: beta }), 2_001)).toBe("gone")
    expect(barrier.amend(barAt(3, { instrument: beta }), 2_001)).toBe("gone")
    expect(barrier.next(1e6, chain)).toBeUndefined()
  })

  it("takes a bar whose turn is over while its as-of waits: one that was left out, or a new report of the same source", () => {
    const barrier = makeAsOfBarrier(options, null)
    const chain = progress()
    barrier.push(barAt(1, { close: 1 }), 0)
    const verdicts = [
      barAt(1, { close: 2, source: "b" }),
      barAt(1, { close: 3, revision: 2 }),
      barAt(1, { close: 4, revision: 1 }),
      barAt(1, { instrument: beta }),
      barAt(0)
    ].map((bar) => barrier.amend(bar, 0))
    expect(verdicts).toEqual(["duplicate", "taken", "duplicate", "taken", "taken"])
    // Of the one before only one has come.
    expect(said(barrier.next(2_000, chain))).toEqual(["ALPHA@0"])
    const bars = barrier.next(2_000, chain)
    expect(said(bars)).toEqual(["ALPHA@1", "BETA@1"])
    expect(bars?.[0]).toMatchObject({ close: 3, revision: 2 })
  })

  it("can be cut down to the last as-ofs, and takes nothing of those cut off", () => {
    const barrier = makeAsOfBarrier({ ...options, instruments: [always(alpha)] }, null)
    for (const index of [4, 0, 2, 1, 3]) barrier.push(barAt(index), 0)
    barrier.keepLast(2)
    expect(barrier.amend(barAt(2), 0)).toBe("gone")
    expect([0, 0, 0].map(() => said(barrier.next(0, progress())))).toEqual([
      ["ALPHA@3"],
      ["ALPHA@4"],
      undefined
    ])
  })

  it("counts what as-ofs went without, once, whoever is silent for good and whatever comes afterwards", () => {
    const barrier = makeAsOfBarrier(options, null)
    const chain = progress()
    const letGo = (index: number) => {
      barrier.push(barAt(index), index * frameMs)
      expect(said(barrier.next(index * frameMs + 2_000, chain))).toEqual([`ALPHA@${index}`])
    }
    for (let index = 0; index < 20; index++) letGo(index)
    expect(barrier.missing()).toBe(20)
    expect(barrier.push(barAt(3, { instrument: beta }), 20 * frameMs)).toBe("gone")
    // One that the chain has given up is missing all the same.
    chain.reach(beta, 21)
    letGo(20)
    expect(barrier.missing()).toBe(21)
    // Two intervals that nobody had a bar of.
    barrier.push(barAt(23), 0)
    barrier.push(barAt(23, { instrument: beta }), 0)
    expect(barrier.next(0, chain)?.length).toBe(2)
    expect(barrier.missing()).toBe(25)
    const later = makeAsOfBarrier(options, openTimeAt(24))
    later.push(barAt(25), 0)
    later.push(barAt(25, { instrument: beta }), 0)
    later.next(0, chain)
    expect(later.missing()).toBe(2)
  })

  it("neither waits for a bar of a market that is closed nor misses it", () => {
    const day = 86_400_000
    const friday = Date.UTC(2024, 0, 5)
    const mixed = {
      ...options,
      frameMs: day,
      instruments: [always(alpha), { id: beta, calendar: "nyse" } as const]
    }
    const barrier = makeAsOfBarrier(mixed, null)
    const chain = progress()
    const close = (instrument: InstrumentId, openTime: number, closeTime: number) => {
      barrier.push(barAt(0, { instrument, openTime, closeTime }), 0)
      return barrier.next(0, chain)?.length
    }
    // The exchange closes at nine in the evening, the other one at midnight, on the weekend too.
    expect(close(beta, friday, friday + 21 * 3_600_000)).toBe(1)
    for (let i = 0; i < 3; i++) expect(close(alpha, friday + i * day, friday + (i + 1) * day)).toBe(1)
    expect(barrier.missing()).toBe(0)
    expect(close(alpha, friday + 3 * day, friday + 4 * day)).toBeUndefined()
    expect(barrier.next(2_000, chain)?.length).toBe(1)
    expect(barrier.missing()).toBe(1)
  })

  it("lets as-ofs go strictly rising, whatever the order and the time that bars come in", () => {
    const arrival = fc.record({
      index: fc.integer({ min: 0, max: 8 }),
      isBeta: fc.boolean(),
      waitMs: fc.integer({ min: 0, max: 3_000 })
    })
    fc.assert(
      fc.property(fc.array(arrival, { maxLength: 40 }), (arrivals) => {
        const barrier = makeAsOfBarrier(options, null)
        const chain = progress()
        const gone: Array<number> = []
        let now = 0
        let pushed = 0
        let late = 0
        const keys = new Set<string>()
        const take = () => {
          for (let bars = barrier.next(now, chain); bars !== undefined; bars = barrier.next(now, chain)) {
            gone.push((bars[0] as Bar).closeTime)
            expect(new Set(bars.map(({ closeTime }) => closeTime)).size).toBe(1)
            pushed += bars.length
          }
        }
        let again = 0
        for (const { index, isBeta, waitMs } of arrivals) {
          now += waitMs
          take()
          const key = `${index}/${isBeta}`
          // The chain passes a bar on once.
          if (keys.has(key)) again++
          else if (barrier.push(barAt(index, { instrument: isBeta ? beta : alpha }), now) === "gone") late++
          keys.add(key)
        }
        now += 10_000
        take()
        expect(gone).toEqual([...new Set(gone)].sort((a, b) => a - b))
        expect(pushed + late + again).toBe(arrivals.length)
      })
    )
  })
})
