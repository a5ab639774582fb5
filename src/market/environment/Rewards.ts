/**
 * What a step is worth to a learner. The reward is
 *
 *   growth + shaping,  growth = log(equity after / equity before)
 *
 * at the marks, and the shaping is told apart, so that what was earned can be read off whatever was learned from.
 *
 * - `log-wealth`: no shaping.
 * - `differential-sharpe`: the reward is the differential Sharpe ratio D (Moody and Saffell, Learning to Trade via Direct
 *   Reinforcement, IEEE Transactions on Neural Networks 12, 2001, section II C; first in Reinforcement Learning for
 *   Trading, NIPS 1998). With R the simple return of the step, and A and B running means of R and R^2 at the rate eta:
 *     D = (B dA - A dB / 2) / (B - A^2)^(3/2),  dA = R - A,  dB = R^2 - B,  A += eta dA,  B += eta dB
 *   D is the derivative of the running Sharpe ratio by eta: adding it up, eta at a time, gives that ratio. The variance
 *   is taken to be at least `varianceMin`, since it vanishes while an account does nothing.
 * - `drawdown-penalised`: growth - lambda max(0, d' - d), with d the share of the highest equity of the episode that has
 *   been lost since (Chekhlov, Uryasev and Zabarankin, Drawdown Measure in Portfolio Optimization, 2005).
 */

export type RewardSpec =
  | { readonly kind: "log-wealth" }
  | {
      readonly kind: "differential-sharpe"
      /** In (0, 1): one over the steps that the running means look back. */
      readonly eta: number
    }
  | {
      readonly kind: "drawdown-penalised"
      /** What a loss of the whole equity from its height costs, in log wealth; not negative. */
      readonly lambda: number
    }

/** Of one step's return: a deviation of one basis point. */
export const varianceMin = 1e-8

/** What `Rewards` reads of the accounts. */
export interface Marked {
  /** Equity at the mark before this one, and at this one; micro-quote. */
  readonly previous: Float64Array
  readonly equity: Float64Array
}

export interface RewardOptions {
  readonly reward: RewardSpec
  /** Rewards and shaping are multiplied by it. */
  readonly scale: number
  /** An equity below this counts as this; micro-quote, positive. */
  readonly floorMicro: number
}

/** The rewards of many rows. Methods take rows, not numbers, as those of `Accounts` do. */
export class Rewards {
  readonly rewards: Float64Array
  readonly shaping: Float64Array
  /** Change of the equity, micro-quote: not scaled, and not floored. */
  readonly profitMicro: Float64Array
  /** Running means of the return and of its square; or the highest equity, in the first. */
  private readonly first: Float64Array
  private readonly second: Float64Array

  constructor(
    rows: number,
    private readonly options: RewardOptions
  ) {
    this.rewards = new Float64Array(rows)
    this.shaping = new Float64Array(rows)
    this.profitMicro = new Float64Array(rows)
    this.first = new Float64Array(rows)
    this.second = new Float64Array(rows)
  }

  /** An episode of a row begins with its equity. */
  begin(row: number, { equity }: Marked): void {
    this.first[row] = this.options.reward.kind === "drawdown-penalised" ? (equity[row] as number) : 0
    this.second[row] = 0
  }

  /** The reward of a step; once a step. */
  settle(row: number, { equity, previous }: Marked): void {
    const { floorMicro, reward, scale } = this.options
    const before = previous[row] as number
    const now = equity[row] as number
    const after = Math.max(now, floorMicro)
    const growth = Math.log(after / before)
    let shaping = 0
    if (reward.kind === "differential-sharpe") {
      const gained = after / before - 1
      const mean = this.first[row] as number
      const square = this.second[row] as number
      const meanChange = gained - mean
      const squareChange = gained * gained - square
      this.first[row] = mean + reward.eta * meanChange
      this.second[row] = square + reward.eta * squareChange
      const variance = Math.max(square - mean * mean, varianceMin)
      shaping = (square * meanChange - 0.5 * mean * squareChange) / (variance * Math.sqrt(variance)) - growth
    } else if (reward.kind === "drawdown-penalised") {
      const highest = this.first[row] as number
      // What rises takes away from the drawdown, or ends it at a new height.
      if (after > highest) this.first[row] = after
      else if (after < before) shaping = (-reward.lambda * (before - after)) / highest
    }
    this.profitMicro[row] = now - before
    this.shaping[row] = scale * shaping
    this.rewards[row] = scale * (growth + shaping)
  }
}

/** Why this is no reward, or undefined. */
export const whyRewardNot = (reward: RewardSpec): string | undefined => {
  if (reward.kind === "differential-sharpe" && !(reward.eta > 0 && reward.eta < 1)) {
    return `eta is ${reward.eta}, not between 0 and 1`
  }
  if (reward.kind === "drawdown-penalised" && !(reward.lambda >= 0 && Number.isFinite(reward.lambda))) {
    return `lambda is ${reward.lambda}, not a number from 0 on`
  }
  return undefined
}
