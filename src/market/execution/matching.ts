/**
 * The orders of one instrument against one bar of it: what fills, what is cancelled, what remains. A bar tells its
 * first price and its extremes and not the way between them, so everything that the bar leaves open goes against
 * the account.
 *
 * 1. At the first price, in the order in which they were accepted: market orders, stops that it has passed, limits
 *    that it beats. What takes liquidity there pays the impact; a limit does too, but never fills beyond itself.
 * 2. Inside the bar, stops first: at their price, moved by the impact, when it was touched; then limits, at their
 *    price, when the bar went strictly beyond it. The children of what filled at the first price take part; of a
 *    child of what filled inside, only the stop-loss does, since the rest of the bar may have come before.
 *
 * These are steps of their own (`openMatching`, `fillStops`, `fillLimits`, `closeMatching`): between them the account may
 * turn out to be one that the venue closes, and then what was still to come does not.
 *
 * An order is live for bars that open at its as-of plus the latency or later. It expires at an instant; of a bar that
 * ends after it only the first price counts. In a bar without volume, or while the instrument is halted, nothing
 * fills. A share of the volume bounds what all orders together fill in a bar; a stop that was touched and has not
 * filled whole goes on as a market order.
 *
 * Invariants: filled and cancelled lots of an order never exceed its size; what is filled can be posted to the
 * ledger (`roomOf`).
 */
import type { Bar } from "../../protocols/Bar.ts"
import { type Contract, type Fraction, isAmount } from "./Money.ts"
import type { Bracket, Cancellation, Fill, WorkingOrder } from "./Order.ts"
import { consideration, feeOn, firstPrice, marketTicks, roundTicks, type Side, ticksOf } from "./Pricing.ts"
import type { Terms } from "./Terms.ts"

export type MatchedBar = Pick<
  Bar,
  "openTime" | "closeTime" | "open" | "high" | "low" | "close" | "volume" | "closeOnly"
>

/** What matching has to know of the instrument and of the account's part in it. */
export interface Market {
  readonly contract: Contract
  readonly perTickLot: Fraction
  readonly isHalted: boolean
  /** Lots held. */
  readonly held: number
  /** Money that fills may still move (`roomOf`). */
  readonly room: number
}

export interface Matched {
  readonly fills: ReadonlyArray<Fill>
  readonly cancellations: ReadonlyArray<Cancellation>
  readonly remaining: ReadonlyArray<WorkingOrder>
}

const volumeErrorMax = 1e-9

/** An order while a bar is matched. */
interface Slot {
  order: WorkingOrder
  /** What remains of it; 0 when it is gone. */
  lots: number
  readonly born: "before" | "at the open" | "inside"
  readonly expiresAt: number
}

/** A bar while orders are matched against it. */
export interface Matching {
  readonly bar: MatchedBar
  readonly market: Market
  readonly terms: Terms
  readonly orders: ReadonlyArray<WorkingOrder>
  readonly slots: Array<Slot>
  /** So far. */
  readonly fills: Array<Fill>
  readonly cancellations: Array<Cancellation>
  /** The bar in ticks, which need not be whole. */
  readonly first: { readonly price: number; readonly ticks: number; readonly at: number }
  readonly high: number
  readonly low: number
  held: number
  room: number
  /** Lots that the bar's volume still lets through. */
  volumeLots: number
  phase: "at the open" | "inside"
}

const sideOf = (lots: number): Side => (lots > 0 ? "buy" : "sell")

const cancel = (matching: Matching, slot: Slot, lots: number, reason: string) => {
  if (lots === 0) return
  matching.cancellations.push({ order: slot.order.id, lots, reason })
  slot.lots -= lots
}

const stopOf = (order: string) => `${order}/stop-loss`
const targetOf = (order: string) => `${order}/take-profit`

const find = (matching: Matching, id: string): Slot | undefined =>
  matching.slots.find(({ lots, order }) => order.id === id && lots !== 0)

