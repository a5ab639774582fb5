/**
 * Many accounts with a position each, as columns: cash in millionths of the quote currency, positions in lots, prices in
 * ticks, all of them whole numbers. Fills, values and charges are those of the matching engine and the ledger
 * (`Pricing`, `holding`).
 *
 * What can go wrong: nothing while each step begins within `accountMicroMax` and prices keep to a course's ratio.
 *
 * Methods take rows and bars, not prices: a number that is no small integer is allocated where a call is not inlined.
 */
import { chargeFor } from "../execution/holding.ts"
import { consideration, feeOn, valueOf } from "../execution/Pricing.ts"
import { lotsForExposure } from "../execution/TargetExposure.ts"
import type { Course } from "./Course.ts"

/**
 * Most equity an account may have, and half the most its position may be worth, at the beginning of a step: 35 million
 * quote units. The whole position is then at most turned round, at 16 times its mark (`priceRatioMax`), and what comes of
 * it is still below 2^53, with fees of as much.
 */
export const accountMicroMax = 2 ** 45
/** Largest exposure that may be asked for, as a share of the equity. */
export const exposureMax = 2

export class Accounts {
  /** Micro-quote. */
  readonly cash: Float64Array
  /** Cash and the value of the position at the last mark; micro-quote. */
  readonly equity: Float64Array
  /** The equity at the mark before. */
  readonly previous: Float64Array
  /** Positive long, negative short. */
  readonly lots: Float64Array
  /** Mean price in ticks at which what is held was entered; 0 without a position. */
  readonly entryTicks: Float64Array
  /** Lots to buy in the next bar, or to sell where negative. */
  readonly orders: Float64Array

  constructor(rows: number) {
    this.cash = new Float64Array(rows)
    this.equity = new Float64Array(rows)
    this.previous = new Float64Array(rows)
    this.lots = new Float64Array(rows)
    this.entryTicks = new Float64Array(rows)
    this.orders = new Float64Array(rows)
  }

  open(row: number, cashMicro: number): void {
    this.cash[row] = cashMicro
    this.equity[row] = cashMicro
    this.previous[row] = cashMicro
    this.lots[row] = 0
    this.entryTicks[row] = 0
    this.orders[row] = 0
  }

  /** Orders what the position lacks, or has too much, of an exposure at the mark of a bar. */
  order(row: number, exposure: number, bar: number, { contract, markTicks }: Course): void {
    const mark = markTicks[bar] as number
    const wanted = lotsForExposure(contract, exposure, this.equity[row] as number, mark)
    this.orders[row] = wanted - (this.lots[row] as number)
  }

  /** Charges for what is held from the open of the bar before to that of this one, at the mark between them. */
  hold(row: number, bar: number, { holding, markTicks, perTickLot }: Course): void {
    const lots = this.lots[row] as number
    if (holding === null || lots === 0) return
    const { kind, openTime, terms } = holding
    const held = { instrument: "", kind, lots, perTickLot, mark: markTicks[bar - 1] as number }
    const charge = chargeFor(held, openTime[bar - 1] as number, openTime[bar] as number, terms)
    if (charge !== undefined) this.cash[row] = (this.cash[row] as number) - charge.micro
  }

  /** Fills what is ordered in a bar, where there is somebody to fill at. */
  fill(row: number, bar: number, { buyTicks, feeShare, perTickLot, sellTicks }: Course): void {
    const change = this.orders[row] as number
    if (change === 0) return
    const isBought = change > 0
    const ticks = (isBought ? buyTicks[bar] : sellTicks[bar]) as number
    if (ticks === 0) return
    const paid = consideration(perTickLot, change, ticks)
    this.cash[row] = (this.cash[row] as number) - paid - feeOn(paid, feeShare)
    const held = this.lots[row] as number
    const after = held + change
    const entry = this.entryTicks[row] as number
    this.lots[row] = after
    if (after === 0) this.entryTicks[row] = 0
    // Opened, or turned round: what is held now was entered here.
    else if (held === 0 || held > 0 !== after > 0) this.entryTicks[row] = ticks
    // Added to; what is taken away leaves the price of the rest as it was.
    else if (held > 0 === isBought) this.entryTicks[row] = (held * entry + change * ticks) / after
  }

  /** Values the position at the mark of a bar. */
  mark(row: number, bar: number, { markTicks, perTickLot }: Course): void {
    this.previous[row] = this.equity[row] as number
    const value = valueOf(perTickLot, this.lots[row] as number, markTicks[bar] as number)
    this.equity[row] = (this.cash[row] as number) + value
  }

  /** What the position is worth more than it was entered for, before costs other than the price; micro-quote. */
  unrealised(row: number, bar: number, { markTicks, perTickLot }: Course): number {
    const perTick = ((this.lots[row] as number) * perTickLot.numerator) / perTickLot.denominator
    return perTick * ((markTicks[bar] as number) - (this.entryTicks[row] as number))
  }
}
