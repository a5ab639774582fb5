/**
 * What the paper broker does with bars, decisions and the kill switch: pure functions from the account as it is
 * to the event that changes it. How orders are taken and filled is the matching engine's (market/execution); here
 * its account is made of the state, and what came of it is said in the journal's words.
 */
import { Either } from "effect"
import * as Account from "../../market/execution/Account.ts"
import { place } from "../../market/execution/acceptance.ts"
import * as Ledger from "../../market/execution/Ledger.ts"
import { toQuote } from "../../market/execution/Money.ts"
import {
  type Fill as Execution,
  market,
  orderOf,
  type WorkingOrder,
  workingOrder
} from "../../market/execution/Order.ts"
import { lotsForExposure } from "../../market/execution/TargetExposure.ts"
import type { Terms } from "../../market/execution/Terms.ts"
import {
  type BarsApplied,
  type DecisionsApplied,
  type Fill,
  Micro,
  type Order,
  type Rejection,
  type StopLatched
} from "../../protocols/Account.ts"
import type { BarsClosed } from "../../protocols/Bar.ts"
import type { Decision } from "../../protocols/Decision.ts"
import type { InstrumentId } from "../../protocols/Instrument.ts"
import type * as EventType from "../../protocols/wire/EventType.ts"
import { derivedId } from "../../protocols/wire/Ids.ts"
import { type AccountState, equityOf } from "./AccountState.ts"

type PayloadOf<T> = EventType.EventOf<T> extends { readonly payload: infer P } ? P : never

type OrderOf = typeof Order.Type

/** An order of the journal as the engine works it. */
const working = ({ asOf, id, instrument, lots }: OrderOf): WorkingOrder =>
  workingOrder(orderOf(market(instrument, lots), id, asOf))

/** The engine's account with the state's books, marks and open orders; the state stays as it is. */
const accountOf = (state: AccountState, terms: Terms, open: AccountState["open"] = state.open) => {
  const account = Account.of(Ledger.copyOf(state.ledger), terms)
  account.asOf = state.asOf
  account.accruedTo = state.accruedTo
  const ordersOf = new Map<string, Array<WorkingOrder>>()
  for (const order of open) {
    const orders = ordersOf.get(order.instrument)
    if (orders === undefined) ordersOf.set(order.instrument, [working(order)])
    else orders.push(working(order))
  }
  for (const [id, instrument] of state.listed) {
    const mark = state.marks.get(id) ?? null
    const closedAt = state.closedAt.get(id) ?? null
    Account.list(account, instrument, { mark, closedAt, orders: ordersOf.get(id) ?? [] })
  }
  return account
}

/** A fill of an open order in the journal's words, or of one by which the venue closed a position. */
const fillOf = (
  { at, fee, instrument, lots, order, ticks }: Execution,
  placed: OrderOf | undefined
): Fill => ({
  order: placed?.id ?? derivedId(order),
  cause: placed?.cause ?? "liquidation",
  instrument: instrument as InstrumentId,
  lots,
  priceTicks: ticks,
  fee: Micro.make(fee),
  at
})

/** Applies the bars of one as-of: charges, fills, marks. */
export const applyBars = (
  state: AccountState,
  { asOf, bars }: BarsClosed["payload"],
  barsSequence: number,
  terms: Terms
): PayloadOf<typeof BarsApplied> => {
  const account = accountOf(state, terms)
  const report = Account.applyBars(account, { asOf, bars })
  const placed = new Map(state.open.map((order, index) => [order.id, { order, index }]))
  // The journal has them as the orders stand, and what the venue closed at the end.
  const place = ({ order }: Execution) => placed.get(order)?.index ?? state.open.length
  const fills = report.fills.toSorted((a, b) => place(a) - place(b))
  const marks = bars.flatMap(({ instrument }) => {
    const { closedAt = null, mark = null } = account.listings.get(instrument) ?? {}
    return mark === null || closedAt === null ? [] : [{ instrument, priceTicks: mark, closedAt }]
  })
  return {
    // Bars that come late do not take the account back.
    asOf: account.asOf ?? asOf,
    barsSequence,
    charges: report.charges.map(({ instrument, kind, micro }) => ({
      instrument: instrument as InstrumentId,
      kind,
      micro: Micro.make(micro)
    })),
    accruedTo: account.accruedTo,
    fills: fills.map((fill) => fillOf(fill, placed.get(fill.order)?.order)),
    cancellations: report.cancellations.map(({ order, reason }) => ({ order, reason })),
    marks,
    shortfall: Micro.make(report.shortfall)
  }
}

