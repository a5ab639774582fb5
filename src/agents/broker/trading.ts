/**
 * What the paper broker does with bars, decisions and the kill switch: pure functions from the account as it is
 * to the event that changes it. Orders fill at the next event after the one that they were made on, at its first
 * price, moved against the account by half the spread and the slippage, with the fee on top.
 */
import { type Costs, priceImpact } from "../../market/Costs.ts"
import * as Ledger from "../../market/Ledger.ts"
import {
  type BarsApplied,
  type DecisionsApplied,
  Micro,
  type Order,
  type StopLatched
} from "../../protocols/Account.ts"
import type { Bar, BarsClosed } from "../../protocols/Bar.ts"
import type { Decision } from "../../protocols/Decision.ts"
import type { Instrument, InstrumentId } from "../../protocols/Instrument.ts"
import type * as EventType from "../../protocols/wire/EventType.ts"
import { derivedId } from "../../protocols/wire/Ids.ts"
import { type AccountState, equityOf } from "./AccountState.ts"

type PayloadOf<T> = EventType.EventOf<T> extends { readonly payload: infer P } ? P : never

type OrderOf = typeof Order.Type

/** The first price of a bar at which an order can fill, and when. */
const firstPrice = (bar: Bar): { readonly price: number; readonly at: number } =>
  bar.closeOnly ? { price: bar.close, at: bar.closeTime } : { price: bar.open, at: bar.openTime }

const fillOf = (order: OrderOf, contract: Instrument, bar: Bar, costs: Costs) => {
  const { at, price } = firstPrice(bar)
  const side = order.lots > 0 ? "buy" : "sell"
  const moved = price * (1 + (side === "buy" ? 1 : -1) * priceImpact(costs))
  const priceTicks = Ledger.priceInTicks(contract, moved, side)
  const value = Ledger.consideration(contract, { lots: order.lots, priceTicks })
  const fee = Ledger.feeOn(value < 0n ? -value : value, costs.feeBps)
  return {
    order: order.id,
    cause: order.cause,
    instrument: order.instrument,
    lots: order.lots,
    priceTicks,
    fee: Micro.make(Number(fee)),
    at
  }
}

/** Fills what is open at the first prices of the bars, then marks at their closes. */
export const applyBars = (
  state: AccountState,
  { asOf, bars }: BarsClosed["payload"],
  barsSequence: number,
  costs: Costs
): PayloadOf<typeof BarsApplied> => {
  const byInstrument = new Map(bars.map((bar) => [bar.instrument, bar]))
  const fills = state.open.flatMap((order) => {
    const bar = byInstrument.get(order.instrument)
    const contract = state.listed.get(order.instrument)
    // Without a trade in the interval there is nobody to fill at; the order waits.
    if (bar === undefined || contract === undefined || bar.volume === 0 || asOf <= order.asOf) return []
    return [fillOf(order, contract, bar, costs)]
  })
  const marks = bars.flatMap((bar) => {
    const contract = state.listed.get(bar.instrument)
    return contract === undefined
      ? []
      : [{ instrument: bar.instrument, priceTicks: Ledger.priceInTicks(contract, bar.close, "mark") }]
  })
  return { asOf, barsSequence, fills, cancellations: [], marks }
}

/** Lots that an exposure comes to at the latest close, rounded towards nothing. */
const lotsFor = (state: AccountState, instrument: InstrumentId, exposure: number): number => {
  const contract = state.listed.get(instrument)
  const mark = state.marks.get(instrument)
  const equity = equityOf(state)
  if (contract === undefined || mark === undefined || equity <= 0n) return 0
  const lots = Math.trunc((exposure * Ledger.toQuote(equity)) / (mark * contract.tick * contract.lot))
  return Number.isSafeInteger(lots) ? lots : 0
}

const orderOf = (instrument: InstrumentId, lots: number, asOf: number, cause: string): OrderOf => ({
  id: derivedId("order", instrument, asOf, cause),
  instrument,
  lots,
  asOf,
  cause
})

/** Turns decisions into orders. What a decision leaves as it is, a degraded one above all, makes none. */
export const applyDecisions = (
  state: AccountState,
  decisions: ReadonlyArray<Pick<Decision, "id" | "key" | "strategy" | "targetExposure">>,
  asOf: number,
  decisionsSequence: number,
  options: { readonly tradeExposureMin: number }
): PayloadOf<typeof DecisionsApplied> => {
  const orders: Array<OrderOf> = []
  const cancellations: Array<{ order: string; reason: string }> = []
  const equity = Ledger.toQuote(equityOf(state))
  for (const { id, key, strategy, targetExposure } of decisions) {
    if (state.stop !== null || strategy === "keep" || strategy === "degraded") continue
    for (const open of state.open) {
      if (open.instrument === key.instrument)
        cancellations.push({ order: open.id, reason: `replaced by ${id}` })
    }
    const held = state.ledger.positions.get(key.instrument)?.lots ?? 0
    const wanted = lotsFor(state, key.instrument, targetExposure)
    const change = wanted - held
    const contract = state.listed.get(key.instrument)
    const price = (state.marks.get(key.instrument) ?? 0) * (contract?.tick ?? 0) * (contract?.lot ?? 0)
    const isWorthIt = equity > 0 && (Math.abs(change) * price) / equity >= options.tradeExposureMin
    // Going out is always worth it.
    if (change !== 0 && (isWorthIt || wanted === 0))
      orders.push(orderOf(key.instrument, change, key.asOf, id))
  }
  return { asOf, decisionsSequence, orders, cancellations }
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
      lots === 0 ? [] : [orderOf(instrument as InstrumentId, -lots, asOf, command)]
    )
  }
}
