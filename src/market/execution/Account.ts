/**
 * An account that trades, changed in place: its books, the instruments that it may trade with their latest marks,
 * and its open orders. The one engine of the paper broker and the backtest.
 *
 * What happens at one as-of, in this order: corrections, funding and borrowing up to the first open, dividends, fills
 * at the first prices, marks at the closes, then what fills inside the bars: stops, then limits (`matching.ts`). An
 * account that falls below its maintenance margin among the stops, before the limits or behind them is liquidated there,
 * and what was still to fill does not. A bar that is not later than the latest of its instrument was seen before or comes
 * too late: it fills nothing, and only one of the same time moves the mark.
 *
 * Invariants: those of the ledger; an order is in one listing; the as-of never steps back.
 */
import { Either } from "effect"
import type { Bar } from "../../protocols/Bar.ts"
import type { Instrument } from "../../protocols/Instrument.ts"
import { chargeFor, dividendOf, type Holding, isCharged } from "./holding.ts"
import * as Ledger from "./Ledger.ts"
import { type Exposed, liquidationOf, type MarginTerms, stopsBeforeMargin } from "./liquidation.ts"
import { type Fraction, isAmount } from "./Money.ts"
import {
  closeMatching,
  fillLimits,
  fillNearestStops,
  fillStops,
  goesInside,
  type Matching,
  openMatching,
  type StopAhead,
  stopsAhead
} from "./matching.ts"
import type { Cancellation, Fill, WorkingOrder } from "./Order.ts"
import { exactPerTickLot, priceInTicks, valueOf } from "./Pricing.ts"
import { RecentIds } from "./RecentIds.ts"
import type { Terms } from "./Terms.ts"

/** An instrument that the account may trade. */
export interface Listing {
  readonly instrument: Instrument
  readonly perTickLot: Fraction
  /** The latest close in ticks, and when that was; null before the first. */
  mark: number | null
  closedAt: number | null
  orders: ReadonlyArray<WorkingOrder>
  isHalted: boolean
}

export interface Account {
  readonly terms: Terms
  readonly ledger: Ledger.OpenLedger
  readonly listings: Map<string, Listing>
  /** Ids of orders that were taken. */
  readonly ids: RecentIds
  /** The latest as-of; null before the first. */
  asOf: number | null
  /** Up to when holding has been charged; null before the first bars. */
  accruedTo: number | null
}

export const open = (cash: number, terms: Terms): Account => of(Ledger.open(cash), terms)

/** An account with these books, which it goes on to write in. */
export const of = (ledger: Ledger.OpenLedger, terms: Terms): Account => ({
  terms,
  ledger,
  listings: new Map(),
  ids: new RecentIds(),
  asOf: null,
  accruedTo: null
})

/** What an account that goes on knows of an instrument. */
export type Known = Pick<Listing, "mark" | "closedAt" | "orders">

const unknown: Known = { mark: null, closedAt: null, orders: [] }

/** Lets an instrument be traded. Whether it can be: not where its steps are too fine to count exactly in. */
export const list = (account: Account, instrument: Instrument, known: Known = unknown): boolean => {
  const perTickLot = exactPerTickLot(instrument)
  if (perTickLot === null) return false
  account.listings.set(instrument.id, { instrument, perTickLot, isHalted: false, ...known })
  for (const { id } of known.orders) account.ids.add(id)
  return true
}

const listingOf = (account: Account, instrument: string): Listing => {
  const listing = account.listings.get(instrument)
  if (listing === undefined) throw new RangeError(`${instrument} is not listed in this account`)
  return listing
}

/** While an instrument is halted nothing of it fills, and no order for it is taken. */
export const halt = (account: Account, instrument: string, isHalted: boolean): void => {
  listingOf(account, instrument).isHalted = isHalted
}

export const heldOf = (account: Account, instrument: string): number =>
  Ledger.positionOf(account.ledger, instrument).lots

/** Cash and positions at their marks, in millionths. */
export const equityOf = ({ ledger, listings }: Account): number => {
  let equity = ledger.cash
  for (const [instrument, { lots }] of ledger.positions) {
    const listing = listings.get(instrument)
    if (lots !== 0 && listing !== undefined && listing.mark !== null)
      equity += valueOf(listing.perTickLot, lots, listing.mark)
  }
  return equity
}

/** Takes an order out of the book. `undefined` where it is not open. */
export const cancel = (account: Account, order: string, reason: string): Cancellation | undefined => {
  for (const listing of account.listings.values()) {
    const found = listing.orders.find(({ id }) => id === order)
    if (found === undefined) continue
    listing.orders = listing.orders.filter((one) => one !== found)
    return { order, lots: found.lots, reason }
  }
  return undefined
}

