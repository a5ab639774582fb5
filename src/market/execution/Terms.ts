/** On which terms an account trades: what is configured, and the same as exact shares, worked out once. */
import { type Costs, priceImpact } from "../Costs.ts"
import { type Fraction, shareOfBps } from "./Money.ts"

/** How orders are taken and filled. `null` sets no limit. */
export interface ExecutionRules {
  readonly costs: Costs
  /** Most that all positions may come to, as a multiple of the equity: the inverse of the initial margin. */
  readonly leverageMax: number | null
  /** Without it nothing is sold that is not held. */
  readonly shorting: boolean
  /** Equity below this share of the positions' value, at the worst prices of the bars, is liquidated. */
  readonly maintenanceMargin: number | null
  /** Largest share of a bar's volume that is filled. */
  readonly participationMax: number | null
  /** From the as-of of an order until it can fill. */
  readonly latencyMs: number
}

/** Every order is taken, at the next bar's first price, whole. */
export const withoutLimits = (costs: Costs): ExecutionRules => ({
  costs,
  leverageMax: null,
  shorting: true,
  maintenanceMargin: null,
  participationMax: null,
  latencyMs: 0
})

export interface Terms extends ExecutionRules {
  readonly takerFee: Fraction
  readonly makerFee: Fraction
  /** How far a market order's price lies from the market's, a share of it. */
  readonly impact: number
  /** Absolute rate of one instant; `longsPay` says which side it costs. */
  readonly funding: Fraction
  readonly longsPay: boolean
  readonly fundingEveryMs: number
  readonly borrowPerYear: Fraction
}

const hourMs = 3_600_000
const fundingEveryHoursUsual = 8

export const termsOf = (rules: ExecutionRules): Terms => {
  const { costs, latencyMs, leverageMax, maintenanceMargin, participationMax } = rules
  const isShare = (share: number) => share > 0 && share <= 1
  if (
    !(Number.isSafeInteger(latencyMs) && latencyMs >= 0) ||
    !(leverageMax === null || leverageMax > 0) ||
    !(maintenanceMargin === null || isShare(maintenanceMargin)) ||
    !(participationMax === null || isShare(participationMax))
  ) {
    const shown = JSON.stringify({ latencyMs, leverageMax, maintenanceMargin, participationMax })
    throw new RangeError(`${shown} are no rules to trade by: shares lie in (0, 1], a leverage above 0`)
  }
  const fundingBps = costs.fundingBps ?? 0
  return {
    ...rules,
    takerFee: shareOfBps(costs.feeBps),
    makerFee: shareOfBps(costs.makerFeeBps ?? costs.feeBps),
    impact: priceImpact(costs),
    funding: shareOfBps(Math.abs(fundingBps)),
    longsPay: fundingBps > 0,
    fundingEveryMs: (costs.fundingEveryHours ?? fundingEveryHoursUsual) * hourMs,
    borrowPerYear: shareOfBps(costs.borrowBpsPerYear ?? 0)
  }
}
