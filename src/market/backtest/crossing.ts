/**
 * Backtests of one instrument whose target position follows from its bars: what a sweep over parameters takes. The
 * targets are worked out over the columns in one pass, and only the bars at which something can happen go through the
 * account: those where the target changes, where an order is open, and those in which a position is charged for or,
 * with a maintenance margin, may fall below it. It is the event engine with the idle bars left out, and comes to what
 * `targetStrategy` comes to in it, to the last unit.
 */
import type { BarSeries } from "../BarSeries.ts"
import { barAt } from "../BarSeries.ts"
import * as Account from "../execution/Account.ts"
import { place } from "../execution/acceptance.ts"
import { isCharged, isHoldingCharged } from "../execution/holding.ts"
import type { Ledger } from "../execution/Ledger.ts"
import { isAmount, toMicro } from "../execution/Money.ts"
import { market, orderOf } from "../execution/Order.ts"
import { exactPerTickLot, priceInTicks, valueOf } from "../execution/Pricing.ts"
import { lotsForExposure } from "../execution/TargetExposure.ts"
import { type ExecutionRules, termsOf } from "../execution/Terms.ts"

export interface TargetOptions {
  /** In quote units. */
  readonly startingCash: number
  readonly rules: ExecutionRules
  /** Share of the equity that a target of one comes to. */
  readonly exposure: number
  /** Whether the equity after each bar is wanted, and what is held; it costs a valuation a bar. */
  readonly withEquity: boolean
}

export interface TargetBacktest {
  readonly ledger: Ledger
  /** Cash and position at the last close, millionths. */
  readonly equity: number
  /** Orders taken, refused by the account, and fills. */
  readonly orders: number
  readonly rejections: number
  readonly fills: number
  readonly shortfall: number
  /** After each bar, millionths; null where it was not asked for. */
  readonly equityCurve: Float64Array | null
  /** What is held after each bar: -1 short, 0 nothing, 1 long; null where the equity was not asked for. */
  readonly sides: Int8Array | null
}

const source = "backtest"
/** A few milliseconds of work at most. */
const barsPerSlice = 4_096

const whyNot = (series: BarSeries, targets: Int8Array): string | undefined => {
  const { close, high, instrument } = series
  if (targets.length !== close.length) return `there are ${targets.length} targets for ${close.length} bars`
  let highest = 0
  for (const price of high) if (price > highest) highest = price
  if (exactPerTickLot(instrument) === null || !isAmount(priceInTicks(instrument, highest, "mark")))
    return `${instrument.id} has steps too fine to count in`
  return undefined
}

/**
 * Trades a target position for each bar (-1 short, 0 flat, 1 long), chosen at its close, in slices of a few
 * milliseconds. Throws a `RangeError` for rules that are none, for another number of targets than of bars, and for
 * steps too fine to count in.
 */
export function* runTargets(
  series: BarSeries,
  targets: Int8Array,
  options: TargetOptions
): Generator<void, TargetBacktest> {
  const refused = whyNot(series, targets)
  if (refused !== undefined) throw new RangeError(refused)
  const { instrument } = series
  const { id } = instrument
  const terms = termsOf(options.rules)
  const account = Account.open(toMicro(options.startingCash), terms)
  Account.list(account, instrument)
  const listing = account.listings.get(id) as Account.Listing
  const { kind } = instrument
  const holdingMatters = isCharged(terms) || terms.maintenanceMargin !== null
  /** Whether something can happen to what is held in a bar in which nothing fills. */
  const isExposed = () =>
    isHoldingCharged(kind, held, terms) || (terms.maintenanceMargin !== null && Account.owes(account))
  const equityCurve = options.withEquity ? new Float64Array(targets.length) : null
  const sides = options.withEquity ? new Int8Array(targets.length) : null
  let held = 0
  let isWaiting = false
  let orders = 0
  let rejections = 0
  let fills = 0
  let shortfall = 0
  /** What targetStrategy does. */
  const turn = (target: number) => {
    for (const order of listing.orders) Account.cancel(account, order.id, "the target has changed")
    const equity = Account.equityOf(account)
    const change = lotsForExposure(instrument, target * options.exposure, equity, listing.mark ?? 1) - held
    if (change === 0) return
    const order = orderOf(market(id, change), String(orders + rejections), account.asOf ?? 0)
    if (place(account, order)._tag === "Right") orders++
    else rejections++
  }
  const last = targets.length - 1
  let before = 0
  for (let index = 0; index <= last; index++) {
    if (index % barsPerSlice === barsPerSlice - 1) yield
    const target = targets[index] as number
    if (isWaiting || target !== before || index === last || (holdingMatters && held !== 0 && isExposed())) {
      const bar = barAt(series, index, source)
      const report = Account.applyBars(account, { asOf: bar.closeTime, bars: [bar] })
      fills += report.fills.length
      shortfall += report.shortfall
      held = Account.heldOf(account, id)
      if (target !== before) turn(target)
      before = target
      isWaiting = listing.orders.length > 0
    }
    if (equityCurve !== null && sides !== null) {
      const { cash } = account.ledger
      const mark = priceInTicks(instrument, series.close[index] as number, "mark")
      equityCurve[index] = held === 0 ? cash : cash + valueOf(listing.perTickLot, held, mark)
      sides[index] = Math.sign(held)
    }
  }
  const { ledger } = account
  const equity = Account.equityOf(account)
  return { ledger, equity, orders, rejections, fills, shortfall, equityCurve, sides }
}

/**
 * Targets of a crossing of two moving averages of the closes: 1 where the fast one is above the slow one, -1 (or 0
 * without shorting) where it is below, 0 where they are equal and before the slow one is full. Sums are of whole
 * ticks, so that they are exact however long they roll.
 *
 * @param fastBars bars of the fast average, at least 1
 * @param slowBars bars of the slow one, more than that
 */
export const crossingTargets = (
  { close, instrument }: Pick<BarSeries, "close" | "instrument">,
  fastBars: number,
  slowBars: number,
  shorting: boolean
): Int8Array => {
  if (!(Number.isInteger(fastBars) && Number.isInteger(slowBars) && fastBars >= 1 && slowBars > fastBars)) {
    throw new RangeError(`averages over ${fastBars} and ${slowBars} bars do not cross: 1 <= fast < slow`)
  }
  const { tick } = instrument
  const targets = new Int8Array(close.length)
  const ticks = new Float64Array(close.length)
  const below = shorting ? -1 : 0
  let fast = 0
  let slow = 0
  for (let i = 0; i < close.length; i++) {
    const latest = Math.round((close[i] as number) / tick)
    ticks[i] = latest
    fast += i < fastBars ? latest : latest - (ticks[i - fastBars] as number)
    slow += i < slowBars ? latest : latest - (ticks[i - slowBars] as number)
    if (i < slowBars - 1) continue
    const difference = fast * slowBars - slow * fastBars
    targets[i] = difference > 0 ? 1 : difference < 0 ? below : 0
  }
  return targets
}
