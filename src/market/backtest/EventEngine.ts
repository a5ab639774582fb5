/**
 * Event-by-event backtest: one strategy, one account, the as-ofs of a schedule. At each as-of the account takes its
 * bars (charges, fills, marks), then the strategy is asked, and its orders wait for later bars.
 *
 * What the strategy is given of a series ends with its last closed bar: the columns are cut there. Beyond that the
 * result depends on the schedule, the strategy and the options alone, so that the same come to the same bytes.
 */
import { Either } from "effect"
import type { Instrument } from "../../protocols/Instrument.ts"
import type { AsOfSchedule } from "../AsOfSchedule.ts"
import type { BarColumns, BarSeries } from "../BarSeries.ts"
import * as Account from "../execution/Account.ts"
import { type OrderRejected, place } from "../execution/acceptance.ts"
import type { Charge } from "../execution/Ledger.ts"
import { toMicro } from "../execution/Money.ts"
import {
  type Cancellation,
  type Fill,
  type Order,
  type OrderRequest,
  orderOf,
  type WorkingOrder
} from "../execution/Order.ts"
import { type ExecutionRules, termsOf } from "../execution/Terms.ts"

/** What a strategy is shown at an as-of. It is written anew for the next one: nothing of it is to be kept. */
export interface StrategyContext {
  /** Of the as-of in the schedule. */
  readonly index: number
  readonly asOf: number
  readonly instruments: ReadonlyArray<Instrument>
  /** Its bars so far, oldest first. */
  readonly barsOf: (instrument: string) => BarColumns
  /** Lots; negative short. */
  readonly heldOf: (instrument: string) => number
  /** The latest close in ticks; null before the first. */
  readonly markOf: (instrument: string) => number | null
  readonly openOrdersOf: (instrument: string) => ReadonlyArray<WorkingOrder>
  /** Millionths. */
  readonly cash: number
  readonly equity: number
}

/** An order, or the id of an open one that is to be cancelled. */
export type Instruction = OrderRequest | { readonly kind: "cancel"; readonly order: string }

export type Strategy = (context: StrategyContext) => ReadonlyArray<Instruction>

/** A dividend, due to whoever holds when the first bars at or after an instant open. */
export interface DatedDividend extends Account.Dividend {
  readonly exAt: number
}

export interface EventBacktestOptions {
  /** In quote units. */
  readonly startingCash: number
  readonly rules: ExecutionRules
  /** As-ofs before the strategy is first asked. */
  readonly warmUp?: number
  readonly dividends?: ReadonlyArray<DatedDividend>
}

export interface EventBacktest {
  readonly asOfs: Float64Array
  /** Cash and positions at the closes of each as-of, before the strategy's orders: millionths. */
  readonly equity: Float64Array
  /** Those that were taken. */
  readonly orders: ReadonlyArray<Order>
  readonly rejections: ReadonlyArray<OrderRejected>
  readonly fills: ReadonlyArray<Fill>
  readonly cancellations: ReadonlyArray<Cancellation>
  readonly charges: ReadonlyArray<Charge>
  /** Put in by the venue after liquidations. */
  readonly shortfall: number
  /** The account as it ends. */
  readonly account: Account.Account
}

/** Some milliseconds of work. */
const asOfsPerSlice = 100

const cutTo = (series: BarSeries, length: number): BarColumns => ({
  openTime: series.openTime.subarray(0, length),
  open: series.open.subarray(0, length),
  high: series.high.subarray(0, length),
  low: series.low.subarray(0, length),
  close: series.close.subarray(0, length),
  volume: series.volume === null ? null : series.volume.subarray(0, length),
  closeOnly: series.closeOnly
})

/** Where each series is: its rows below `seen` have closed. */
interface Place {
  readonly series: BarSeries
  seen: number
}

