import { describe, expect, it } from "@effect/vitest"
import type { Market, Matched, MatchedBar } from "../../../src/market/execution/matching.ts"
import {
  limit,
  market,
  type OrderRequest,
  stop,
  type WorkingOrder
} from "../../../src/market/execution/Order.ts"
import type { ExecutionRules } from "../../../src/market/execution/Terms.ts"
import {
  alpha,
  asOfAt,
  barOf,
  frameMs,
  free,
  marketOf,
  match,
  next,
  openTimeAt,
  terms,
  working
} from "./market.ts"

const id = alpha.id
const gtc = "good-till-cancelled"

interface Conditions {
  readonly market?: Partial<Market>
  readonly rules?: Partial<ExecutionRules>
}

const matchAll = (orders: ReadonlyArray<WorkingOrder>, bar: MatchedBar, { market, rules }: Conditions = {}) =>
  match(orders, bar, marketOf(market), terms(rules))
const one = (request: OrderRequest, bar: MatchedBar, conditions: Conditions = {}) =>
  matchAll([working(request)], bar, conditions)

const fillsOf = ({ fills }: Matched) => fills.map(({ lots, order, ticks }) => [order, lots, ticks])
const cancelledOf = ({ cancellations }: Matched) => cancellations.map(({ lots, order }) => [order, lots])
const openOf = ({ remaining }: Matched) =>
  remaining.map((order) => [order.id, order.kind, order.lots, order.ticks])

describe("a market order", () => {
  it("fills at the first price of the next bar, moved against it by half the spread and the slippage, with the fee", () => {
    const costs = { feeBps: 10, halfSpreadBps: 50, slippageBps: 50 }
    const bought = one(market(id, 2), next({ open: 200, close: 300 }), { rules: { costs } })
    expect(bought.fills).toEqual([
      { order: "a", instrument: id, lots: 2, ticks: 202, paid: 404_000_000, fee: 404_000, at: openTimeAt(1) }
    ])
    const sold = one(market(id, -2), next({ open: 200, close: 300 }), { rules: { costs } })
    expect(sold.fills[0]).toMatchObject({ ticks: 198, paid: -396_000_000, fee: 396_000 })
    expect(sold.remaining).toEqual([])
  })

  it("of a close-only series fills at the close", () => {
    const bar = barOf(alpha, 1, { open: 105 }, { closeOnly: true })
    expect(one(market(id, 2), bar).fills[0]).toMatchObject({ ticks: 105, at: asOfAt(1) })
  })

  it("does not fill on a bar that opened before its as-of, nor within the latency", () => {
    const order = market(id, 2)
    expect(one(order, barOf(alpha, 0, { open: 100 })).fills).toEqual([])
    const late = { rules: { latencyMs: 1 } }
    expect(one(order, next({ open: 100 }), late).fills).toEqual([])
    expect(fillsOf(one(order, barOf(alpha, 2, { open: 100 }), late))).toEqual([["a", 2, 100]])
    expect(fillsOf(one(order, barOf(alpha, 2, { open: 100 }), { rules: { latencyMs: frameMs } }))).toEqual([
      ["a", 2, 100]
    ])
  })

  it("waits in a bar without volume, and while the instrument is halted", () => {
    const silent = one(market(id, 2), next({ open: 100, volume: 0 }))
    expect([fillsOf(silent), openOf(silent)]).toEqual([[], [["a", "market", 2, null]]])
    const halted = one(market(id, 2), next({ open: 100 }), { market: { isHalted: true } })
    expect([fillsOf(halted), openOf(halted)]).toEqual([[], [["a", "market", 2, null]]])
  })
})

describe("a limit order", () => {
  it("fills only when it is traded through: a price that is merely reached is not enough", () => {
    expect(fillsOf(one(limit(id, 2, 95), next({ open: 100, low: 95 })))).toEqual([])
    expect(fillsOf(one(limit(id, 2, 95), next({ open: 100, low: 94 })))).toEqual([["a", 2, 95]])
    expect(fillsOf(one(limit(id, -2, 105), next({ open: 100, high: 105 })))).toEqual([])
    expect(fillsOf(one(limit(id, -2, 105), next({ open: 100, high: 106 })))).toEqual([["a", -2, 105]])
  })

  it("fills at a better open as a market order does, never beyond its limit, with the fee of who takes", () => {
    const costs = { feeBps: 100, halfSpreadBps: 50, slippageBps: 50, makerFeeBps: 10 }
    const opened = one(limit(id, 2, 95), next({ open: 90, high: 99 }), { rules: { costs } })
    expect(opened.fills[0]).toMatchObject({ ticks: 91, fee: 1_820_000, at: openTimeAt(1) })
    const atLimit = one(limit(id, 2, 95), next({ open: 94.5, high: 99 }), { rules: { costs } })
    expect(atLimit.fills[0]).toMatchObject({ ticks: 95, fee: 1_900_000, at: openTimeAt(1) })
    const waited = one(limit(id, 2, 95), next({ open: 100, low: 90 }), { rules: { costs } })
    expect(waited.fills[0]).toMatchObject({ ticks: 95, fee: 190_000, at: asOfAt(1) })
    expect(fillsOf(one(limit(id, 2, 95), next({ open: 95 })))).toEqual([])
  })

  it("is compared with prices as they are written, not as doubles divide them", () => {
    const tenth = { contract: { tick: 0.1, lot: 1 }, perTickLot: { numerator: 100_000, denominator: 1 } }
    const touched = one(limit(id, 1, 3), next({ open: 0.5, low: 0.3 }), { market: tenth })
    expect(fillsOf(touched)).toEqual([])
  })

  it("keeps its place as long as it does not fill", () => {
    const before = [working(limit(id, 2, 50))]
    const after = matchAll(before, next({ open: 100 }))
    expect(after).toEqual({ fills: [], cancellations: [], remaining: before })
  })
})

