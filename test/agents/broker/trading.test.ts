import { describe, expect, it } from "@effect/vitest"
import { Either, Schema } from "effect"
import fc from "fast-check"
import { type AccountState, equityOf, evolve } from "../../../src/agents/broker/AccountState.ts"
import { applyBars, applyDecisions } from "../../../src/agents/broker/trading.ts"
import { enveloped } from "../../../src/agents/NodeContext.ts"
import { roundTrip } from "../../../src/market/Costs.ts"
import { type ExecutionRules, termsOf, withoutLimits } from "../../../src/market/execution/Terms.ts"
import {
  accountEvents,
  BarsApplied,
  DecisionsApplied,
  type Order,
  StopLatched
} from "../../../src/protocols/Account.ts"
import type { Bar } from "../../../src/protocols/Bar.ts"
import type { Instrument } from "../../../src/protocols/Instrument.ts"
import * as EventType from "../../../src/protocols/wire/EventType.ts"
import { asOfAt, barOf, instrumentOf, type Prices, run, timeFrame } from "../feedEvents.ts"
import { settingsWith } from "../settings.ts"
import {
  alpha,
  bars,
  beta,
  broker,
  costs,
  decisionOn,
  decisions,
  eventOf,
  free,
  lotsOf,
  openAccount,
  release,
  startingCash,
  stop
} from "./account.ts"

/** An account that has seen one bar of ALPHA, closing at 100. */
const marked = () => bars(openAccount(), [barOf(alpha, 0, { open: 99, close: 100 })]).state

/** Half the equity in ALPHA, ordered at 100 and filled at an open of 110. */
const invested = (exposure = 0.5) =>
  bars(decisions(marked(), [decisionOn(alpha, 0, exposure)]).state, [
    barOf(alpha, 1, { open: 110, close: 110 })
  ]).state

const only = <A>(list: ReadonlyArray<A>): A => {
  expect(list.length).toBe(1)
  return list[0] as A
}

describe("orders from decisions", () => {
  it("are for as many lots as the exposure comes to at the latest close, rounded towards nothing", () => {
    const { payload } = decisions(marked(), [decisionOn(alpha, 0, 0.123_456)])
    const order = only<typeof Order.Type>(payload.orders)
    expect(order).toMatchObject({
      instrument: alpha.id,
      asOf: asOfAt(0),
      lots: Math.trunc(12_345.6 / (100 * 1e-4))
    })
    const short = only(decisions(marked(), [decisionOn(alpha, 0, -0.123_456)]).payload.orders)
    expect(short.lots).toBe(-order.lots)
  })

  it("bear the decision that caused them, and an id that follows from it", () => {
    const decision = decisionOn(alpha, 0, 0.5)
    const order = only(decisions(marked(), [decision]).payload.orders)
    expect(order.cause).toBe(decision.id)
    expect(only(decisions(marked(), [decision]).payload.orders).id).toBe(order.id)
    expect(only(decisions(marked(), [decisionOn(alpha, 1, 0.5)]).payload.orders).id).not.toBe(order.id)
  })

  it("are not made of what leaves everything as it is", () => {
    for (const strategy of ["keep", "degraded"] as const) {
      const { payload } = decisions(invested(), [decisionOn(alpha, 1, 0, strategy)])
      expect(payload).toMatchObject({ orders: [], cancellations: [] })
    }
  })

  it("are not made for a change that is not worth the trade, but going out always is", () => {
    const held = lotsOf(invested(), alpha)
    const equity = equityOf(invested()) / 1e6
    const exposure = (held * 110 * 1e-4) / equity
    expect(decisions(invested(), [decisionOn(alpha, 1, exposure + 0.019)]).payload.orders).toEqual([])
    expect(decisions(invested(), [decisionOn(alpha, 1, exposure + 0.021)]).payload.orders.length).toBe(1)
    const small = bars(decisions(marked(), [decisionOn(alpha, 0, 0.021)]).state, [
      barOf(alpha, 1, { open: 50, close: 50 })
    ]).state
    expect(only(decisions(small, [decisionOn(alpha, 1, 0, "exit")]).payload.orders).lots).toBe(
      -lotsOf(small, alpha)
    )
  })

  it("replace what is still open of the same instrument, and leave the others'", () => {
    const both = bars(marked(), [
      barOf(alpha, 1, { open: 100, close: 100 }),
      barOf(beta, 1, { open: 50, close: 50 })
    ]).state
    const first = decisions(both, [decisionOn(alpha, 1, 0.5), decisionOn(beta, 1, 0.3)])
    const second = decisions(first.state, [decisionOn(alpha, 2, -0.2)])
    const [ofAlpha, ofBeta] = first.payload.orders
    expect(only(second.payload.cancellations).order).toBe(ofAlpha?.id)
    expect(second.state.open.map(({ id }) => id)).toEqual([ofBeta?.id, only(second.payload.orders).id])
  })

  it("are one order when the same decision comes twice before it has filled", () => {
    const decision = decisionOn(alpha, 0, 0.5)
    const once = decisions(marked(), [decision]).state
    expect(decisions(once, [decision]).state.open).toEqual(once.open)
  })

  it("are not made of an instrument without a price, nor by an account without equity", () => {
    expect(decisions(marked(), [decisionOn(beta, 0, 0.5)]).payload.orders).toEqual([])
    const ruined = { ...marked(), ledger: { ...marked().ledger, cash: 0 } }
    expect(decisions(ruined, [decisionOn(alpha, 0, 0.5)]).payload.orders).toEqual([])
  })
})

