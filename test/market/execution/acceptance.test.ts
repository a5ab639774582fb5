import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import * as Account from "../../../src/market/execution/Account.ts"
import { accept, place, type RejectionReason } from "../../../src/market/execution/acceptance.ts"
import {
  limit,
  market,
  type Order,
  type OrderRequest,
  orderOf,
  stop
} from "../../../src/market/execution/Order.ts"
import type { ExecutionRules } from "../../../src/market/execution/Terms.ts"
import { alpha, asOfAt, barOf, free, instrumentOf, terms } from "./market.ts"

const { id } = alpha
const beta = instrumentOf("BETA")

/** An account of so many quote units that has seen one bar of ALPHA and BETA at 100. */
const accountOf = (cash: number, rules: Partial<ExecutionRules> = {}): Account.Account => {
  const account = Account.open(cash * 1e6, terms(rules))
  Account.list(account, alpha)
  Account.list(account, beta)
  Account.applyBars(account, {
    asOf: asOfAt(0),
    bars: [barOf(alpha, 0, { open: 100 }), barOf(beta, 0, { open: 100 })]
  })
  return account
}

const make = (request: OrderRequest, name = "a"): Order => orderOf(request, name, asOfAt(0))
const reasonOf = (account: Account.Account, order: Order): RejectionReason | "taken" => {
  const placed = place(account, order)
  if (Either.isLeft(placed))
    expect(placed.left).toMatchObject({
      order: order.id,
      sentence: expect.stringMatching(/^The order .+\.$/)
    })
  return Either.match(placed, { onLeft: ({ reason }) => reason, onRight: () => "taken" })
}
const refusal = (request: OrderRequest, rules: Partial<ExecutionRules> = {}, cash = 1_000) =>
  reasonOf(accountOf(cash, rules), make(request))

describe("an order by itself", () => {
  it("is refused for a size that is none", () => {
    expect(refusal(market(id, 0))).toBe("size-zero")
    for (const lots of [0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])
      expect(refusal(market(id, lots))).toBe("size-not-whole")
  })

  it("is refused for a price that is none: zero, negative, no number, off the grid, or there where none belongs", () => {
    for (const ticks of [0, -1, Number.NaN, 99.5, 2 ** 53, null]) {
      expect(refusal({ ...limit(id, 1, 1), ticks })).toBe("price-invalid")
      expect(refusal({ ...stop(id, 1, 1), ticks })).toBe("price-invalid")
    }
    expect(refusal({ ...market(id, 1), ticks: 100 })).toBe("price-invalid")
  })

  it("is refused for a bracket that could not close it on both sides", () => {
    const bracket = (stopLossTicks: number | null, takeProfitTicks: number | null) => ({
      bracket: { stopLossTicks, takeProfitTicks }
    })
    expect(refusal(market(id, 1, bracket(90, 110)))).toBe("taken")
    expect(refusal(market(id, -1, bracket(110, 90)))).toBe("taken")
    expect(refusal(limit(id, 1, 100, bracket(90, null)))).toBe("taken")
    for (const [lots, stopLoss, takeProfit] of [
      [1, 110, 90],
      [-1, 90, 110],
      [1, 90, 90],
      [1, null, null],
      [1, 90, 0],
      [1, 89.5, 110]
    ] as const)
      expect(refusal(market(id, lots, bracket(stopLoss, takeProfit)))).toBe("bracket-invalid")
    expect(refusal(limit(id, 1, 80, bracket(90, 110)))).toBe("bracket-invalid")
    expect(refusal(stop(id, 1, 120, bracket(90, 110)))).toBe("bracket-invalid")
  })

  it("is refused for instants that are none, or past", () => {
    expect(refusal(market(id, 1, { timeInForce: { expiresAt: asOfAt(0) } }))).toBe("expired")
    expect(refusal(market(id, 1, { timeInForce: { expiresAt: Number.NaN } }))).toBe("instant-invalid")
    expect(reasonOf(accountOf(1_000), { ...make(market(id, 1)), asOf: 0.5 })).toBe("instant-invalid")
  })
})