/** Makes a child for what was filled, or lets the one that there is grow by it. */
const addChild = (
  matching: Matching,
  parent: WorkingOrder,
  kind: "stop" | "limit",
  ticks: number,
  lots: number
) => {
  const id = kind === "stop" ? stopOf(parent.id) : targetOf(parent.id)
  const present = find(matching, id)
  if (present !== undefined) {
    present.lots += lots
    return
  }
  const { asOf, instrument } = parent
  const timeInForce = "good-till-cancelled"
  const child = {
    id,
    instrument,
    kind,
    lots,
    ticks,
    asOf,
    timeInForce,
    reduceOnly: true,
    bracket: null
  } as const
  const expiresAt = Number.POSITIVE_INFINITY
  matching.slots.push({ order: { ...child, parent: parent.id }, lots, born: matching.phase, expiresAt })
}

const addChildren = (matching: Matching, parent: WorkingOrder, bracket: Bracket, filled: number) => {
  if (bracket.stopLossTicks !== null) addChild(matching, parent, "stop", bracket.stopLossTicks, -filled)
  if (bracket.takeProfitTicks !== null) addChild(matching, parent, "limit", bracket.takeProfitTicks, -filled)
}

/** A child has filled: its order opens no more, and the other child has as much less to close. */
const settleSiblings = (matching: Matching, child: WorkingOrder, parent: string, filled: number) => {
  const opening = find(matching, parent)
  if (opening !== undefined) cancel(matching, opening, opening.lots, "its bracket has closed")
  const sibling = find(matching, child.id === stopOf(parent) ? targetOf(parent) : stopOf(parent))
  if (sibling === undefined) return
  const less = Math.min(Math.abs(filled), Math.abs(sibling.lots)) * Math.sign(sibling.lots)
  cancel(matching, sibling, less, "the other order of its bracket filled")
}

/** Fills what can be filled of an order at a price. */
const fill = (matching: Matching, slot: Slot, ticks: number, isMaker: boolean): void => {
  const { market, terms } = matching
  const { order } = slot
  const sign = Math.sign(slot.lots)
  if (order.reduceOnly) {
    const reducible = Math.max(-sign * matching.held, 0)
    const surplus = Math.abs(slot.lots) - reducible
    if (surplus > 0) cancel(matching, slot, sign * surplus, "there is no more to reduce")
  }
  const lots = sign * Math.min(Math.abs(slot.lots), matching.volumeLots)
  if (lots === 0) return
  const paid = consideration(market.perTickLot, lots, ticks)
  const fee = feeOn(paid, isMaker ? terms.makerFee : terms.takerFee)
  const moved = Math.abs(paid) + fee
  if (!(moved <= matching.room && isAmount(matching.held + lots))) {
    cancel(matching, slot, slot.lots, "its value is beyond what money is counted to")
    return
  }
  const at = matching.phase === "inside" ? matching.bar.closeTime : matching.first.at
  matching.fills.push({ order: order.id, instrument: order.instrument, lots, ticks, paid, fee, at })
  matching.held += lots
  matching.room -= moved
  matching.volumeLots -= Math.abs(lots)
  slot.lots -= lots
  if (order.bracket !== null) addChildren(matching, order, order.bracket, lots)
  if (order.parent !== null) settleSiblings(matching, order, order.parent, lots)
}

const isImmediate = ({ timeInForce }: WorkingOrder) => timeInForce === "immediate-or-cancel"
const expiryOf = ({ timeInForce }: WorkingOrder) =>
  typeof timeInForce === "string" ? Number.POSITIVE_INFINITY : timeInForce.expiresAt

const isLive = ({ bar, terms }: Matching, { order }: Slot) =>
  order.parent !== null || bar.openTime >= order.asOf + terms.latencyMs

/** What the first price has to be for an order to fill at it, and what it then fills at. */
const fillAtOpen = (matching: Matching, slot: Slot): void => {
  const { first, market, terms } = matching
  const { kind, ticks } = slot.order
  const side = sideOf(slot.lots)
  const distance = ticks === null ? 0 : side === "buy" ? first.ticks - ticks : ticks - first.ticks
  const takes = kind === "market" || (kind === "stop" && distance >= 0)
  if (takes) {
    if (kind === "stop") slot.order = { ...slot.order, kind: "market", ticks: null }
    fill(matching, slot, marketTicks(market.contract, first.price, terms.impact, side), false)
  } else if (kind === "limit" && ticks !== null && distance < 0) {
    // It takes what is there, as a market order would, but never beyond its limit.
    const moved = marketTicks(market.contract, first.price, terms.impact, side)
    fill(matching, slot, side === "buy" ? Math.min(ticks, moved) : Math.max(ticks, moved), false)
  }
}