describe("fills", () => {
  const ordered = (exposure: number) => decisions(marked(), [decisionOn(alpha, 0, exposure)]).state
  const next = barOf(alpha, 1, { open: 110, close: 120 })

  it("are at the next bar's open, moved against the account, and never at the price decided on", () => {
    const buy = only(bars(ordered(0.5), [next]).payload.fills)
    expect(buy).toMatchObject({ at: next.openTime, priceTicks: Math.ceil((110 * 1.0002) / 0.01) })
    const sell = only(bars(ordered(-0.5), [next]).payload.fills)
    expect(sell.priceTicks).toBe(Math.floor((110 * 0.9998) / 0.01))
    expect(bars(ordered(0.5), [next], free).payload.fills[0]?.priceTicks).toBe(11_000)
  })

  it("of a close-only series are at the next close", () => {
    const closeOnly = barOf(alpha, 1, { open: 110, close: 120, closeOnly: true })
    const fill = only(bars(ordered(0.5), [closeOnly], free).payload.fills)
    expect(fill).toMatchObject({ at: closeOnly.closeTime, priceTicks: 12_000 })
  })

  it("do not happen on the bar that was decided on, however often it comes", () => {
    const again = bars(ordered(0.5), [barOf(alpha, 0, { open: 99, close: 100 })])
    expect(again.payload.fills).toEqual([])
    expect(again.state.open.length).toBe(1)
  })

  it("wait while nobody trades, and while the instrument has no bar", () => {
    const silent = bars(ordered(0.5), [barOf(alpha, 1, { open: 110, close: 110, volume: 0 })])
    expect(silent.payload.fills).toEqual([])
    const elsewhere = bars(silent.state, [barOf(beta, 2, { open: 50, close: 50 })])
    expect(elsewhere.payload.fills).toEqual([])
    const fill = only(bars(elsewhere.state, [barOf(alpha, 3, { open: 90, close: 90 })]).payload.fills)
    expect(fill.at).toBe(barOf(alpha, 3, { open: 90, close: 90 }).openTime)
  })

  it("cost at least what was said: going in and out at one price loses the round trip", () => {
    const flatBar = (index: number) => barOf(alpha, index, { open: 100, close: 100 })
    const inside = bars(ordered(0.5), [flatBar(1)]).state
    const out = bars(decisions(inside, [decisionOn(alpha, 1, 0, "exit")]).state, [flatBar(2)]).state
    expect(lotsOf(out, alpha)).toBe(0)
    const lost = (startingCash - equityOf(out)) / 1e6
    const expected = 0.5 * 100_000 * roundTrip(costs)
    expect(lost).toBeGreaterThanOrEqual(expected)
    // Ticks are rounded against the account: two of them, on five hundred units.
    expect(lost).toBeLessThan(expected + 2 * 0.01 * 500)
  })

  it("pay their fee on what was traded", () => {
    const fill = only(bars(ordered(0.5), [next]).payload.fills)
    const traded = fill.lots * 1e-4 * fill.priceTicks * 0.01
    expect(fill.fee / 1e6).toBeCloseTo(traded * 5e-4, 5)
  })
})

