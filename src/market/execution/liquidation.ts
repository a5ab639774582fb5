/**
 * When an account owes more than its positions safely cover, the venue closes them. Looked at are the worst prices
 * of the bars, the low of what is held and the high of what is owed, all at once: a bar does not tell which came
 * first. An account that owes nothing, its positions paid for, can never fall below a margin of at most one.
 */
import type { Ledger } from "./Ledger.ts"
import type { Contract, Fraction } from "./Money.ts"
import type { MatchedBar } from "./matching.ts"
import type { Fill } from "./Order.ts"
import { consideration, feeOn, marketTicks, priceInTicks, valueOf } from "./Pricing.ts"
import type { Terms } from "./Terms.ts"

/** A position, and the bar that it went through; without one it stands at its mark and cannot be closed. */
export interface Exposed {
  readonly instrument: string
  readonly contract: Contract
  readonly perTickLot: Fraction
  readonly lots: number
  readonly mark: number
  readonly bar: MatchedBar | null
}

const worstPrice = ({ high, low }: MatchedBar, lots: number) => (lots > 0 ? low : high)

const worstValue = ({ bar, contract, lots, mark, perTickLot }: Exposed): number =>
  valueOf(perTickLot, lots, bar === null ? mark : priceInTicks(contract, worstPrice(bar, lots), "mark"))

/** Whether the equity at the worst prices is below the margin that the positions need there. */
export const isBelowMargin = (
  { cash }: Pick<Ledger, "cash">,
  positions: ReadonlyArray<Exposed>,
  margin: number
): boolean => {
  let equity = cash
  let gross = 0
  for (const position of positions) {
    const value = worstValue(position)
    equity += value
    gross += Math.abs(value)
  }
  return equity < margin * gross
}

/** What names the orders by which the venue closes positions. */
export const liquidationId = (instrument: string, asOf: number): string => `liquidation/${instrument}/${asOf}`

/** Closes a position at the worst price of its bar, moved against the account as any order is, with the fee. */
export const liquidationOf = (position: Exposed, bar: MatchedBar, asOf: number, terms: Terms): Fill => {
  const { contract, instrument, perTickLot } = position
  const lots = 0 - position.lots
  const price = worstPrice(bar, position.lots)
  const ticks = marketTicks(contract, price, terms.impact, lots > 0 ? "buy" : "sell")
  const paid = consideration(perTickLot, lots, ticks)
  const fee = feeOn(paid, terms.takerFee)
  return { order: liquidationId(instrument, asOf), instrument, lots, ticks, paid, fee, at: bar.closeTime }
}