/** A strategy's view of an account, moved along with the as-ofs. */
const viewOf = (account: Account.Account, places: ReadonlyMap<string, Place>) => {
  const placeOf = (instrument: string): Place => {
    const place = places.get(instrument)
    if (place === undefined) throw new RangeError(`${instrument} is none of this backtest's instruments`)
    return place
  }
  return {
    index: 0,
    asOf: 0,
    cash: account.ledger.cash,
    equity: account.ledger.cash,
    instruments: [...places.values()].map(({ series }) => series.instrument),
    barsOf: (instrument: string) => cutTo(placeOf(instrument).series, placeOf(instrument).seen),
    heldOf: (instrument: string) => Account.heldOf(account, instrument),
    markOf: (instrument: string) => account.listings.get(instrument)?.mark ?? null,
    openOrdersOf: (instrument: string) => account.listings.get(instrument)?.orders ?? []
  }
}

/** Dividends in the order in which they fall due, to be taken as the opens pass them. */
const dueDividends = (dividends: ReadonlyArray<DatedDividend>) => {
  const bad = dividends.find(({ perUnit }) => !(perUnit > 0 && Number.isFinite(perUnit)))
  if (bad !== undefined)
    throw new RangeError(`a dividend of ${bad.perUnit} is none: it is paid in quote units`)
  const rising = dividends.toSorted((a, b) => a.exAt - b.exAt)
  let next = 0
  return (opening: number): ReadonlyArray<DatedDividend> => {
    const from = next
    while (next < rising.length && (rising[next] as DatedDividend).exAt <= opening) next++
    return from === next ? [] : rising.slice(from, next)
  }
}

/**
 * Runs a strategy over a schedule, in slices of some milliseconds.
 *
 * Throws a `RangeError` for rules or dividends that are none, for an instrument whose steps are too fine to count in,
 * and where the strategy asks for an instrument that is not there.
 */
export function* runEvents(
  schedule: AsOfSchedule,
  strategy: Strategy,
  options: EventBacktestOptions
): Generator<void, EventBacktest> {
  const account = Account.open(toMicro(options.startingCash), termsOf(options.rules))
  const places = new Map<string, Place>()
  for (const series of schedule.series) {
    const { instrument } = series
    if (!Account.list(account, instrument))
      throw new RangeError(`${instrument.id} has steps too fine to count in`)
    places.set(instrument.id, { series, seen: 0 })
  }
  const dividendsAt = dueDividends(options.dividends ?? [])
  const view = viewOf(account, places)
  const asOfs = new Float64Array(schedule.length)
  const equity = new Float64Array(schedule.length)
  const orders: Array<Order> = []
  const rejections: Array<OrderRejected> = []
  const fills: Array<Fill> = []
  const cancellations: Array<Cancellation> = []
  const charges: Array<Charge> = []
  let shortfall = 0
  let asked = 0
  const follow = (instruction: Instruction, asOf: number) => {
    if (instruction.kind === "cancel") {
      const cancelled = Account.cancel(account, instruction.order, "the strategy has cancelled it")
      if (cancelled !== undefined) cancellations.push(cancelled)
      return
    }
    const order = orderOf(instruction, String(asked++), asOf)
    const placed = place(account, order)
    if (Either.isRight(placed)) orders.push(order)
    else rejections.push(placed.left)
  }
  for (let index = 0; index < schedule.length; index++) {
    if (index % asOfsPerSlice === asOfsPerSlice - 1) yield
    const { asOf, bars } = schedule.at(index)
    let opening = asOf
    for (const { instrument, openTime, sequence } of bars) {
      opening = Math.min(opening, openTime)
      ;(places.get(instrument) as Place).seen = sequence + 1
    }
    const report = Account.applyBars(account, { asOf, bars, dividends: dividendsAt(opening) })
    for (const fill of report.fills) fills.push(fill)
    for (const cancellation of report.cancellations) cancellations.push(cancellation)
    for (const charge of report.charges) charges.push(charge)
    shortfall += report.shortfall
    asOfs[index] = asOf
    equity[index] = Account.equityOf(account)
    if (index < (options.warmUp ?? 0)) continue
    view.index = index
    view.asOf = asOf
    view.cash = account.ledger.cash
    view.equity = equity[index] as number
    for (const instruction of strategy(view)) follow(instruction, asOf)
  }
  return { asOfs, equity, orders, rejections, fills, cancellations, charges, shortfall, account }
}
