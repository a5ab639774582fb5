/** What trading costs, as shares of the notional. Always on. */
import { Schema } from "effect"

const BasisPoints = Schema.Finite.pipe(Schema.between(0, 10_000))

export const Costs = Schema.Struct({
  /** Paid to the venue on every fill. */
  feeBps: BasisPoints,
  /** Half the distance between bid and ask. */
  halfSpreadBps: BasisPoints,
  /** How much worse than the quote a market order fills. */
  slippageBps: BasisPoints
})
export type Costs = typeof Costs.Type

const perBasisPoint = 1e-4

/** How far the price of one fill lies from the market's, a share of it. */
export const priceImpact = (costs: Costs): number => (costs.halfSpreadBps + costs.slippageBps) * perBasisPoint

/** Of going in or out once. */
export const oneWay = (costs: Costs): number => costs.feeBps * perBasisPoint + priceImpact(costs)

/** Of going in and out again. */
export const roundTrip = (costs: Costs): number => 2 * oneWay(costs)
