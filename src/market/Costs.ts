/**
 * What trading costs, as shares of the notional, always on; and what holding costs, where an instrument's kind has
 * it: a funding rate between the two sides of a perpetual, and the fee for borrowing what is sold short.
 */
import { Schema } from "effect"

const BasisPoints = Schema.Finite.pipe(Schema.between(0, 10_000))
/** A key that has no default. */
const given = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true })

export const Costs = Schema.Struct({
  /** Paid to the venue on every fill. */
  feeBps: BasisPoints,
  /** Half the distance between bid and ask. */
  halfSpreadBps: BasisPoints,
  /** How much worse than the quote a market order fills. */
  slippageBps: BasisPoints,
  /** Paid instead of `feeBps` on a fill that waited in the book, at its limit. */
  makerFeeBps: given(BasisPoints),
  /** Of a perpetual, at each of its instants: what longs pay to shorts; negative, what shorts pay to longs. */
  fundingBps: given(Schema.Finite.pipe(Schema.between(-1_000, 1_000))),
  /** Hours between two of these instants, counted from midnight UTC; 8 where it is not given. */
  fundingEveryHours: given(Schema.Int.pipe(Schema.between(1, 168))),
  /** A year's fee for what is borrowed to be sold short; perpetuals and futures need no borrowing. */
  borrowBpsPerYear: given(Schema.Finite.pipe(Schema.between(0, 100_000)))
})
export type Costs = typeof Costs.Type

const perBasisPoint = 1e-4

/** How far the price of one fill lies from the market's, a share of it. */
export const priceImpact = (costs: Costs): number => (costs.halfSpreadBps + costs.slippageBps) * perBasisPoint

/** Of going in or out once. */
export const oneWay = (costs: Costs): number => costs.feeBps * perBasisPoint + priceImpact(costs)

/** Of going in and out again. */
export const roundTrip = (costs: Costs): number => 2 * oneWay(costs)
