import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import fc from "fast-check"
import { open as openLedger, postCharge, postFill } from "../../../src/market/execution/Ledger.ts"
import { type CashFill, roundTripsOf } from "../../../src/market/performance/RoundTrips.ts"
import { measureTrades } from "../../../src/market/performance/TradeMetrics.ts"

const fill = (at: number, lots: number, cash: number, instrument = "a"): CashFill => ({
  instrument,
  at,
  lots,
  cash
})

describe("roundTripsOf", () => {
  it("closes a trade for every fill that makes a position smaller, at average cost", () => {
    // Bought 10 for 1,000 and 10 for 1,400: 120 each. Sold 5 for 700, then 15 for 1,500.
    const { open, trades } = roundTripsOf([
      fill(1, 10, -1_000),
      fill(2, 10, -1_400),
      fill(3, -5, 700),
      fill(4, -15, 1_500)
    ])
    expect(trades).toEqual([
      { instrument: "a", openedAt: 1, closedAt: 3, lots: 5, cost: 600, profit: 100 },
      { instrument: "a", openedAt: 1, closedAt: 4, lots: 15, cost: 1_800, profit: -300 }
    ])
    expect(open).toEqual([])
  })

  it("closes and opens where a fill goes through zero, each with its share of the money", () => {
    const { open, trades } = roundTripsOf([fill(1, -4, 400), fill(2, 10, -1_001)])
    expect(trades).toEqual([{ instrument: "a", openedAt: 1, closedAt: 2, lots: -4, cost: -400, profit: 0 }])
    expect(open).toEqual([{ instrument: "a", openedAt: 2, lots: 6, cost: 601 }])
  })

  it("adds what is paid on a position to what it has cost", () => {
    const { trades } = roundTripsOf([fill(1, 2, -200), fill(2, 0, -7), fill(3, -2, 210)])
    expect(trades).toEqual([{ instrument: "a", openedAt: 1, closedAt: 3, lots: 2, cost: 207, profit: 3 }])
    expect(() => roundTripsOf([fill(1, 0, -7)])).toThrow("a is not held")
  })

  it("loses nothing: trades and open positions come to what the account has received, to the unit", () => {
    const size = fc.oneof(fc.integer({ min: -7, max: 7 }), fc.integer({ min: -1e9, max: 1e9 }))
    const cash = fc.oneof(fc.integer({ min: -100, max: 100 }), fc.integer({ min: -1e13, max: 1e13 }))
    const fills = fc.array(fc.tuple(fc.constantFrom("a", "b", "c"), size, cash), { maxLength: 60 })
    fc.assert(
      fc.property(fills, (drawn) => {
        const held = new Map<string, number>()
        const made = drawn.flatMap(([instrument, lots, cash], at) => {
          const before = held.get(instrument) ?? 0
          if (lots === 0 && before === 0) return []
          held.set(instrument, before + lots)
          return [fill(at, lots, cash, instrument)]
        })
        const { open, trades } = roundTripsOf(made)
        const profits = trades.reduce((sum, { profit }) => sum + BigInt(profit), 0n)
        const costs = open.reduce((sum, { cost }) => sum + BigInt(cost), 0n)
        expect(profits - costs).toBe(made.reduce((sum, one) => sum + BigInt(one.cash), 0n))
        for (const { instrument, lots } of open) expect(lots).toBe(held.get(instrument))
        expect(open.length).toBe([...held.values()].filter((lots) => lots !== 0).length)
        // Every lot that was traded away from a position is in one trade.
        for (const name of ["a", "b", "c"]) {
          const traded = made.filter(({ instrument }) => instrument === name)
          let position = 0
          let closed = 0
          for (const { lots } of traded) {
            if (Math.sign(lots) === -Math.sign(position))
              closed += Math.min(Math.abs(lots), Math.abs(position))
            position += lots
          }
          const own = trades.filter(({ instrument }) => instrument === name)
          expect(own.reduce((sum, { lots }) => sum + Math.abs(lots), 0)).toBe(closed)
        }
      })
    )
  })

  it("comes to the ledger's profit, fills, fees and funding together", () => {
    const postings = fc.array(
      fc.record({
        instrument: fc.constantFrom("a", "b"),
        lots: fc.integer({ min: -50, max: 50 }),
        price: fc.integer({ min: 1, max: 1e9 }),
        fee: fc.integer({ min: 0, max: 1e6 }),
        funding: fc.integer({ min: -1e6, max: 1e6 })
      }),
      { maxLength: 40 }
    )
    fc.assert(
      fc.property(postings, (drawn) => {
        const start = 1e12
        const ledger = openLedger(start)
        const fills: Array<CashFill> = []
        for (const [at, { fee, funding, instrument, lots, price }] of drawn.entries()) {
          if ((ledger.positions.get(instrument)?.lots ?? 0) !== 0) {
            Either.getOrThrow(postCharge(ledger, { instrument, kind: "funding", micro: funding }))
            fills.push(fill(at, 0, -funding, instrument))
          }
          if (lots === 0) continue
          const paid = lots * price
          Either.getOrThrow(postFill(ledger, { instrument, lots, paid, fee }))
          fills.push(fill(at, lots, -paid - fee, instrument))
        }
        const { open, trades } = roundTripsOf(fills)
        const profit = trades.reduce((sum, one) => sum + one.profit, 0)
        const cost = open.reduce((sum, one) => sum + one.cost, 0)
        expect(start + profit - cost).toBe(ledger.cash)
        for (const one of open) expect(one.lots).toBe(ledger.positions.get(one.instrument)?.lots)
      })
    )
  })

  it("throws at parts of lots or of money, and at fills out of order", () => {
    expect(() => roundTripsOf([fill(1, 0.5, -1)])).toThrow(RangeError)
    expect(() => roundTripsOf([fill(1, 1, -0.5)])).toThrow(RangeError)
    expect(() => roundTripsOf([fill(2, 1, -1), fill(1, 1, -1)])).toThrow("a fill at 1 comes after one at 2")
    expect(() => roundTripsOf([fill(1, 1, -(2 ** 53 - 1)), fill(2, 1, -1)])).toThrow("the cost of a position")
  })
})

describe("measureTrades", () => {
  it("counts what won, and sets it against what lost", () => {
    expect(measureTrades([30, -10, 0, -5])).toEqual({ trades: 4, profit: 15, hitRate: 0.25, profitFactor: 2 })
    expect(measureTrades([-3])).toEqual({ trades: 1, profit: -3, hitRate: 0, profitFactor: 0 })
  })

  it("has no ratio without trades, or without losses", () => {
    expect(measureTrades([])).toEqual({ trades: 0, profit: 0, hitRate: null, profitFactor: null })
    expect(measureTrades([1, 2])).toMatchObject({ hitRate: 1, profitFactor: null })
    expect(measureTrades([0])).toMatchObject({ hitRate: 0, profitFactor: null })
    expect(() => measureTrades([Number.NaN])).toThrow("the profit of trade 0 is NaN")
  })
})
