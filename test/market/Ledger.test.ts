import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import * as Ledger from "../../src/market/Ledger.ts"

const contracts: ReadonlyArray<Ledger.Contract> = [
  { tick: 0.01, lot: 0.0001 },
  { tick: 1e-6, lot: 1e-6 },
  { tick: 0.25, lot: 1 },
  { tick: 5, lot: 0.001 }
]

const fill = fc.record({
  instrument: fc.integer({ min: 0, max: contracts.length - 1 }),
  lots: fc.integer({ min: -1_000_000_000, max: 1_000_000_000 }).filter((lots) => lots !== 0),
  priceTicks: fc.integer({ min: 1, max: 10_000_000_000 }),
  feeBps: fc.double({ min: 0, max: 100, noNaN: true })
})

describe("Ledger", () => {
  it("reads numbers as the decimals they are written as", () => {
    expect(Ledger.decimalOf(0.01)).toEqual({ digits: 1n, exponent: -2 })
    expect(Ledger.decimalOf(1e-6)).toEqual({ digits: 1n, exponent: -6 })
    expect(Ledger.decimalOf(0.25)).toEqual({ digits: 25n, exponent: -2 })
    expect(Ledger.decimalOf(1_500)).toEqual({ digits: 15n, exponent: 2 })
  })

  it("values lots at a price exactly, and rounds against the account where it does not divide", () => {
    expect(Ledger.notional({ tick: 0.01, lot: 0.001 }, 2_000_000, 1_500, "up")).toBe(30_000_000_000n)
    expect(Ledger.notional({ tick: 1e-6, lot: 1e-6 }, 3, 1, "up")).toBe(1n)
    expect(Ledger.notional({ tick: 1e-6, lot: 1e-6 }, 3, 1, "down")).toBe(0n)
    expect(Ledger.feeOn(1_000_000n, 5)).toBe(500n)
    expect(Ledger.feeOn(1n, 5)).toBe(1n)
  })

  it("conserves money and lots exactly, whatever is traded", () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: 10n ** 15n }),
        fc.array(fill, { maxLength: 60 }),
        (cash, fills) => {
          let ledger = Ledger.open(cash)
          const lots = new Map<string, number>()
          for (const { feeBps, instrument, priceTicks, ...rest } of fills) {
            const contract = contracts[instrument] as Ledger.Contract
            const name = String(instrument)
            const value = Ledger.consideration(contract, { priceTicks, lots: rest.lots })
            const fee = Ledger.feeOn(value < 0n ? -value : value, feeBps)
            ledger = Ledger.post(ledger, contract, { instrument: name, lots: rest.lots, priceTicks, fee })
            lots.set(name, (lots.get(name) ?? 0) + rest.lots)
            expect(ledger.cash + ledger.counterparty + ledger.fees).toBe(cash)
          }
          for (const [name, position] of ledger.positions) expect(position.lots).toBe(lots.get(name))
          const paid = [...ledger.positions.values()].reduce((sum, position) => sum + position.paid, 0n)
          expect(cash - ledger.cash).toBe(paid)
        }
      )
    )
  })

  it("never gains by going in and out at one price", () => {
    fc.assert(
      fc.property(fill, ({ feeBps, instrument, lots, priceTicks }) => {
        const contract = contracts[instrument] as Ledger.Contract
        const trade = (ledger: Ledger.Ledger, signed: number) => {
          const value = Ledger.consideration(contract, { lots: signed, priceTicks })
          const fee = Ledger.feeOn(value < 0n ? -value : value, feeBps)
          return Ledger.post(ledger, contract, { instrument: "x", lots: signed, priceTicks, fee })
        }
        const after = trade(trade(Ledger.open(0n), lots), -lots)
        expect(after.cash <= 0n).toBe(true)
        expect(after.positions.get("x")?.lots).toBe(0)
      })
    )
  })

  it("rounds prices against the account", () => {
    const contract = { tick: 0.01, lot: 1 }
    expect(Ledger.priceInTicks(contract, 1.234, "buy")).toBe(124)
    expect(Ledger.priceInTicks(contract, 1.234, "sell")).toBe(123)
    expect(Ledger.priceInTicks(contract, 1.23, "buy")).toBe(123)
    expect(Ledger.priceInTicks(contract, 0.0001, "sell")).toBe(1)
  })
})