describe("the kill switch", () => {
  it("cancels what is pending, orders everything back, and takes no decision from then on", () => {
    const pending = decisions(invested(), [decisionOn(alpha, 1, -0.5)]).state
    const { payload, state } = stop(pending, "stop-0001")
    expect(state.stop).toEqual({ command: "stop-0001", reason: "enough is enough" })
    expect(payload.cancellations.map(({ order }) => order)).toEqual(pending.open.map(({ id }) => id))
    expect(only(payload.orders)).toMatchObject({ lots: -lotsOf(pending, alpha), cause: "stop-0001" })
    expect(state.open).toEqual(payload.orders)
    const after = decisions(state, [decisionOn(alpha, 2, 0.9), decisionOn(alpha, 2, 0, "flatten")])
    expect(after.payload).toMatchObject({ orders: [], cancellations: [] })
    expect(after.state.open).toEqual(payload.orders)
  })

  it("is flat at the next bar, short positions bought back as well", () => {
    for (const exposure of [0.5, -0.5]) {
      const { state } = stop(invested(exposure), "stop-0001")
      expect(lotsOf(state, alpha)).not.toBe(0)
      const after = bars(state, [barOf(alpha, 2, { open: 105, close: 105 })]).state
      expect(lotsOf(after, alpha)).toBe(0)
      expect(after.open).toEqual([])
    }
  })

  it("pulled again while it flattens replaces its own orders, and does not sell twice", () => {
    const first = stop(invested(), "stop-0001").state
    const second = stop(first, "stop-0002").state
    expect(second.open.length).toBe(1)
    expect(lotsOf(bars(second, [barOf(alpha, 2, { open: 105, close: 105 })]).state, alpha)).toBe(0)
  })

  it("lets trading go on after its release, with the next decision", () => {
    const released = release(stop(invested(), "stop-0001").state, "release-1")
    const again = decisions(released, [decisionOn(alpha, 2, 0.5)])
    expect(again.payload.cancellations.length).toBe(1)
    expect(again.state.stop).toBeNull()
  })

  it("latches an account that holds nothing, too", () => {
    const { payload, state } = stop(marked(), "stop-0001")
    expect(payload).toMatchObject({ orders: [], cancellations: [] })
    expect(state.stop).not.toBeNull()
  })
})

