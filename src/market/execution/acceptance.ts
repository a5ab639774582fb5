/**
 * Whether an account takes an order. A refusal is a value and changes nothing.
 *
 * Buying power: with the order and all that are open filled at their worst, the positions come to no more than the
 * equity, less the order's fee, times the leverage. What makes no position larger is always taken.
 */
import { Either } from "effect"
import { type Account, equityOf, heldOf, type Listing } from "./Account.ts"
import { isAmount } from "./Money.ts"
import { type Bracket, type Order, type WorkingOrder, workingOrder } from "./Order.ts"
import { consideration, feeOn, roundTicks, valueOf } from "./Pricing.ts"
import type { Terms } from "./Terms.ts"

export type RejectionReason =
  | "size-not-whole"
  | "size-zero"
  | "value-too-large"
  | "price-invalid"
  | "bracket-invalid"
  | "instant-invalid"
  | "duplicate-id"
  | "unknown-instrument"
  | "halted"
  | "as-of-steps-back"
  | "expired"
  | "no-price"
  | "short-sale"
  | "buying-power"

export interface OrderRejected {
  readonly order: string
  readonly reason: RejectionReason
  readonly sentence: string
}

const isTicks = (ticks: number | null): ticks is number => ticks !== null && isAmount(ticks) && ticks > 0

const whyPriceNot = ({ kind, ticks }: Order): string | undefined => {
  if (kind === "market")
    return ticks === null ? undefined : `A market order has no price, and this one has ${ticks}`
  return isTicks(ticks)
    ? undefined
    : `A ${kind} of ${ticks} ticks is no price: a positive whole number of ticks is`
}

/** Children lie on their sides of the order's price; a market order's is not known, but theirs are apart. */
const whyBracketNot = ({ lots, ticks }: Order, bracket: Bracket): string | undefined => {
  const { stopLossTicks, takeProfitTicks } = bracket
  const given = [stopLossTicks, ticks, takeProfitTicks].filter((one) => one !== null)
  if (stopLossTicks === null && takeProfitTicks === null)
    return "A bracket holds a stop-loss, a take-profit, or both"
  if (!given.every(isTicks)) return "The prices of a bracket are positive whole numbers of ticks"
  const rises = given.every((one, i) => i === 0 || Math.sign(lots) * (one - (given[i - 1] as number)) > 0)
  return rises
    ? undefined
    : "A bracket has its stop-loss on the losing side and its take-profit on the winning one"
}

/** What is worth saying of the order alone. */
const whyOrderNot = (order: Order): readonly [RejectionReason, string] | undefined => {
  const { asOf, bracket, lots, timeInForce } = order
  if (!isAmount(lots)) return ["size-not-whole", `${lots} lots are no size: a whole number up to 2^53 is`]
  if (lots === 0) return ["size-zero", "An order of no lots orders nothing"]
  const price = whyPriceNot(order)
  if (price !== undefined) return ["price-invalid", price]
  const bracketFault = bracket === null ? undefined : whyBracketNot(order, bracket)
  if (bracketFault !== undefined) return ["bracket-invalid", bracketFault]
  if (!isAmount(asOf)) return ["instant-invalid", `${asOf} is no as-of: whole milliseconds are`]
  if (typeof timeInForce === "string") return undefined
  const { expiresAt } = timeInForce
  if (!isAmount(expiresAt))
    return ["instant-invalid", `${expiresAt} is no instant to expire at: whole milliseconds are`]
  return expiresAt > asOf ? undefined : ["expired", "It expires before it could fill"]
}

/** The price that an order is weighed at: its own, or the worse of that and the mark, moved as a fill would be. */
const weighedTicks = (order: Order, mark: number, { impact }: Terms): number => {
  const side = order.lots > 0 ? "buy" : "sell"
  if (order.kind === "limit") return order.ticks as number
  const from = order.ticks === null ? mark : side === "buy" ? Math.max(mark, order.ticks) : order.ticks
  return roundTicks(from * (side === "buy" ? 1 + impact : 1 - impact), side)
}

/** Lots that a position comes to at its largest, when what is open and something more have filled. */
const lotsAtWorst = (held: number, orders: ReadonlyArray<WorkingOrder>, more: number): number => {
  let long = held + Math.max(more, 0)
  let short = held + Math.min(more, 0)
  for (const { lots, reduceOnly } of orders) {
    if (reduceOnly) continue
    if (lots > 0) long += lots
    else short += lots
  }
  return Math.max(Math.abs(long), Math.abs(short))
}