describe("a stop order", () => {
  it("fills at its price, moved as a market order, when that is touched", () => {
    const rules = { costs: { ...free, halfSpreadBps: 100 } }
    expect(fillsOf(one(stop(id, 2, 200), next({ open: 190, high: 199 }), { rules }))).toEqual([])
    expect(fillsOf(one(stop(id, 2, 200), next({ open: 190, high: 200 }), { rules }))).toEqual([["a", 2, 202]])
    expect(fillsOf(one(stop(id, -2, 100), next({ open: 110, low: 100 }), { rules }))).toEqual([["a", -2, 99]])
  })

  it("that the open has passed fills at the open", () => {
    const rules = { costs: { ...free, halfSpreadBps: 100 } }
    expect(one(stop(id, -2, 100), next({ open: 50, high: 120 }), { rules }).fills[0]).toMatchObject({
      ticks: 49,
      at: openTimeAt(1)
    })
    expect(fillsOf(one(stop(id, 2, 200), next({ open: 300 }), { rules }))).toEqual([["a", 2, 303]])
    expect(fillsOf(one(stop(id, 2, 200), next({ open: 200 })))).toEqual([["a", 2, 200]])
  })

  it("of a close-only series fills at the close that reaches it", () => {
    const at = (close: number) => barOf(alpha, 1, { open: close }, { closeOnly: true })
    expect(fillsOf(one(stop(id, -2, 100), at(101)))).toEqual([])
    expect(fillsOf(one(stop(id, -2, 100), at(97)))).toEqual([["a", -2, 97]])
  })
})

