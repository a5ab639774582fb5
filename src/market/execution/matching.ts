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
interface Session {
  readonly bar: MatchedBar
  readonly market: Market
  readonly terms: Terms
  readonly slots: Array<Slot>
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

const cancel = (session: Session, slot: Slot, lots: number, reason: string) => {
  if (lots === 0) return
  session.cancellations.push({ order: slot.order.id, lots, reason })
  slot.lots -= lots
}

const stopOf = (order: string) => `${order}/stop-loss`
const targetOf = (order: string) => `${order}/take-profit`

const find = (session: Session, id: string): Slot | undefined =>
  session.slots.find(({ lots, order }) => order.id === id && lots !== 0)

/** Makes a child for what was filled, or lets the one that there is grow by it. */
const addChild = (
  session: Session,
  parent: WorkingOrder,
  kind: "stop" | "limit",
  ticks: number,
  lots: number
) => {
  const id = kind === "stop" ? stopOf(parent.id) : targetOf(parent.id)
  const present = find(session, id)
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
  session.slots.push({ order: { ...child, parent: parent.id }, lots, born: session.phase, expiresAt })
}

const addChildren = (session: Session, parent: WorkingOrder, bracket: Bracket, filled: number) => {
  if (bracket.stopLossTicks !== null) addChild(session, parent, "stop", bracket.stopLossTicks, -filled)
  if (bracket.takeProfitTicks !== null) addChild(session, parent, "limit", bracket.takeProfitTicks, -filled)
}

/** A child has filled: its order opens no more, and the other child has as much less to close. */
const settleSiblings = (session: Session, child: WorkingOrder, parent: string, filled: number) => {
  const opening = find(session, parent)
  if (opening !== undefined) cancel(session, opening, opening.lots, "its bracket has closed")
  const sibling = find(session, child.id === stopOf(parent) ? targetOf(parent) : stopOf(parent))
  if (sibling === undefined) return
  const less = Math.min(Math.abs(filled), Math.abs(sibling.lots)) * Math.sign(sibling.lots)
  cancel(session, sibling, less, "the other order of its bracket filled")
}

/** Fills what can be filled of an order at a price. */
const fill = (session: Session, slot: Slot, ticks: number, isMaker: boolean): void => {
  const { market, terms } = session
  const { order } = slot
  const sign = Math.sign(slot.lots)
  if (order.reduceOnly) {
    const reducible = Math.max(-sign * session.held, 0)
    const surplus = Math.abs(slot.lots) - reducible
    if (surplus > 0) cancel(session, slot, sign * surplus, "there is no more to reduce")
  }
  const lots = sign * Math.min(Math.abs(slot.lots), session.volumeLots)
  if (lots === 0) return
  const paid = consideration(market.perTickLot, lots, ticks)
  const fee = feeOn(paid, isMaker ? terms.makerFee : terms.takerFee)
  const moved = Math.abs(paid) + fee
  if (!(moved <= session.room && isAmount(session.held + lots))) {
    cancel(session, slot, slot.lots, "its value is beyond what money is counted to")
    return
  }
  const at = session.phase === "inside" ? session.bar.closeTime : session.first.at
  session.fills.push({ order: order.id, instrument: order.instrument, lots, ticks, paid, fee, at })
  session.held += lots
  session.room -= moved
  session.volumeLots -= Math.abs(lots)
  slot.lots -= lots
  if (order.bracket !== null) addChildren(session, order, order.bracket, lots)
  if (order.parent !== null) settleSiblings(session, order, order.parent, lots)
}

const isImmediate = ({ timeInForce }: WorkingOrder) => timeInForce === "immediate-or-cancel"
const expiryOf = ({ timeInForce }: WorkingOrder) =>
  typeof timeInForce === "string" ? Number.POSITIVE_INFINITY : timeInForce.expiresAt

const isLive = ({ bar, terms }: Session, { order }: Slot) =>
  order.parent !== null || bar.openTime >= order.asOf + terms.latencyMs

/** What the first price has to be for an order to fill at it, and what it then fills at. */
const fillAtOpen = (session: Session, slot: Slot): void => {
  const { first, market, terms } = session
  const { kind, ticks } = slot.order
  const side = sideOf(slot.lots)
  const distance = ticks === null ? 0 : side === "buy" ? first.ticks - ticks : ticks - first.ticks
  const takes = kind === "market" || (kind === "stop" && distance >= 0)
  if (takes) {
    if (kind === "stop") slot.order = { ...slot.order, kind: "market", ticks: null }
    fill(session, slot, marketTicks(market.contract, first.price, terms.impact, side), false)
  } else if (kind === "limit" && ticks !== null && distance < 0) {
    // It takes what is there, as a market order would, but never beyond its limit.
    const moved = marketTicks(market.contract, first.price, terms.impact, side)
    fill(session, slot, side === "buy" ? Math.min(ticks, moved) : Math.max(ticks, moved), false)
  }
}

const fillStop = (session: Session, slot: Slot): void => {
  const { first, high, low, terms } = session
  const { kind, ticks } = slot.order
  if (kind !== "stop" || ticks === null) return
  const side = sideOf(slot.lots)
  if (side === "buy" ? high < ticks : low > ticks) return
  slot.order = { ...slot.order, kind: "market", ticks: null }
  // The first price lies beyond the stop only of a child of what filled there: it fills from where it came to be. What
  // came to be inside the bar did so later, on the other side of its stop.
  const beyond = side === "buy" ? Math.max(ticks, first.ticks) : Math.min(ticks, first.ticks)
  const from = slot.born === "inside" ? ticks : beyond
  fill(session, slot, roundTicks(from * (side === "buy" ? 1 + terms.impact : 1 - terms.impact), side), false)
}

const fillLimit = (session: Session, slot: Slot): void => {
  const { kind, ticks } = slot.order
  if (kind !== "limit" || ticks === null) return
  const isThrough = slot.lots > 0 ? session.low < ticks : session.high > ticks
  if (isThrough) fill(session, slot, ticks, true)
}

const atTheOpen = (session: Session) => {
  const waiting = session.slots.length
  for (let i = 0; i < waiting; i++) {
    const slot = session.slots[i] as Slot
    if (slot.lots === 0 || !isLive(session, slot)) continue
    fillAtOpen(session, slot)
    if (isImmediate(slot.order)) cancel(session, slot, slot.lots, "it was not filled at once")
  }
}

const isChild = ({ order }: Slot) => order.parent !== null

const insideTheBar = (session: Session) => {
  session.phase = "inside"
  const { bar, slots } = session
  const canFill = (slot: Slot) => slot.lots !== 0 && slot.expiresAt >= bar.closeTime && isLive(session, slot)
  // Children that come to be here are met as well: they stand behind those that were there.
  for (let i = 0; i < slots.length; i++) {
    const slot = slots[i] as Slot
    if (canFill(slot)) fillStop(session, slot)
  }
  // Targets before what they may grow by in this bar.
  for (const slot of slots)
    if (isChild(slot) && slot.born !== "inside" && canFill(slot)) fillLimit(session, slot)
  for (let i = 0; i < slots.length; i++) {
    const slot = slots[i] as Slot
    if (!canFill(slot)) continue
    if (slot.born === "inside") fillStop(session, slot)
    else if (!isChild(slot)) fillLimit(session, slot)
  }
}

const cancelExpired = (session: Session, by: number) => {
  for (const slot of session.slots)
    if (slot.expiresAt <= by) cancel(session, slot, slot.lots, "it has expired")
}

const cancelChildren = (session: Session) => {
  for (const slot of session.slots)
    if (isChild(slot)) cancel(session, slot, slot.lots, "there is no more to reduce")
}

/** Nobody trades: what was to fill at once does not, and the others wait. */
const passOver = (session: Session) => {
  for (const slot of session.slots) {
    if (isImmediate(slot.order) && isLive(session, slot)) cancel(session, slot, slot.lots, "nobody trades")
  }
}

const sessionOf = (
  orders: ReadonlyArray<WorkingOrder>,
  bar: MatchedBar,
  market: Market,
  terms: Terms
): Session => {
  const { contract, held, room } = market
  const { at, price } = firstPrice(bar)
  const { participationMax } = terms
  return {
    bar,
    market,
    terms,
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
const remainingOf = (session: Session, before: ReadonlyArray<WorkingOrder>): ReadonlyArray<WorkingOrder> => {
  const remaining: Array<WorkingOrder> = []
  let isChanged = session.slots.length !== before.length
  for (const [i, { lots, order }] of session.slots.entries()) {
    if (lots !== 0) remaining.push(lots === order.lots ? order : { ...order, lots })
    isChanged ||= lots !== before[i]?.lots || order !== before[i]
  }
  return isChanged ? remaining : before
}

/** Matches the orders of one instrument against one bar. Pure. */
export const match = (
  orders: ReadonlyArray<WorkingOrder>,
  bar: MatchedBar,
  market: Market,
  terms: Terms
): Matched => {
  const session = sessionOf(orders, bar, market, terms)
  cancelExpired(session, session.first.at)
  if (bar.volume === 0 || market.isHalted) passOver(session)
  else {
    atTheOpen(session)
    if (!bar.closeOnly) insideTheBar(session)
    if (session.held === 0) cancelChildren(session)
  }
  cancelExpired(session, bar.closeTime)
  const { cancellations, fills } = session
  return { fills, cancellations, remaining: remainingOf(session, orders) }
}
