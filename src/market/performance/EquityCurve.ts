/**
 * An equity curve: what an account was worth at the closes of bars, and what each bar made of it.
 *
 * An account that is worth nothing or less is ruined: the curve ends there, for returns on nothing are none.
 *
 * What can go wrong: a curve that no account has had (nothing in it, nothing to begin with, times that do not rise, a
 * number that is not finite or beyond any money) is thrown as RangeError.
 * Invariant: the returns of a curve, one after the other, lead from its first equity to its last.
 */

export interface EquityCurve {
  /** Epoch milliseconds, rising. */
  readonly time: Float64Array
  /** In quote units, at these times; the first is what there was before the first bar that counts. */
  readonly equity: Float64Array
}

/** In quote units: beyond it is no money, and what is not above its inverse is nothing. */
export const equityMax = 1e50

export const isRuin = (equity: number): boolean => !(equity > 1 / equityMax)

export const checkEquity = (equity: Float64Array): void => {
  if (isRuin(equity[0] ?? 0)) {
    throw new RangeError(`an equity curve begins with ${equity[0] ?? "nothing"}`)
  }
  const wrong = equity.findIndex((value) => !(Math.abs(value) <= equityMax))
  if (wrong >= 0) throw new RangeError(`the equity of point ${wrong} is ${equity[wrong]}`)
}

export const checkCurve = ({ time, equity }: EquityCurve): void => {
  if (time.length !== equity.length) {
    throw new RangeError(`an equity curve has ${time.length} times and ${equity.length} points`)
  }
  checkEquity(equity)
  for (let i = 0; i < time.length; i++) {
    const rises = i === 0 || (time[i] as number) > (time[i - 1] as number)
    if (!(rises && Number.isFinite(time[i]))) {
      throw new RangeError(`time ${i} of an equity curve is ${time[i]}, after ${time[i - 1] ?? "nothing"}`)
    }
  }
}

/** The points up to the first that is ruin, that one included. */
export const livedPoints = (equity: Float64Array): Float64Array => {
  const ruin = equity.findIndex(isRuin)
  return ruin < 0 ? equity : equity.subarray(0, ruin + 1)
}

/** Simple returns from point to point: one fewer than there are points. */
export const returnsOf = (equity: Float64Array): Float64Array => {
  const returns = new Float64Array(Math.max(0, equity.length - 1))
  for (let i = 0; i < returns.length; i++) {
    returns[i] = (equity[i + 1] as number) / (equity[i] as number) - 1
  }
  return returns
}