describe("a bracket", () => {
  const bracket = { stopLossTicks: 90, takeProfitTicks: 110 }
  const entry = market(id, 10, { bracket })

  it("of a stop that was touched inside the bar stops out at its own price, not at an open before it was there", () => {
    const breakout = stop(id, 10, 105, { bracket: { stopLossTicks: 103, takeProfitTicks: null } })
    const whipsaw = one(breakout, next({ open: 80, high: 106, low: 79 }))
    expect(fillsOf(whipsaw)).toEqual([
      ["a", 10, 105],
      ["a/stop-loss", -10, 103]
    ])
  })

  it("comes into being with the fill, for its size, to reduce only", () => {
    const opened = one(entry, next({ open: 100 }))
    expect(fillsOf(opened)).toEqual([["a", 10, 100]])
    expect(openOf(opened)).toEqual([
      ["a/stop-loss", "stop", -10, 90],
      ["a/take-profit", "limit", -10, 110]
    ])
    expect(opened.remaining.every(({ parent, reduceOnly }) => reduceOnly && parent === "a")).toBe(true)
  })

  it("of one price alone makes one child", () => {
    const only = { stopLossTicks: null, takeProfitTicks: 110 }
    expect(openOf(one(market(id, 10, { bracket: only }), next({ open: 100 })))).toEqual([
      ["a/take-profit", "limit", -10, 110]
    ])
  })

  it("closes the position in the bar that opened it, when the bar goes there", () => {
    const won = one(entry, next({ open: 100, high: 111 }))
    expect(fillsOf(won)).toEqual([
      ["a", 10, 100],
      ["a/take-profit", -10, 110]
    ])
    expect([cancelledOf(won), openOf(won)]).toEqual([[["a/stop-loss", -10]], []])
    const lost = one(entry, next({ open: 100, low: 90 }))
    expect(fillsOf(lost)).toEqual([
      ["a", 10, 100],
      ["a/stop-loss", -10, 90]
    ])
    expect([cancelledOf(lost), openOf(lost)]).toEqual([[["a/take-profit", -10]], []])
  })

  it("whose both prices lie inside one bar takes the worse for the account", () => {
    const both = one(entry, next({ open: 100, low: 80, high: 120 }))
    expect(fillsOf(both)).toEqual([
      ["a", 10, 100],
      ["a/stop-loss", -10, 90]
    ])
    const short = one(
      market(id, -10, { bracket: { stopLossTicks: 110, takeProfitTicks: 90 } }),
      next({ open: 100, low: 80, high: 120 })
    )
    expect(fillsOf(short)).toEqual([
      ["a", -10, 100],
      ["a/stop-loss", 10, 110]
    ])
  })

  it("that the open has passed already fills from where its position came to be", () => {
    const gapped = one(entry, next({ open: 80, high: 85 }))
    expect(fillsOf(gapped)).toEqual([
      ["a", 10, 80],
      ["a/stop-loss", -10, 80]
    ])
  })

  it("of an order that filled inside the bar takes no profit in it, since that may have come before", () => {
    const inside = one(limit(id, 10, 95, { bracket }), next({ open: 100, low: 92, high: 120 }))
    expect(fillsOf(inside)).toEqual([["a", 10, 95]])
    expect(openOf(inside).length).toBe(2)
    const through = one(limit(id, 10, 95, { bracket }), next({ open: 100, low: 85, high: 120 }))
    expect(fillsOf(through)).toEqual([
      ["a", 10, 95],
      ["a/stop-loss", -10, 90]
    ])
  })

  it("whose target fills in part leaves the stop as much less, and opens no more", () => {
    const opened = one(entry, next({ open: 100 })).remaining
    const rules = { participationMax: 0.5 }
    const part = matchAll(opened, barOf(alpha, 2, { open: 100, high: 111, volume: 8 }), {
      market: { held: 10 },
      rules
    })
    expect(fillsOf(part)).toEqual([["a/take-profit", -4, 110]])
    expect(cancelledOf(part)).toEqual([["a/stop-loss", -4]])
    expect(openOf(part)).toEqual([
      ["a/stop-loss", "stop", -6, 90],
      ["a/take-profit", "limit", -6, 110]
    ])
  })

  it("grows with the fills of its order, and cancels the rest of it when it closes", () => {
    const rules = { participationMax: 0.5 }
    const first = one(entry, next({ open: 100, volume: 6 }), { rules })
    expect(openOf(first)).toEqual([
      ["a", "market", 7, null],
      ["a/stop-loss", "stop", -3, 90],
      ["a/take-profit", "limit", -3, 110]
    ])
    const second = matchAll(first.remaining, barOf(alpha, 2, { open: 100, volume: 4 }), {
      market: { held: 3 },
      rules
    })
    expect(openOf(second).map(([, , lots]) => lots)).toEqual([5, -5, -5])
    const closed = matchAll(first.remaining, barOf(alpha, 2, { open: 90, volume: 20 }), {
      market: { held: 3 },
      rules
    })
    expect(fillsOf(closed)).toEqual([
      ["a", 7, 90],
      ["a/stop-loss", -3, 90]
    ])
  })

  it("is cancelled when its position is closed by something else", () => {
    const opened = one(entry, next({ open: 100 })).remaining
    const exit = matchAll([...opened, working(market(id, -10), "b")], barOf(alpha, 2, { open: 100 }), {
      market: { held: 10 }
    })
    expect(fillsOf(exit)).toEqual([["b", -10, 100]])
    expect([cancelledOf(exit), openOf(exit)]).toEqual([
      [
        ["a/stop-loss", -10],
        ["a/take-profit", -10]
      ],
      []
    ])
  })
})

describe("reduce-only", () => {
  const exit = market(id, -10, { reduceOnly: true })

  it("never turns a position: what would is cancelled", () => {
    const some = one(exit, next({ open: 100 }), { market: { held: 4 } })
    expect([fillsOf(some), cancelledOf(some), openOf(some)]).toEqual([[["a", -4, 100]], [["a", -6]], []])
  })

  it("never opens one", () => {
    for (const held of [0, -4]) {
      const none = one(exit, next({ open: 100 }), { market: { held } })
      expect([fillsOf(none), cancelledOf(none)]).toEqual([[], [["a", -10]]])
    }
  })

  it("sees what filled before it in the same bar", () => {
    const orders = [working(market(id, 5), "b"), working(exit)]
    expect(fillsOf(matchAll(orders, next({ open: 100 })))).toEqual([
      ["b", 5, 100],
      ["a", -5, 100]
    ])
  })
})