/** The price at which a stop inside the bar is touched, in ticks; null where it is not, or is none. */
const touchedAt = ({ first, high, low }: Matching, { born, lots, order }: Slot): number | null => {
  const { kind, ticks } = order
  if (kind !== "stop" || ticks === null) return null
  const side = sideOf(lots)
  if (side === "buy" ? high < ticks : low > ticks) return null
  // The first price lies beyond the stop only of a child of what filled there: it fills from where it came to be. What
  // came to be inside the bar did so later, on the other side of its stop.
  if (born === "inside") return ticks
  return side === "buy" ? Math.max(ticks, first.ticks) : Math.min(ticks, first.ticks)
}

const stopTicks = ({ terms }: Matching, touched: number, side: Side): number =>
  roundTicks(touched * (side === "buy" ? 1 + terms.impact : 1 - terms.impact), side)

const fillStop = (matching: Matching, slot: Slot): void => {
  const touched = touchedAt(matching, slot)
  if (touched === null) return
  slot.order = { ...slot.order, kind: "market", ticks: null }
  fill(matching, slot, stopTicks(matching, touched, sideOf(slot.lots)), false)
}

const fillLimit = (matching: Matching, slot: Slot): void => {
  const { kind, ticks } = slot.order
  if (kind !== "limit" || ticks === null) return
  const isThrough = slot.lots > 0 ? matching.low < ticks : matching.high > ticks
  if (isThrough) fill(matching, slot, ticks, true)
}

const atTheOpen = (matching: Matching) => {
  const waiting = matching.slots.length
  for (let i = 0; i < waiting; i++) {
    const slot = matching.slots[i] as Slot
    if (slot.lots === 0 || !isLive(matching, slot)) continue
    fillAtOpen(matching, slot)
    if (isImmediate(slot.order)) cancel(matching, slot, slot.lots, "it was not filled at once")
  }
}

const isChild = ({ order }: Slot) => order.parent !== null

const canFill = (matching: Matching, slot: Slot) =>
  slot.lots !== 0 && slot.expiresAt >= matching.bar.closeTime && isLive(matching, slot)

const isTraded = ({ bar, market }: Matching) => bar.volume !== 0 && !market.isHalted

const cancelExpired = (matching: Matching, by: number) => {
  for (const slot of matching.slots)
    if (slot.expiresAt <= by) cancel(matching, slot, slot.lots, "it has expired")
}

const cancelChildren = (matching: Matching) => {
  for (const slot of matching.slots)
    if (isChild(slot)) cancel(matching, slot, slot.lots, "there is no more to reduce")
}

/** Nobody trades: what was to fill at once does not, and the others wait. */
const passOver = (matching: Matching) => {
  for (const slot of matching.slots) {
    if (isImmediate(slot.order) && isLive(matching, slot)) cancel(matching, slot, slot.lots, "nobody trades")
  }
}

const matchingOf = (
  orders: ReadonlyArray<WorkingOrder>,
  bar: MatchedBar,
  market: Market,
  terms: Terms
): Matching => {
  const { contract, held, room } = market
  const { at, price } = firstPrice(bar)
  const { participationMax } = terms
  return {
    bar,
    market,
    terms,
    orders,
    slots: orders.map((order) => ({ order, lots: order.lots, born: "before", expiresAt: expiryOf(order) })),
    fills: [],
    cancellations: [],
    first: { price, at, ticks: ticksOf(contract, price) },
    high: ticksOf(contract, bar.high),
    low: ticksOf(contract, bar.low),
    held,
    room,
    volumeLots:
      participationMax === null || bar.volume === null
        ? Number.POSITIVE_INFINITY
        : Math.floor((bar.volume * participationMax) / contract.lot + volumeErrorMax),
    phase: "at the open"
  }
}

