/**
 * Orders, and what becomes of them. Prices are ticks and sizes signed lots: positive buys, negative sells.
 *
 * A bracket's children, a stop-loss and a take-profit, come into being with each fill of their order and for its
 * size. They only reduce, and each fill of one takes as much from the other.
 */

export type TimeInForce =
  /** Until it is filled or cancelled. */
  | "good-till-cancelled"
  /** What does not fill at the first price of its first bar is cancelled. */
  | "immediate-or-cancel"
  /** Cancelled at an instant, epoch milliseconds. */
  | { readonly expiresAt: number }

export interface Bracket {
  readonly stopLossTicks: number | null
  readonly takeProfitTicks: number | null
}

export interface Order {
  readonly id: string
  readonly instrument: string
  /** A stop becomes a market order when its price is touched. */
  readonly kind: "market" | "limit" | "stop"
  /** Never zero. */
  readonly lots: number
  /** The limit or the stop's price; null of a market order. */
  readonly ticks: number | null
  /** As-of of what ordered it; it fills at a later event only. */
  readonly asOf: number
  readonly timeInForce: TimeInForce
  /** Never opens or turns a position: what would is cancelled. */
  readonly reduceOnly: boolean
  readonly bracket: Bracket | null
}

/** An order in the book; its lots are what remains of them. */
export interface WorkingOrder extends Order {
  /** The order whose bracket it belongs to. */
  readonly parent: string | null
}

export interface Fill {
  readonly order: string
  readonly instrument: string
  readonly lots: number
  readonly ticks: number
  /** Money that leaves the account for it, without the fee; negative when it comes in. */
  readonly paid: number
  readonly fee: number
  /** Beginning of the bar for a fill at its first price, its end for one inside it or of a close-only series. */
  readonly at: number
}

/** Lots of an order that will not be filled. */
export interface Cancellation {
  readonly order: string
  readonly lots: number
  readonly reason: string
}

/** An order but for what the books say of it: its id and its as-of. */
export type OrderRequest = Omit<Order, "id" | "asOf">

type Conditions = Partial<Pick<Order, "timeInForce" | "reduceOnly" | "bracket">>

const none: Conditions = {}

// Written out: a spread of objects costs more than matching what it makes.
const request = (
  kind: Order["kind"],
  instrument: string,
  lots: number,
  ticks: number | null,
  { bracket = null, reduceOnly = false, timeInForce = "good-till-cancelled" }: Conditions
): OrderRequest => ({ instrument, kind, lots, ticks, timeInForce, reduceOnly, bracket })

export const market = (instrument: string, lots: number, conditions = none): OrderRequest =>
  request("market", instrument, lots, null, conditions)

export const limit = (instrument: string, lots: number, ticks: number, conditions = none): OrderRequest =>
  request("limit", instrument, lots, ticks, conditions)

export const stop = (instrument: string, lots: number, ticks: number, conditions = none): OrderRequest =>
  request("stop", instrument, lots, ticks, conditions)

/** A request with the id and the as-of that the books know it by. */
export const orderOf = (
  { bracket, instrument, kind, lots, reduceOnly, ticks, timeInForce }: OrderRequest,
  id: string,
  asOf: number
): Order => ({ id, instrument, kind, lots, ticks, asOf, timeInForce, reduceOnly, bracket })

/** An order as it begins to work in the book. */
export const workingOrder = (
  { asOf, bracket, id, instrument, kind, lots, reduceOnly, ticks, timeInForce }: Order,
  parent: string | null = null
): WorkingOrder => ({ id, instrument, kind, lots, ticks, asOf, timeInForce, reduceOnly, bracket, parent })