export interface Dividend {
  readonly instrument: string
  /** In quote units, for one base unit. */
  readonly perUnit: number
}

/** What became known at one as-of. */
export interface MarketEvent {
  readonly asOf: number
  /** At most one of an instrument; those of instruments that are not listed are passed over. */
  readonly bars: ReadonlyArray<Bar>
  /** Paid to those who hold before these bars open. */
  readonly dividends?: ReadonlyArray<Dividend>
}

/** What an event did to the account, beside its marks. */
export interface Report {
  readonly fills: ReadonlyArray<Fill>
  readonly cancellations: ReadonlyArray<Cancellation>
  readonly charges: ReadonlyArray<Ledger.Charge>
  /** What the venue had to put in after a liquidation. */
  readonly shortfall: number
}

const holdingOf = (account: Account, { instrument, mark, perTickLot }: Listing): Holding => ({
  instrument: instrument.id,
  kind: instrument.kind,
  lots: heldOf(account, instrument.id),
  perTickLot,
  mark
})

const chargeHolding = (account: Account, to: number, dividends: ReadonlyArray<Dividend>) => {
  const { accruedTo, ledger, listings, terms } = account
  const charges: Array<Ledger.Charge> = []
  const post = (charge: Ledger.Charge | undefined) => {
    if (charge === undefined) return
    Either.getOrThrowWith(Ledger.postCharge(ledger, charge), (error) => error)
    charges.push(charge)
  }
  if (accruedTo !== null && to > accruedTo && isCharged(terms)) {
    for (const listing of listings.values())
      post(chargeFor(holdingOf(account, listing), accruedTo, to, terms))
  }
  for (const { instrument, perUnit } of dividends) {
    const listing = listings.get(instrument)
    if (listing !== undefined) post(dividendOf(holdingOf(account, listing), listing.instrument, perUnit))
  }
  account.accruedTo = Math.max(to, accruedTo ?? to)
  return charges
}

const noDividends: ReadonlyArray<Dividend> = []

/** The mark that a close makes. One beyond what is counted makes none. */
const moveMark = (listing: Listing, bar: Bar) => {
  const mark = priceInTicks(listing.instrument, bar.close, "mark")
  if (isAmount(mark)) listing.mark = mark
}

/** The orders of a listing on their way through its bar. */
interface Passage {
  readonly listing: Listing
  readonly matching: Matching
  /** Fills that are in the books. */
  posted: number
}

const postFills = ({ ledger }: Account, passage: Passage): void => {
  const { fills } = passage.matching
  for (; passage.posted < fills.length; passage.posted++) {
    const fill = fills[passage.posted] as Fill
    Either.getOrThrowWith(Ledger.postFill(ledger, fill), (error) => error)
  }
}

/** Matches the orders of a listing at the first price of its bar. */
const enter = (account: Account, listing: Listing, bar: Bar): Passage => {
  const { ledger, terms } = account
  const { instrument, isHalted, orders, perTickLot } = listing
  const held = heldOf(account, instrument.id)
  const room = Ledger.roomOf(ledger, instrument.id)
  const market = { contract: instrument, perTickLot, isHalted, held, room }
  const passage = { listing, matching: openMatching(orders, bar, market, terms), posted: 0 }
  postFills(account, passage)
  return passage
}

const asksForMargin = (terms: Terms): terms is Terms & MarginTerms => terms.maintenanceMargin !== null

/** Whether it was sold short, or bought with money that it has not: no other account can fall below its margin. */
export const owes = ({ ledger }: Account): boolean => {
  if (ledger.cash < 0) return true
  for (const { lots } of ledger.positions.values()) if (lots < 0) return true
  return false
}

const noStops: ReadonlyArray<StopAhead> = []

const exposedOf = (
  account: Account,
  bars: ReadonlyArray<Bar>,
  passages: ReadonlyArray<Passage>
): ReadonlyArray<Exposed> => {
  const barOf = new Map(bars.map((bar) => [bar.instrument as string, bar]))
  const passageOf = new Map(passages.map((passage) => [passage.listing.instrument.id as string, passage]))
  const exposed: Array<Exposed> = []
  for (const [id, { lots }] of account.ledger.positions) {
    const listing = account.listings.get(id)
    if (lots === 0 || listing === undefined || listing.mark === null) continue
    const { instrument, isHalted, mark, perTickLot } = listing
    const bar = barOf.get(id)
    const passage = passageOf.get(id)
    exposed.push({
      instrument: id,
      contract: instrument,
      perTickLot,
      lots,
      mark,
      bar: bar !== undefined && bar.volume !== 0 && !isHalted ? bar : null,
      stops: passage === undefined ? noStops : stopsAhead(passage.matching)
    })
  }
  return exposed
}

