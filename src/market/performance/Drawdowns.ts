/**
 * Falls of an equity curve from its highest point so far (Magdon-Ismail and Atiya, Maximum Drawdown, Risk, 2004).
 *
 * A fall begins at the last bar of the peak, is deepest at its trough, and is over at the first bar that is as high as the
 * peak again. Depths are shares of the peak; a loss of more than there was is a depth above 1.
 */

export interface Drawdown {
  readonly depth: number
  /** Points of the curve. Null where the peak has not been seen again. */
  readonly peak: number
  readonly trough: number
  readonly recovered: number | null
}

export interface Drawdowns {
  /** The first of the deepest; null where the curve has never fallen. */
  readonly deepest: Drawdown | null
  /** Bars from peak to recovery, or to the end, of the fall that lasted longest; 0 where there was none. */
  readonly longestBars: number
}

export const drawdownsOf = (equity: Float64Array): Drawdowns => {
  let peak = 0
  let trough = 0
  let deepest: Drawdown | null = null
  let longestBars = 0
  const close = (recovered: number | null, end: number) => {
    if (trough === peak) return
    const depth = 1 - (equity[trough] as number) / (equity[peak] as number)
    if (deepest === null || depth > deepest.depth) deepest = { depth, peak, trough, recovered }
    longestBars = Math.max(longestBars, end - peak)
  }
  for (let i = 1; i < equity.length; i++) {
    const value = equity[i] as number
    if (value >= (equity[peak] as number)) {
      close(i, i)
      peak = i
      trough = i
    } else if (value < (equity[trough] as number)) trough = i
  }
  close(null, equity.length - 1)
  return { deepest, longestBars }
}
