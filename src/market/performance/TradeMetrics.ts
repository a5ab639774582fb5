/**
 * What closed trades came to. A trade that came out even has won nothing and lost nothing.
 *
 * Invariant: no number is NaN or infinite; without trades, and where no trade lost, there is no ratio.
 */
import { finiteOrNull } from "./Moments.ts"

export interface TradeMetrics {
  readonly trades: number
  /** In the unit of the profits. */
  readonly profit: number
  /** Share of the trades that won. */
  readonly hitRate: number | null
  /** All that was won over all that was lost. */
  readonly profitFactor: number | null
}

export const measureTrades = (profits: ArrayLike<number>): TradeMetrics => {
  const trades = profits.length
  let wins = 0
  let won = 0
  let lost = 0
  for (let i = 0; i < trades; i++) {
    const profit = profits[i] as number
    if (!Number.isFinite(profit)) throw new RangeError(`the profit of trade ${i} is ${profit}`)
    if (profit > 0) {
      wins++
      won += profit
    } else lost -= profit
  }
  return {
    trades,
    profit: won - lost,
    hitRate: trades === 0 ? null : wins / trades,
    profitFactor: finiteOrNull(won / lost)
  }
}