const fillInside = (
  account: Account,
  passage: Passage,
  fill: (matching: Matching, room: number) => void
): void => {
  fill(passage.matching, Ledger.roomOf(account.ledger, passage.listing.instrument.id))
  postFills(account, passage)
}

/**
 * Whether the account falls below its margin with what is still to come inside the bars of `passages`. Where it does, the
 * stops that are met before that are filled.
 */
const fallsBelowMargin = (
  account: Account,
  bars: ReadonlyArray<Bar>,
  passages: ReadonlyArray<Passage>
): boolean => {
  const { ledger, terms } = account
  if (!asksForMargin(terms) || !owes(account)) return false
  const exposed = exposedOf(account, bars, passages)
  const met = stopsBeforeMargin(ledger, exposed, terms)
  if (met === undefined) return false
  for (const [i, { instrument }] of exposed.entries()) {
    const count = met[i] as number
    const passage = passages.find(({ listing }) => listing.instrument.id === instrument)
    if (count > 0 && passage !== undefined)
      fillInside(account, passage, (matching, room) => fillNearestStops(matching, count, room))
  }
  return true
}

/** Drops the orders of an account below its margin and closes what can be closed of it. */
const liquidate = (
  account: Account,
  bars: ReadonlyArray<Bar>,
  asOf: number,
  fills: Array<Fill>,
  cancellations: Array<Cancellation>
): void => {
  const { ledger, listings, terms } = account
  for (const listing of listings.values()) {
    for (const { id, lots } of listing.orders) cancellations.push({ order: id, lots, reason: "liquidated" })
    listing.orders = []
  }
  for (const position of exposedOf(account, bars, [])) {
    if (position.bar === null) continue
    const fill = liquidationOf(position, position.bar, asOf, terms)
    Either.getOrThrowWith(Ledger.postFill(ledger, fill), (error) => error)
    fills.push(fill)
  }
}

const stepsInside = [fillStops, fillLimits] as const

/** What fills inside the bars, until the account falls below its margin: whether it does. */
const goThrough = (account: Account, bars: ReadonlyArray<Bar>, passages: ReadonlyArray<Passage>): boolean => {
  for (const step of stepsInside) {
    const waiting = passages.filter(({ matching }) => goesInside(matching))
    if (waiting.length === 0) break
    if (fallsBelowMargin(account, bars, waiting)) return true
    for (const passage of waiting) fillInside(account, passage, step)
  }
  return fallsBelowMargin(account, bars, [])
}

/**
 * Applies what became known at one as-of. Throws `AmountTooLarge` where a charge or a liquidation would take the books
 * beyond what they can count: an account of nine thousand million quote units is not traded on paper.
 */
export const applyBars = (account: Account, event: MarketEvent): Report => {
  const { asOf, bars, dividends = noDividends } = event
  account.asOf = Math.max(asOf, account.asOf ?? asOf)
  const fresh: Array<Bar> = []
  let opening = Number.POSITIVE_INFINITY
  for (const bar of bars) {
    const listing = account.listings.get(bar.instrument)
    if (listing === undefined) continue
    const { closedAt } = listing
    if (closedAt === bar.closeTime) moveMark(listing, bar)
    if (closedAt !== null && closedAt >= bar.closeTime) continue
    listing.closedAt = bar.closeTime
    fresh.push(bar)
    if (bar.openTime < opening) opening = bar.openTime
  }
  const charges = fresh.length === 0 ? [] : chargeHolding(account, opening, dividends)
  const passages: Array<Passage> = []
  for (const bar of fresh) {
    const listing = listingOf(account, bar.instrument)
    if (listing.orders.length > 0) passages.push(enter(account, listing, bar))
    moveMark(listing, bar)
  }
  const isBelow = goThrough(account, fresh, passages)
  const fills: Array<Fill> = []
  const cancellations: Array<Cancellation> = []
  for (const { listing, matching } of passages) {
    const matched = closeMatching(matching)
    listing.orders = matched.remaining
    fills.push(...matched.fills)
    cancellations.push(...matched.cancellations)
  }
  if (isBelow) liquidate(account, fresh, asOf, fills, cancellations)
  const shortfall = asksForMargin(account.terms) ? Ledger.settleShortfall(account.ledger) : 0
  return { fills, cancellations, charges, shortfall }
}