const orderFor = (instrument: InstrumentId, lots: number, asOf: number, cause: string): OrderOf => ({
  id: derivedId("order", instrument, asOf, cause),
  instrument,
  lots,
  asOf,
  cause
})

/** The change of a position that a decision comes to; nothing where it is not worth a trade. */
const changeOf = (
  state: AccountState,
  equity: number,
  { key, targetExposure }: Pick<Decision, "key" | "targetExposure">,
  tradeExposureMin: number
): number => {
  const { instrument } = key
  const held = Ledger.positionOf(state.ledger, instrument).lots
  const contract = state.listed.get(instrument)
  const mark = state.marks.get(instrument)
  const isKnown = contract !== undefined && mark !== undefined
  const wanted = isKnown ? lotsForExposure(contract, targetExposure, equity, mark) : 0
  const change = wanted - held
  const price = isKnown ? mark * contract.tick * contract.lot : 0
  const isWorthIt = equity > 0 && (Math.abs(change) * price) / toQuote(equity) >= tradeExposureMin
  // Going out is always worth it.
  return isWorthIt || wanted === 0 ? change : 0
}

/** Turns decisions into orders. What a decision leaves as it is, a degraded one above all, makes none. */
export const applyDecisions = (
  state: AccountState,
  decisions: ReadonlyArray<Pick<Decision, "id" | "key" | "strategy" | "targetExposure">>,
  asOf: number,
  decisionsSequence: number,
  options: { readonly tradeExposureMin: number; readonly terms: Terms }
): PayloadOf<typeof DecisionsApplied> => {
  const trades = decisions.filter(
    ({ strategy }) => state.stop === null && strategy !== "keep" && strategy !== "degraded"
  )
  const cancellations = trades.flatMap(({ id, key }) =>
    state.open
      .filter(({ instrument }) => instrument === key.instrument)
      .map((open) => ({ order: open.id, reason: `replaced by ${id}` }))
  )
  const replaced = new Set(cancellations.map(({ order }) => order))
  const left = state.open.filter(({ id }) => !replaced.has(id))
  const account = accountOf(state, options.terms, left)
  const equity = equityOf(state)
  const orders: Array<OrderOf> = []
  const rejections: Array<Rejection> = []
  for (const decision of trades) {
    const { id, key } = decision
    const change = changeOf(state, equity, decision, options.tradeExposureMin)
    if (change === 0) continue
    const order = orderFor(key.instrument, change, key.asOf, id)
    // A decision may come when the account has seen later bars: the order is taken as of these.
    const taken = place(account, { ...working(order), asOf: Math.max(key.asOf, state.asOf ?? 0) })
    if (Either.isRight(taken)) orders.push(order)
    else rejections.push({ instrument: key.instrument, cause: id, reason: taken.left.sentence })
  }
  return { asOf, decisionsSequence, orders, cancellations, rejections }
}

/** The kill switch: cancels what is pending and orders everything sold or bought back. */
export const latchStop = (
  state: AccountState,
  command: string,
  reason: string
): PayloadOf<typeof StopLatched> => {
  const asOf = state.asOf ?? 0
  return {
    asOf,
    command,
    reason,
    cancellations: state.open.map(({ id }) => ({ order: id, reason: `stopped by ${command}` })),
    orders: [...state.ledger.positions].flatMap(([instrument, { lots }]) =>
      lots === 0 ? [] : [orderFor(instrument as InstrumentId, -lots, asOf, command)]
    )
  }
}