describe("time in force", () => {
  it("cancels at once what does not fill at the first price of the first bar", () => {
    const ioc = { timeInForce: "immediate-or-cancel" } as const
    const waits = one(limit(id, 2, 95, ioc), next({ open: 100, low: 90 }))
    expect([fillsOf(waits), cancelledOf(waits)]).toEqual([[], [["a", 2]]])
    expect(fillsOf(one(limit(id, 2, 95, ioc), next({ open: 94 })))).toEqual([["a", 2, 94]])
    const part = one(market(id, 10, ioc), next({ open: 100, volume: 8 }), {
      rules: { participationMax: 0.5 }
    })
    expect([fillsOf(part), cancelledOf(part), openOf(part)]).toEqual([[["a", 4, 100]], [["a", 6]], []])
    expect(cancelledOf(one(market(id, 2, ioc), next({ open: 100, volume: 0 })))).toEqual([["a", 2]])
  })

  it("leaves an order alone until its first bar comes", () => {
    const early = one(market(id, 2, { timeInForce: "immediate-or-cancel" }), barOf(alpha, 0, { open: 100 }))
    expect([fillsOf(early), cancelledOf(early)]).toEqual([[], []])
  })

  it("ends at an instant: of a bar that ends after it only the first price counts", () => {
    const until = (expiresAt: number) => ({ timeInForce: { expiresAt } })
    const bar = next({ open: 100, low: 90 })
    const fills = (expiresAt: number) => fillsOf(one(limit(id, 2, 95, until(expiresAt)), bar)).length
    expect([fills(asOfAt(1)), fills(asOfAt(1) - 1)]).toEqual([1, 0])
    expect(cancelledOf(one(limit(id, 2, 95, until(asOfAt(1) - 1)), bar))).toEqual([["a", 2]])
    expect(fillsOf(one(market(id, 2, until(openTimeAt(1) + 1)), bar))).toEqual([["a", 2, 100]])
    expect(cancelledOf(one(market(id, 2, until(openTimeAt(1))), bar))).toEqual([["a", 2]])
  })
})

describe("a share of the volume", () => {
  const rules = { participationMax: 0.25 }

  it("bounds what all orders fill in a bar, and what remains waits for the next", () => {
    const orders = [working(market(id, 6)), working(market(id, -6), "b"), working(market(id, 1), "c")]
    const first = matchAll(orders, next({ open: 100, volume: 32 }), { rules })
    expect(fillsOf(first)).toEqual([
      ["a", 6, 100],
      ["b", -2, 100]
    ])
    expect(openOf(first)).toEqual([
      ["b", "market", -4, null],
      ["c", "market", 1, null]
    ])
  })

  it("is of whole lots, and no bound where there is no volume", () => {
    expect(fillsOf(one(market(id, 6), next({ open: 100, volume: 3.9 }), { rules }))).toEqual([])
    expect(fillsOf(one(market(id, 6), next({ open: 100, volume: null }), { rules }))).toEqual([["a", 6, 100]])
  })

  it("leaves of a stop that was touched a market order", () => {
    const touched = one(stop(id, -6, 95), next({ open: 100, low: 90, volume: 8 }), { rules })
    expect(fillsOf(touched)).toEqual([["a", -2, 95]])
    expect(openOf(touched)).toEqual([["a", "market", -4, null]])
    expect(fillsOf(matchAll(touched.remaining, barOf(alpha, 2, { open: 130 })))).toEqual([["a", -4, 130]])
  })
})

describe("a bar", () => {
  it("fills at its first price in the order of acceptance, then stops, then limits", () => {
    const orders = [
      working(limit(id, 1, 95), "limit"),
      working(stop(id, 1, 105), "stop"),
      working(market(id, 1), "second"),
      working(limit(id, 1, 101), "better")
    ]
    const all = matchAll(orders, next({ open: 100, low: 90, high: 110 }))
    expect(all.fills.map(({ order }) => order)).toEqual(["second", "better", "stop", "limit"])
  })

  it("cancels what could not be counted any more, and posts nothing of it", () => {
    const cases: ReadonlyArray<readonly [Partial<Market>, number, number]> = [
      [{ room: 199_999_999 }, 2, 100],
      [{}, 10_000_000, 1e9],
      [{ held: Number.MAX_SAFE_INTEGER }, 1, 1],
      [{ contract: { tick: 1e-300, lot: 1 } }, 1, 1e300]
    ]
    for (const [conditions, lots, open] of cases) {
      const refused = one(market(id, lots), next({ open }), { market: conditions })
      expect([fillsOf(refused), cancelledOf(refused)]).toEqual([[], [["a", lots]]])
    }
    expect(fillsOf(one(market(id, 2), next({ open: 100 }), { market: { room: 200_000_000 } }))).toEqual([
      ["a", 2, 100]
    ])
  })

  it("changes nothing of the orders that it is given", () => {
    const orders = [working(stop(id, -6, 95, { timeInForce: gtc }))]
    const before = structuredClone(orders)
    matchAll(orders, next({ open: 100, low: 90, volume: 8 }), { rules: { participationMax: 0.25 } })
    expect(orders).toEqual(before)
  })
})