describe("an account with limits", () => {
  /** Steps of an account that trades by these rules: a bar, decisions, the next bar. */
  const under = (rules: Partial<ExecutionRules>, contract: Partial<Instrument> = {}) => {
    const gamma = instrumentOf("GAMMA", contract)
    const terms = termsOf({ ...withoutLimits(costs), ...rules })
    const barsAt = (state: AccountState, index: number, prices: Prices, source: Partial<Bar> = {}) => {
      const some = [{ ...barOf(gamma, index, prices), ...source }]
      const event = { asOf: asOfAt(index), timeFrame, index, warmUp: false, bars: some }
      const payload = applyBars(state, event, state.barsSequence + 1, terms)
      expect(Schema.is(BarsApplied.schema)(payload)).toBe(true)
      return { state: evolve(state, eventOf("BarsApplied", payload)), payload }
    }
    const decide = (state: AccountState, index: number, exposure: number) => {
      const some = [decisionOn(gamma, index, exposure)]
      const payload = applyDecisions(state, some, asOfAt(index), state.decisionsSequence + 1, {
        ...broker,
        terms
      })
      expect(Schema.is(DecisionsApplied.schema)(payload)).toBe(true)
      return { state: evolve(state, eventOf("DecisionsApplied", payload)), payload }
    }
    const marked = barsAt(openAccount([gamma]), 0, { open: 100, close: 100 }).state
    return { gamma, barsAt, decide, marked }
  }

  it("takes what it can carry, and says of the rest why not", () => {
    const { decide, marked } = under({ leverageMax: 1 })
    expect(decide(marked, 0, 0.9).payload).toMatchObject({ rejections: [], orders: [{ asOf: asOfAt(0) }] })
    const refused = decide(marked, 0, 1.5)
    expect(refused.payload.orders).toEqual([])
    expect(only(refused.payload.rejections)).toMatchObject({
      cause: only(decide(marked, 0, 0.9).payload.orders).cause,
      reason: expect.stringContaining("the account carries")
    })
    expect(refused.state.open).toEqual([])
  })

  it("fills an order over several bars, and keeps what remains of it open", () => {
    const { barsAt, decide, gamma, marked } = under({ participationMax: 0.5 }, { lot: 1 })
    const ordered = decide(marked, 0, 0.1).state
    const [order] = ordered.open
    expect(order?.lots).toBe(100)
    const first = barsAt(ordered, 1, { open: 100, close: 100, volume: 60 })
    expect(only(first.payload.fills)).toMatchObject({ order: order?.id, lots: 30 })
    expect(first.state.open).toEqual([{ ...order, lots: 70 }])
    const second = barsAt(first.state, 2, { open: 100, close: 100, volume: 1_000 })
    expect([lotsOf(second.state, gamma), second.state.open, second.state.fills]).toEqual([100, [], 2])
  })

  it("waits for the latency", () => {
    const { barsAt, decide, marked } = under({ latencyMs: 1 })
    const ordered = decide(marked, 0, 0.5).state
    const first = barsAt(ordered, 1, { open: 100, close: 100 })
    expect(first.payload.fills).toEqual([])
    expect(barsAt(first.state, 2, { open: 100, close: 100 }).payload.fills.length).toBe(1)
  })

  it("pays for what it holds short, before the fills of the bar", () => {
    const { barsAt, decide, gamma, marked } = under({ costs: { ...costs, borrowBpsPerYear: 8_760 } })
    const short = barsAt(decide(marked, 0, -0.5).state, 1, { open: 100, close: 100 })
    expect(short.payload.charges).toEqual([])
    const held = barsAt(short.state, 2, { open: 100, close: 100 })
    const charge = only(held.payload.charges)
    expect(charge).toMatchObject({ instrument: gamma.id, kind: "borrow" })
    // A ten-thousandth an hour of what was sold for half of a hundred thousand.
    expect(charge.micro / 1e6).toBeCloseTo(5, 1)
    expect(held.state.ledger).toMatchObject({
      borrow: charge.micro,
      cash: short.state.ledger.cash - charge.micro
    })
    expect(equityOf(held.state)).toBe(equityOf(short.state) - charge.micro)
  })

  it("is liquidated, and what the venue had to put in is said and booked", () => {
    const { barsAt, decide, gamma, marked } = under({ maintenanceMargin: 0.1 })
    const leveraged = barsAt(decide(marked, 0, 5).state, 1, { open: 100, close: 100 }).state
    const { payload, state } = barsAt(decide(leveraged, 1, 4).state, 2, { open: 70, close: 70 })
    const [, liquidation] = payload.fills
    expect(liquidation).toMatchObject({
      cause: "liquidation",
      lots: -lotsOf(leveraged, gamma) - (payload.fills[0]?.lots ?? 0)
    })
    expect(payload.shortfall).toBeGreaterThan(0)
    expect(state.ledger).toMatchObject({ cash: 0, shortfall: -payload.shortfall })
    expect([lotsOf(state, gamma), equityOf(state)]).toEqual([0, 0])
  })

  it("takes all that decisions within the default exposure ask for, turns in every instrument at once too", () => {
    const { leverageMax, maintenanceMargin } = settingsWith().broker
    const terms = termsOf({ ...withoutLimits(costs), leverageMax, maintenanceMargin })
    const { exposureMax } = settingsWith().orchestrator
    const traded = [instrumentOf("GAMMA"), instrumentOf("DELTA", { tick: 0.3, lot: 0.7 }), alpha]
    const anyStep = fc.tuple(
      ...traded.map(() =>
        fc.record({
          move: fc.integer({ min: -50, max: 50 }),
          part: fc.constantFrom(-1, -0.9, -0.3, 0, 0.5, 1)
        })
      )
    )
    let orders = 0
    fc.assert(
      fc.property(fc.array(anyStep, { minLength: 5, maxLength: 30, size: "max" }), (steps) => {
        let state = openAccount(traded)
        const prices = traded.map(() => 100)
        for (const [index, step] of steps.entries()) {
          const some = traded.map((instrument, i) => {
            const open = prices[i] as number
            prices[i] = open * (1 + (step[i] as (typeof step)[number]).move / 1_000)
            return barOf(instrument, index, { open, close: prices[i] as number })
          })
          const closed = { asOf: asOfAt(index), timeFrame, index, warmUp: false, bars: some }
          const applied = applyBars(state, closed, state.barsSequence + 1, terms)
          expect(applied.fills.filter(({ cause }) => cause === "liquidation")).toEqual([])
          state = evolve(state, eventOf("BarsApplied", applied))
          const asked = traded.map((instrument, i) =>
            decisionOn(
              instrument,
              index,
              ((step[i] as (typeof step)[number]).part * exposureMax) / traded.length
            )
          )
          const options = { ...broker, terms }
          const made = applyDecisions(state, asked, asOfAt(index), state.decisionsSequence + 1, options)
          expect(made.rejections).toEqual([])
          orders += made.orders.length
          state = evolve(state, eventOf("DecisionsApplied", made))
        }
      }),
      { numRuns: 40 }
    )
    expect(orders).toBeGreaterThan(500)
  })

  it("fills nothing on a bar that it has seen, however it is corrected, and marks at its new close", () => {
    const { barsAt, decide, marked } = under({})
    const filled = barsAt(decide(marked, 0, 0.5).state, 1, { open: 100, close: 100, volume: 0 }).state
    const again = barsAt(filled, 1, { open: 100, close: 90 }, { revision: 1 })
    expect(again.payload).toMatchObject({ fills: [], marks: [{ priceTicks: 9_000 }] })
    expect(again.state.open.length).toBe(1)
  })

  it("does not go back in time for bars that come late", () => {
    const { barsAt, marked } = under({})
    const later = barsAt(marked, 3, { open: 100, close: 110 }).state
    const late = barsAt(later, 2, { open: 100, close: 90 })
    expect(late.payload).toMatchObject({
      asOf: asOfAt(3),
      marks: [{ priceTicks: 11_000, closedAt: asOfAt(3) }]
    })
  })
})

