import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import * as Account from "../../../src/market/execution/Account.ts"
import { place } from "../../../src/market/execution/acceptance.ts"
import { limit, market, type OrderRequest, orderOf } from "../../../src/market/execution/Order.ts"
import { type ExecutionRules, termsOf, withoutLimits } from "../../../src/market/execution/Terms.ts"
import type { Bar } from "../../../src/protocols/Bar.ts"
import { moneyOf } from "./conservation.ts"
import { alpha, asOfAt, barOf, free, instrumentOf, openTimeAt, type Prices, terms } from "./market.ts"

const { id } = alpha
const perp = instrumentOf("ALPHA", {}, "perp")
const beta = instrumentOf("BETA")

const accountOf = (
  cash: number,
  rules: Partial<ExecutionRules> = {},
  instruments = [alpha]
): Account.Account => {
  const account = Account.open(cash * 1e6, terms(rules))
  for (const instrument of instruments) Account.list(account, instrument)
  return account
}

const apply = (account: Account.Account, index: number, ...bars: ReadonlyArray<Bar>) =>
  Account.applyBars(account, { asOf: asOfAt(index), bars })
const step = (account: Account.Account, index: number, prices: Prices) =>
  apply(account, index, barOf(alpha, index, prices))

/** Orders at the as-of of the account. */
const order = (account: Account.Account, request: OrderRequest, name: string) =>
  Either.getOrThrow(place(account, orderOf(request, name, account.asOf ?? 0)))

/** Holds so many lots of an instrument from bar 1 on, bought or sold at 100. */
const holding = (lots: number, cash: number, rules: Partial<ExecutionRules> = {}, instrument = alpha) => {
  const account = accountOf(cash, rules, [instrument])
  apply(account, 0, barOf(instrument, 0, { open: 100 }))
  order(account, market(instrument.id, lots), "enter")
  apply(account, 1, barOf(instrument, 1, { open: 100 }))
  return account
}

describe("the bars of an as-of", () => {
  it("fill at their open what was ordered before, and mark at their close", () => {
    const account = holding(5, 1_000)
    expect([account.ledger.cash, Account.heldOf(account, id), Account.equityOf(account)]).toEqual([
      5e8, 5, 1e9
    ])
    step(account, 2, { open: 110, close: 120 })
    expect(Account.equityOf(account)).toBe(1.1e9)
    expect(account).toMatchObject({ asOf: asOfAt(2), accruedTo: openTimeAt(2) })
  })

  it("of an instrument that is not listed are passed over", () => {
    const account = accountOf(1_000)
    expect(apply(account, 0, barOf(beta, 0, { open: 100 }))).toMatchObject({ fills: [], charges: [] })
    expect(Account.equityOf(account)).toBe(1e9)
  })

  it("that are seen again fill nothing, and a corrected close moves the mark", () => {
    const account = holding(5, 1_000)
    order(account, limit(id, 5, 90), "later")
    const again = apply(account, 1, barOf(alpha, 1, { open: 100, low: 50, close: 80 }, { revision: 1 }))
    expect(again.fills).toEqual([])
    expect(Account.equityOf(account)).toBe(9e8)
    const old = apply(account, 1, barOf(alpha, 0, { open: 100, low: 50, close: 10 }, { revision: 1 }))
    expect(old.fills).toEqual([])
    expect(Account.equityOf(account)).toBe(9e8)
    expect(account.listings.get(id)?.orders.length).toBe(1)
  })

  it("never take the as-of back, and one that comes late for its instrument is still its next bar", () => {
    const account = accountOf(1_000, {}, [alpha, beta])
    apply(account, 0, barOf(alpha, 0, { open: 100 }), barOf(beta, 0, { open: 100 }))
    order(account, market(beta.id, 1), "b")
    apply(account, 2, barOf(alpha, 2, { open: 100 }))
    const late = apply(account, 1, barOf(beta, 1, { open: 50 }))
    expect(late.fills).toMatchObject([{ order: "b", ticks: 50 }])
    expect(account.asOf).toBe(asOfAt(2))
  })

  it("with a price beyond what is counted leave the mark as it is", () => {
    const account = holding(5, 1_000)
    step(account, 2, { open: 100, close: 1e300 })
    expect(Account.equityOf(account)).toBe(1e9)
  })

  it("are not counted in steps that are too fine for it", () => {
    expect(Account.list(accountOf(1), instrumentOf("FINE", { tick: 1e-12, lot: 1e-12 }))).toBe(false)
  })
})