describe("an order in an account", () => {
  it("is refused twice under one id, open or filled", () => {
    const account = accountOf(1_000)
    expect(reasonOf(account, make(market(id, 1)))).toBe("taken")
    expect(reasonOf(account, make(market(id, 2)))).toBe("duplicate-id")
    Account.applyBars(account, { asOf: asOfAt(1), bars: [barOf(alpha, 1, { open: 100 })] })
    expect(account.listings.get(id)?.orders).toEqual([])
    expect(reasonOf(account, { ...make(market(id, 2)), asOf: asOfAt(1) })).toBe("duplicate-id")
  })

  it("is refused for what the account does not trade, or not now", () => {
    expect(refusal(market("sim:OTHER:spot", 1))).toBe("unknown-instrument")
    const account = accountOf(1_000)
    Account.halt(account, id, true)
    expect(reasonOf(account, make(market(id, 1)))).toBe("halted")
    Account.halt(account, id, false)
    expect(reasonOf(account, make(market(id, 1)))).toBe("taken")
  })

  it("is refused at an as-of before the account's", () => {
    expect(reasonOf(accountOf(1_000), { ...make(market(id, 1)), asOf: asOfAt(0) - 1 })).toBe(
      "as-of-steps-back"
    )
  })

  it("is refused for a value that is not counted", () => {
    expect(refusal(market(id, 100_000_000))).toBe("value-too-large")
    const account = accountOf(1_000)
    expect(reasonOf(account, make(limit(id, 2 ** 52, 1)))).toBe("value-too-large")
    expect(reasonOf(account, make(limit(id, 2 ** 32, 1), "b"))).toBe("taken")
    expect(reasonOf(account, make(limit(id, 2 ** 53 - 1, 1), "c"))).toBe("value-too-large")
  })

  it("sells nothing that is not held where it may not, open orders counted", () => {
    const rules = { shorting: false }
    expect(refusal(market(id, -1), rules)).toBe("short-sale")
    const account = accountOf(1_000, rules)
    place(account, make(market(id, 5)))
    Account.applyBars(account, { asOf: asOfAt(1), bars: [barOf(alpha, 1, { open: 100 })] })
    const later = (request: OrderRequest, name: string) =>
      reasonOf(account, orderOf(request, name, asOfAt(1)))
    expect(later(limit(id, -3, 120), "b")).toBe("taken")
    expect(later(market(id, -3), "c")).toBe("short-sale")
    expect(later(market(id, -2), "d")).toBe("taken")
    expect(later(market(id, -5, { reduceOnly: true }), "e")).toBe("taken")
  })

  it("is refused beyond the buying power: what all positions come to at their largest, the fee included", () => {
    expect(refusal(market(id, 10), { leverageMax: 1 })).toBe("taken")
    expect(refusal(market(id, 11), { leverageMax: 1 })).toBe("buying-power")
    expect(refusal(market(id, -11), { leverageMax: 1 })).toBe("buying-power")
    expect(refusal(market(id, 30), { leverageMax: 3 })).toBe("taken")
    expect(refusal(market(id, 10), { leverageMax: 1, costs: { ...free, feeBps: 1 } })).toBe("buying-power")
    expect(refusal(market(id, 10), { leverageMax: 1, costs: { ...free, halfSpreadBps: 1 } })).toBe(
      "buying-power"
    )
    expect(refusal(limit(id, 12, 80), { leverageMax: 1 })).toBe("buying-power")
    expect(refusal(limit(id, -10, 101), { leverageMax: 1 })).toBe("buying-power")
    expect(refusal(stop(id, 10, 101), { leverageMax: 1 })).toBe("buying-power")
    expect(refusal(market(id, 11))).toBe("taken")
  })

  it("shares the buying power with open orders of its own and of other instruments", () => {
    const account = accountOf(1_000, { leverageMax: 1 })
    expect(reasonOf(account, make(market(id, 6)))).toBe("taken")
    expect(reasonOf(account, make(market(id, 5), "b"))).toBe("buying-power")
    expect(reasonOf(account, make(market(beta.id, 5), "c"))).toBe("buying-power")
    expect(reasonOf(account, make(market(beta.id, 4), "d"))).toBe("taken")
    // Sold short at most six, where six may be bought: the position gets no larger than it may already.
    expect(reasonOf(account, make(market(id, -6), "e"))).toBe("taken")
    Account.cancel(account, "d", "to make room")
    expect(reasonOf(account, make(market(id, 4), "f"))).toBe("taken")
  })

  it("that only reduces is taken by an account that can carry nothing more", () => {
    const account = accountOf(1_000, { leverageMax: 1 })
    place(account, make(market(id, 10)))
    Account.applyBars(account, { asOf: asOfAt(1), bars: [barOf(alpha, 1, { open: 100, close: 10 })] })
    const later = (request: OrderRequest, name: string) =>
      reasonOf(account, orderOf(request, name, asOfAt(1)))
    expect(later(market(beta.id, 1), "b")).toBe("buying-power")
    expect(later(market(id, -10), "c")).toBe("taken")
  })

  it("of an instrument without a price yet cannot be weighed where that has to be", () => {
    const account = Account.open(1_000_000_000, terms({ leverageMax: 1 }))
    Account.list(account, alpha)
    expect(reasonOf(account, make(market(id, 1)))).toBe("no-price")
    expect(reasonOf(account, make(limit(id, 1, 100), "b"))).toBe("taken")
  })

  it("leaves the account as it is when it is refused, and when it is only asked about", () => {
    const account = accountOf(1_000, { leverageMax: 1, shorting: false })
    place(account, make(limit(id, 5, 90)))
    const before = structuredClone({ ...account, ids: null })
    const refused = [
      market(id, 0),
      market(id, 1.5),
      limit(id, 1, 0),
      market(id, -1),
      market(id, 11),
      market("sim:OTHER:spot", 1)
    ]
    for (const request of refused) expect(Either.isLeft(place(account, make(request, "b")))).toBe(true)
    expect(Either.isRight(accept(account, make(market(id, 1), "b")))).toBe(true)
    expect({ ...account, ids: null }).toEqual(before)
    expect(reasonOf(account, make(market(id, 1), "b"))).toBe("taken")
  })
})