/** Value of all positions at their largest, the order's own apart. */
const grossOfOthers = (account: Account, instrument: string): number => {
  let gross = 0
  for (const [id, { mark, orders, perTickLot }] of account.listings) {
    const held = heldOf(account, id)
    if (id === instrument || (held === 0 && orders.length === 0)) continue
    gross += valueOf(perTickLot, lotsAtWorst(held, orders, 0), mark ?? 1)
  }
  return gross
}

const whyNotCarried = (
  account: Account,
  { orders, mark, perTickLot }: Listing,
  order: Order,
  ticks: number,
  fee: number
): string | undefined => {
  const { leverageMax } = account.terms
  if (leverageMax === null) return undefined
  const held = heldOf(account, order.instrument)
  const worst = lotsAtWorst(held, orders, order.lots)
  if (worst <= lotsAtWorst(held, orders, 0)) return undefined
  const gross =
    valueOf(perTickLot, worst, Math.max(ticks, mark ?? 1)) + grossOfOthers(account, order.instrument)
  const carried = leverageMax * (equityOf(account) - fee)
  return gross <= carried
    ? undefined
    : `Positions would come to ${gross} millionths, and the account carries ${Math.max(Math.floor(carried), 0)}`
}

/** What is worth saying of the order in this account. */
const whyAccountNot = (
  account: Account,
  listing: Listing,
  order: Order
): readonly [RejectionReason, string] | undefined => {
  const { mark, orders, perTickLot } = listing
  const { instrument, lots, reduceOnly } = order
  const { shorting, takerFee } = account.terms
  const held = heldOf(account, instrument)
  if (!isAmount(lotsAtWorst(held, orders, lots))) return ["value-too-large", "Lots are counted to 2^53"]
  if (reduceOnly) return undefined
  const sold = orders.reduce(
    (sum, one) => (one.lots < 0 && !one.reduceOnly ? sum + one.lots : sum),
    Math.min(lots, 0)
  )
  if (!shorting && lots < 0 && held + sold < 0)
    return [
      "short-sale",
      `${-sold} lots would be sold where ${Math.max(held, 0)} are held, and this account sells nothing short`
    ]
  if (mark === null && order.ticks === null)
    return account.terms.leverageMax === null
      ? undefined
      : ["no-price", "No bar of it has come yet: what the order comes to is unknown"]
  const ticks = weighedTicks(order, mark ?? 1, account.terms)
  const paid = consideration(perTickLot, lots, ticks)
  if (!isAmount(paid))
    return ["value-too-large", "Its value is beyond the 2^53 millionths that money is counted to"]
  const notCarried = whyNotCarried(account, listing, order, ticks, feeOn(paid, takerFee))
  return notCarried === undefined ? undefined : ["buying-power", notCarried]
}

const whyNot = (account: Account, order: Order): readonly [RejectionReason, string] | undefined => {
  const faulty = whyOrderNot(order)
  if (faulty !== undefined) return faulty
  const { asOf, id, instrument } = order
  const listing = account.listings.get(instrument)
  if (listing === undefined) return ["unknown-instrument", "This account does not trade it"]
  if (account.ids.has(id)) return ["duplicate-id", "An order of this id was taken before"]
  if (listing.isHalted) return ["halted", "Its trading is halted"]
  if (account.asOf !== null && asOf < account.asOf)
    return ["as-of-steps-back", `Its as-of ${asOf} lies before the account's, ${account.asOf}`]
  return whyAccountNot(account, listing, order)
}

/** The order as it would work in the account's book, or why it would not. Changes nothing. */
export const accept = (account: Account, order: Order): Either.Either<WorkingOrder, OrderRejected> => {
  const refused = whyNot(account, order)
  if (refused === undefined) return Either.right(workingOrder(order))
  const [reason, why] = refused
  return Either.left({
    order: order.id,
    reason,
    sentence: `The order ${order.id} for ${order.instrument} is refused. ${why}.`
  })
}

/** Takes an order into the account's book, or leaves the account as it is. */
export const place = (account: Account, order: Order): Either.Either<WorkingOrder, OrderRejected> => {
  const accepted = accept(account, order)
  if (Either.isRight(accepted)) {
    const listing = account.listings.get(order.instrument) as Listing
    listing.orders = [...listing.orders, accepted.right]
    account.ids.add(order.id)
  }
  return accepted
}