describe("charges", () => {
  it("come before the fills at the same instant: who goes out at an open has paid, who goes in has not", () => {
    const costs = { ...free, fundingBps: 10, fundingEveryHours: 1 }
    const account = accountOf(1_000, { costs }, [perp])
    const at = (index: number) => apply(account, index, barOf(perp, index, { open: 100 + index, close: 100 }))
    at(0)
    order(account, market(perp.id, 5), "in")
    expect(at(1).charges).toEqual([])
    expect(at(2).charges).toEqual([{ instrument: perp.id, kind: "funding", micro: 500_000 }])
    order(account, market(perp.id, -5), "out")
    expect(at(3)).toMatchObject({ charges: [{ micro: 500_000 }], fills: [{ order: "out" }] })
    expect(at(4).charges).toEqual([])
    expect(account.ledger.funding).toBe(1_000_000)
  })

  it("run on over bars that are missing", () => {
    const account = holding(-5, 1_000, { costs: { ...free, borrowBpsPerYear: 8_760 } })
    const { charges } = step(account, 11, { open: 100 })
    // A ten-thousandth of five hundred an hour, from the open of bar 1.
    expect(charges).toEqual([{ instrument: id, kind: "borrow", micro: 10 * 50_000 }])
  })

  it("of dividends go to who holds before the open", () => {
    const account = holding(5, 1_000)
    order(account, market(id, -5), "out")
    const { charges } = Account.applyBars(account, {
      asOf: asOfAt(2),
      bars: [barOf(alpha, 2, { open: 100 })],
      dividends: [
        { instrument: id, perUnit: 2 },
        { instrument: beta.id, perUnit: 2 }
      ]
    })
    expect(charges).toEqual([{ instrument: id, kind: "dividend", micro: -10_000_000 }])
    expect(account.ledger).toMatchObject({ cash: 1_010_000_000, dividends: -10_000_000 })
  })
})

describe("liquidation", () => {
  const rules = { maintenanceMargin: 0.1 }

  it("closes a position when the worst price of a bar leaves too little, at that price and its costs", () => {
    const account = holding(50, 1_000, rules)
    expect(step(account, 2, { open: 100, low: 89 }).fills).toEqual([])
    const costs = { feeBps: 100, halfSpreadBps: 50, slippageBps: 50 }
    const costly = holding(50, 1_000, rules)
    const { fills, shortfall } = Account.applyBars(
      { ...costly, terms: termsOf({ ...withoutLimits(costs), ...rules }) },
      { asOf: asOfAt(2), bars: [barOf(alpha, 2, { open: 100, low: 88, close: 100 })] }
    )
    expect(fills).toMatchObject([
      { lots: -50, ticks: 87, paid: -4_350_000_000, fee: 43_500_000, at: asOfAt(2) }
    ])
    expect(shortfall).toBe(0)
    expect(Account.heldOf(costly, id)).toBe(0)
  })

  it("closes a short position at the high", () => {
    const account = holding(-10, 1_000, rules)
    expect(step(account, 2, { open: 100, high: 181 }).fills).toEqual([])
    expect(step(account, 3, { open: 100, high: 182 }).fills).toMatchObject([{ lots: 10, ticks: 182 }])
  })

  it("drops the orders of the account with it", () => {
    const account = holding(50, 1_000, rules)
    order(account, limit(id, 1, 10), "waits")
    const { cancellations } = step(account, 2, { open: 100, low: 85 })
    expect(cancellations).toEqual([{ order: "waits", lots: 1, reason: "liquidated" }])
    expect(account.listings.get(id)?.orders).toEqual([])
  })

  it("says what the venue had to put in, and leaves nothing owed", () => {
    const account = holding(50, 1_000, rules)
    const { shortfall } = step(account, 2, { open: 60, low: 50 })
    expect(shortfall).toBe(1_500_000_000)
    expect(account.ledger).toMatchObject({ cash: 0, shortfall: -1_500_000_000 })
    expect(moneyOf(account.ledger)).toBe(1_000_000_000n)
    expect(Account.equityOf(account)).toBe(0)
  })

  it("never closes what is paid for", () => {
    const account = holding(10, 1_000, { maintenanceMargin: 1 })
    expect(step(account, 2, { open: 1, low: 1 }).fills).toEqual([])
  })

  it("waits while nobody trades", () => {
    const account = holding(50, 1_000, rules)
    expect(step(account, 2, { open: 50, volume: 0 }).fills).toEqual([])
    Account.halt(account, id, true)
    expect(step(account, 3, { open: 50 }).fills).toEqual([])
    Account.halt(account, id, false)
    expect(step(account, 4, { open: 50 }).fills.length).toBe(1)
  })

  it("is not done where no margin is asked for", () => {
    const account = holding(50, 1_000)
    expect(step(account, 2, { open: 10 })).toMatchObject({ fills: [], shortfall: 0 })
    expect(Account.equityOf(account)).toBe(-3_500_000_000)
  })
})

describe("rules", () => {
  it("that are none are refused", () => {
    for (const bad of [
      { leverageMax: 0 },
      { maintenanceMargin: 1.1 },
      { maintenanceMargin: 0 },
      { participationMax: Number.NaN },
      { latencyMs: -1 },
      { latencyMs: 0.5 }
    ])
      expect(() => terms(bad)).toThrow(RangeError)
  })
})
