import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import { makeAsOfBarrier } from "../../../src/agents/market-data/AsOfBarrier.ts"
import type { Bar } from "../../../src/protocols/Bar.ts"
import { alpha, barAt, beta, frameMs, openTimeAt } from "./chains.ts"

const options = { instruments: [alpha, beta], barrierMs: 2_000, fillMs: 10_000 }

/** How far a chain is, set by hand. */
const progress = () => {
  const next = new Map<string, number>()
  const filling = new Set<string>()
  const state = { isCatchingUp: false }
  return {
    next: (instrument: string) => next.get(instrument) ?? null,
    isFilling: (instrument: string) => filling.has(instrument),
    isCatchingUp: () => state.isCatchingUp,
    reach: (instrument: string, index: number) => next.set(instrument, openTimeAt(index)),
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

  it("leaves out what comes after its as-of, or before where it was taken up, and counts it", () => {
    const barrier = makeAsOfBarrier(options, openTimeAt(3))
    const chain = progress()
    barrier.push(barAt(2), 0)
    expect(barrier.late()).toBe(1)
    barrier.push(barAt(3), 0)
    barrier.next(2_000, chain)
    barrier.push(barAt(3, { instrument: beta }), 2_001)
    expect(barrier.late()).toBe(2)
    expect(barrier.next(1e6, chain)).toBeUndefined()
  })

  it("can be cut down to the last as-ofs", () => {
    const barrier = makeAsOfBarrier({ ...options, instruments: [alpha] }, null)
    for (const index of [4, 0, 2, 1, 3]) barrier.push(barAt(index), 0)
    barrier.keepLast(2)
    expect([0, 0, 0].map(() => said(barrier.next(0, progress())))).toEqual([
      ["ALPHA@3"],
      ["ALPHA@4"],
      undefined
    ])
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
          else barrier.push(barAt(index, { instrument: isBeta ? beta : alpha }), now)
          keys.add(key)
        }
        now += 10_000
        take()
        expect(gone).toEqual([...new Set(gone)].sort((a, b) => a - b))
        expect(pushed + barrier.late() + again).toBe(arrivals.length)
      })
    )
  })
})