describe("what the broker wrote before", () => {
  it("is read as it was meant: without charges, marks of their as-of, and no rejections", () => {
    const decode = EventType.decoder(accountEvents)
    const written = (type: "BarsApplied" | "DecisionsApplied", payload: object) => {
      const about = { run, source: "broker", asOf: asOfAt(1), subject: type } as const
      const bytes = Buffer.from(JSON.stringify({ ...enveloped(about, payload), type, version: 1, epoch: 1 }))
      return Either.getOrThrow(decode(bytes))
    }
    const { payload } = bars(decisions(marked(), [decisionOn(alpha, 0, 0.5)]).state, [
      barOf(alpha, 1, { open: 110, close: 110 })
    ])
    const { accruedTo: _, charges: __, marks, shortfall: ___, ...rest } = payload
    const old = { ...rest, marks: marks.map(({ instrument, priceTicks }) => ({ instrument, priceTicks })) }
    const read = written("BarsApplied", old)
    expect(read).toMatchObject({ version: 2, payload: { ...payload, accruedTo: null } })
    expect(evolve(marked(), read).ledger).toEqual(invested().ledger)
    const orders = decisions(marked(), [decisionOn(alpha, 0, 0.5)]).payload
    const { rejections: ____, ...before } = orders
    expect(written("DecisionsApplied", before)).toMatchObject({ version: 2, payload: orders })
  })
})

describe("what the broker writes", () => {
  it("is what a reader of its stream accepts, whatever prices and exposures come", () => {
    const price = fc.integer({ min: 1, max: 50_000_000 }).map((ticks) => ticks / 100)
    fc.assert(
      fc.property(
        price,
        price,
        price,
        fc.double({ min: -3, max: 3, noNaN: true }),
        (first, second, third, exposure) => {
          const start = bars(openAccount(), [barOf(alpha, 0, { open: first, close: first })])
          const ordered = decisions(start.state, [decisionOn(alpha, 0, exposure)])
          const filled = bars(ordered.state, [barOf(alpha, 1, { open: second, close: third })])
          const stopped = stop(filled.state, "stop-0001")
          expect(Schema.is(BarsApplied.schema)(start.payload)).toBe(true)
          expect(Schema.is(DecisionsApplied.schema)(ordered.payload)).toBe(true)
          expect(Schema.is(BarsApplied.schema)(filled.payload)).toBe(true)
          expect(Schema.is(StopLatched.schema)(stopped.payload)).toBe(true)
        }
      )
    )
  })
})