/** What remains of the orders; the same list where nothing has happened to them. */
const remainingOf = ({ orders, slots }: Matching): ReadonlyArray<WorkingOrder> => {
  const remaining: Array<WorkingOrder> = []
  let isChanged = slots.length !== orders.length
  for (const [i, { lots, order }] of slots.entries()) {
    if (lots !== 0) remaining.push(lots === order.lots ? order : { ...order, lots })
    isChanged ||= lots !== orders[i]?.lots || order !== orders[i]
  }
  return isChanged ? remaining : orders
}

/** Matches the orders of one instrument against the first price of a bar. */
export const openMatching = (
  orders: ReadonlyArray<WorkingOrder>,
  bar: MatchedBar,
  market: Market,
  terms: Terms
): Matching => {
  const matching = matchingOf(orders, bar, market, terms)
  cancelExpired(matching, matching.first.at)
  if (isTraded(matching)) atTheOpen(matching)
  else passOver(matching)
  return matching
}

/** Whether anything may fill inside the bar. */
export const goesInside = (matching: Matching): boolean =>
  isTraded(matching) &&
  !matching.bar.closeOnly &&
  matching.slots.some((slot) => slot.order.kind !== "market" && canFill(matching, slot))

/** A stop that the bar has touched and that closes a part of what is held: on the way to the worst price. */
export interface StopAhead {
  /** Signed, as the order's. */
  readonly lots: number
  /** What it fills at. */
  readonly ticks: number
}

const slotsAhead = (matching: Matching): ReadonlyArray<{ readonly slot: Slot; readonly ticks: number }> => {
  const ahead: Array<{ readonly slot: Slot; readonly ticks: number }> = []
  for (const slot of matching.slots) {
    const { lots } = slot
    if (lots * matching.held >= 0 || !canFill(matching, slot)) continue
    const touched = touchedAt(matching, slot)
    if (touched !== null) ahead.push({ slot, ticks: stopTicks(matching, touched, sideOf(lots)) })
  }
  return ahead.sort((a, b) => Math.sign(matching.held) * (b.ticks - a.ticks))
}

/** Those of a position, the nearest first, with what the volume of the bar lets through of each. */
export const stopsAhead = (matching: Matching): ReadonlyArray<StopAhead> => {
  let left = matching.volumeLots
  return slotsAhead(matching).map(({ slot: { lots }, ticks }) => {
    const filled = Math.min(Math.abs(lots), left)
    left -= filled
    return { lots: Math.sign(lots) * filled, ticks }
  })
}

/**
 * Fills the nearest of the stops ahead, and nothing else.
 *
 * @param room as `Market.room`, after what other instruments have filled
 */
export const fillNearestStops = (matching: Matching, count: number, room: number): void => {
  matching.phase = "inside"
  matching.room = room
  for (const { slot } of slotsAhead(matching).slice(0, count)) fillStop(matching, slot)
}

/**
 * Fills the stops that were touched inside the bar, those of children that come to be by it included.
 *
 * @param room as `Market.room`, after what other instruments have filled
 */
export const fillStops = (matching: Matching, room: number): void => {
  matching.phase = "inside"
  matching.room = room
  const { slots } = matching
  // Children that come to be here are met as well: they stand behind those that were there.
  for (let i = 0; i < slots.length; i++) {
    const slot = slots[i] as Slot
    if (canFill(matching, slot)) fillStop(matching, slot)
  }
}

/** Fills the limits that the bar went beyond, and the stops of what they open. */
export const fillLimits = (matching: Matching, room: number): void => {
  matching.room = room
  const { slots } = matching
  // Targets before what they may grow by in this bar.
  for (const slot of slots)
    if (isChild(slot) && slot.born !== "inside" && canFill(matching, slot)) fillLimit(matching, slot)
  for (let i = 0; i < slots.length; i++) {
    const slot = slots[i] as Slot
    if (!canFill(matching, slot)) continue
    if (slot.born === "inside") fillStop(matching, slot)
    else if (!isChild(slot)) fillLimit(matching, slot)
  }
}

/** What came of it. */
export const closeMatching = (matching: Matching): Matched => {
  if (isTraded(matching) && matching.held === 0) cancelChildren(matching)
  cancelExpired(matching, matching.bar.closeTime)
  const { cancellations, fills } = matching
  return { fills, cancellations, remaining: remainingOf(matching) }
}
