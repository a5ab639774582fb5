/**
 * What is measured on the typical price of a bar, (high + low + close) / 3: commodity channel and money flow; and
 * on-balance volume beside it. NaN during the look-back.
 */
import { makeLastValues, periodOf } from "./LastValues.ts"

const typicalPrice = (high: number, low: number, close: number): number => (high + low + close) / 3

/** By this constant about three quarters of the values lie between -100 and 100. */
const lambert = 0.015

/**
 * (p - m) / (0.015 d) with p the typical price, m its mean over `period` bars and d the mean of abs(p - m) over
 * them; 0 where p is m. No unit. Look-back: period - 1. Source: Lambert (1980).
 */
export const commodityChannelIndex = (
  period: number
): ((high: number, low: number, close: number) => number) => {
  const prices = makeLastValues(periodOf(period, 2))
  return (high, low, close) => {
    const price = typicalPrice(high, low, close)
    prices.push(price)
    if (!prices.isFull()) return Number.NaN
    let total = 0
    for (const one of prices.slots) total += one
    const mean = total / period
    let distances = 0
    for (const one of prices.slots) distances += Math.abs(one - mean)
    const distance = price - mean
    return distance === 0 || distances === 0 ? 0 : distance / (lambert * (distances / period))
  }
}

/** Money flow of less than this, in units of price times volume, is taken to be none. */
const flowMin = 1

/**
 * 100 P / (P + N): a bar's flow is its typical price times its volume; P sums the flows of the last `period` bars
 * whose typical price rose, N of those where it fell. 0 to 100 up to rounding, since the sums are kept running;
 * 0 where less than 1 has flown, a threshold that TA-Lib counts in the units of the series, whatever they are.
 * Look-back: `period`. Source: Quong and Soudack (1989).
 */
export const moneyFlowIndex = (
  period: number
): ((high: number, low: number, close: number, volume: number) => number) => {
  const ups = makeLastValues(periodOf(period, 2))
  const downs = makeLastValues(period)
  let inflow = 0
  let outflow = 0
  let before = Number.NaN
  return (high, low, close, volume) => {
    const price = typicalPrice(high, low, close)
    const change = price - before
    before = price
    if (Number.isNaN(change)) return Number.NaN
    if (ups.isFull()) {
      inflow -= ups.at(period - 1)
      outflow -= downs.at(period - 1)
    }
    const flow = price * volume
    const up = change > 0 ? flow : 0
    const down = change < 0 ? flow : 0
    ups.push(up)
    downs.push(down)
    inflow += up
    outflow += down
    if (!ups.isFull()) return Number.NaN
    const total = inflow + outflow
    return total < flowMin ? 0 : 100 * (inflow / total)
  }
}

/**
 * The volume of the bars that closed higher less that of the bars that closed lower, beginning with the volume
 * of the first bar: in the unit of the volume, and relative to where the history begins. No look-back.
 * Source: Granville (1963).
 */
export const onBalanceVolume = (): ((close: number, volume: number) => number) => {
  let balance = 0
  let before = Number.NEGATIVE_INFINITY
  return (close, volume) => {
    if (close > before) balance += volume
    else if (close < before) balance -= volume
    before = close
    return balance
  }
}
