import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import { isSameReport } from "../../../../src/agents/market-data/Corrections.ts"
import { makeCandleReports } from "../../../../src/agents/market-data/sources/CandleReports.ts"
import { barAt, frameMs } from "../chains.ts"

const candlesMax = 10

describe("the reports of candles", () => {
  it("differ by their revision where they say different things, the later the higher", () => {
    const told = fc.record({
      index: fc.integer({ min: 0, max: candlesMax - 1 }),
      close: fc.integer({ min: 1, max: 3 })
    })
    fc.assert(
      fc.property(fc.array(told, { maxLength: 60 }), (all) => {
        const report = makeCandleReports(frameMs, candlesMax)
        const given = all.map(({ close, index }) => report(barAt(index, { close })))
        for (let index = 0; index < candlesMax; index++) {
          const [first, ...others] = given.filter(({ sequence }) => sequence === index)
          let before = first
          expect(first?.revision ?? 0).toBe(0)
          for (const one of others) {
            if (before === undefined) throw new Error("no report before")
            expect(one.revision - before.revision).toBe(isSameReport(before, one) ? 0 : 1)
            before = one
          }
        }
        expect(given.map(({ close }) => close)).toEqual(all.map(({ close }) => close))
      })
    )
  })

  it("are remembered of the latest candles alone", () => {
    const report = makeCandleReports(frameMs, candlesMax)
    const revision = (index: number, close: number) => report(barAt(index, { close })).revision
    expect([revision(1, 1), revision(1, 2), revision(candlesMax, 1), revision(1, 3)]).toEqual([0, 1, 0, 2])
    expect([revision(candlesMax + 1, 1), revision(1, 4), revision(2, 1), revision(2, 2)]).toEqual([
      0, 0, 0, 1
    ])
  })
})
