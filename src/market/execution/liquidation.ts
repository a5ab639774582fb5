/**
 * When an account owes more than its positions safely cover, the venue closes them. Looked at are the worst prices
 * of the bars, the low of what is held and the high of what is owed, all at once: a bar does not tell which came
 * first. What is certain is that a stop that closes a position is met on the way to its worst price: the position is
 * then looked at where each of its stops fills, as it is until then, and what they leave of it at the worst price. An
 * account that falls below its margin there has met those stops before at which it was not below, whatever the other
 * positions went through; they fill first, and what they leave is liquidated.
 * An account that owes nothing, its positions paid for, can never fall below a margin of at most one.
 */
import type { Ledger } from "./Ledger.ts"
import type { Contract, Fraction } from "./Money.ts"
import type { MatchedBar, StopAhead } from "./matching.ts"
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
  /** Stops that close a part of it on its way to the worst price, the nearest first. */
  readonly stops: ReadonlyArray<StopAhead>
}

const worstPrice = ({ high, low }: MatchedBar, lots: number) => (lots > 0 ? low : high)

const worstTicks = ({ bar, contract, lots, mark }: Exposed): number =>
  bar === null ? mark : priceInTicks(contract, worstPrice(bar, lots), "mark")

/**
 * What a position adds to the equity beyond the margin that it needs, below nothing what it takes: at each of its stops
 * before that fills, as long as there is something to close, and with what they leave of it at the end.
 */
const excessesOf = (
  position: Exposed,
  { maintenanceMargin, takerFee }: MarginTerms
): ReadonlyArray<number> => {
  const { perTickLot, stops } = position
  let { lots } = position
  let received = 0
  const excesses: Array<number> = []
  const lookAt = (ticks: number) => {
    const value = valueOf(perTickLot, lots, ticks)
    excesses.push(received + value - maintenanceMargin * Math.abs(value))
  }
  for (const stop of stops) {
    lookAt(stop.ticks)
    const closed = Math.sign(stop.lots) * Math.min(Math.abs(stop.lots), Math.abs(lots))
    const paid = consideration(perTickLot, closed, stop.ticks)
    received -= paid + feeOn(paid, takerFee)
    lots += closed
    if (lots === 0) {
      excesses.push(received)
      return excesses
    }
  }
  lookAt(worstTicks(position))
  return excesses
}

/** Of terms that ask for a margin. */
export interface MarginTerms extends Pick<Terms, "takerFee"> {
  readonly maintenanceMargin: number
}

/**
 * Whether the equity at the worst prices is below the margin that the positions need there: then, for each position, how
 * many of its stops are certainly met before it is. `undefined` where it is not.
 */
export const stopsBeforeMargin = (
  { cash }: Pick<Ledger, "cash">,
  positions: ReadonlyArray<Exposed>,
  terms: MarginTerms
): ReadonlyArray<number> | undefined => {
  const excesses = positions.map((position) => excessesOf(position, terms))
  const leasts = excesses.map((its) => Math.min(...its))
  if (leasts.reduce((sum, least) => sum + least, cash) >= 0) return undefined
  return excesses.map((its, i) => {
    // Without a stop there is none to be met.
    if (its.length === 1) return 0
    const others = leasts.reduce((sum, least, j) => (j === i ? sum : sum + least), cash)
    const below = its.findIndex((excess) => others + excess < 0)
    return below < 0 ? its.length - 1 : Math.min(below, its.length - 1)
  })
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
