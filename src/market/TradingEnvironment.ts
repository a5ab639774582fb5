/**
 * One instrument as an environment for reinforcement learning, in the words of Gymnasium (Towers et al.
 * 2024): `reset`, `step`, observation, reward, terminated, truncated.
 *
 * At index t bar t has closed, and the action chosen there is filled at the open of bar t + 1 (a close-only
 * series has one price a bar, its close, and fills there). The reward of the step is the change of log wealth
 * from just before that fill to the price of the fill after it, at bar t + 2: what the action cost and what
 * the position then earned. An episode over the bars [start, end) uses no price outside them, so that an
 * agent may learn from the bars closed by an as-of and from nothing else.
 *
 * A position of +1 or -1 is entered with the whole wealth as notional, and then held in units: it is not
 * rebalanced, and costs are paid exactly when the position changes, on what is traded. With e the notional
 * held as a share of wealth, c the one-way cost, s = +1 for buying and -1 for selling, a change to `target`
 * takes wealth W to W' = W (1 + s c e) / (1 + s c target): traded is |target W' - e W|, and W - W' = c times
 * that. The open position is marked, not closed, at the end of an episode.
 *
 * What can go wrong: a short position can lose more than there is. Wealth then stays at a floor of one
 * millionth for the step, and the episode is terminated.
 *
 * `step` allocates nothing: the result is one object that is written anew, to be read before the next step.
 */
import { type Costs, oneWay } from "./Costs.ts"

/** What an agent can do; the numbers are the columns of a table of Q-values. */
export const sell = 0
export const hold = 1
export const buy = 2
export const actionCount = 3
export type Action = typeof sell | typeof hold | typeof buy

/** Short, flat or long. */
export const positionCount = 3
export type Position = -1 | 0 | 1

export interface StepResult {
  /** The last closed bar. */
  readonly index: number
  readonly position: Position
  /** Change of log wealth, after costs; 0 at a reset. */
  readonly reward: number
  /** All is lost: there is nothing after this. */
  readonly terminated: boolean
  /** The bars end here; the value of what would follow is not zero. */
  readonly truncated: boolean
}

export interface EnvironmentColumns {
  readonly open: Float64Array
  readonly close: Float64Array
  readonly closeOnly: boolean
}

export interface EnvironmentOptions {
  readonly costs: Costs
  /** Without it `sell` goes flat. */
  readonly shorting: boolean
}

/** Least growth of wealth in one step; below it the episode is terminated. */
export const growthFloor = 1e-6
/** A step needs the bar it is at, the bar of the fill and the bar of the next one. */
export const barsPerEpisodeMin = 3

/** The row of a table of Q-values: the state of the market, and the position as part of the observation. */
export const observationOf = (marketState: number, position: Position): number =>
  marketState * positionCount + position + 1

export class TradingEnvironment {
  private readonly fillPrice: Float64Array
  private readonly cost: number
  private readonly sellTarget: Position
  private end = 0
  private ended = true
  /** Notional held as a share of wealth, at the price of the last fill that was passed. */
  private exposure = 0
  private readonly result: { -readonly [key in keyof StepResult]: StepResult[key] } = {
    index: 0,
    position: 0,
    reward: 0,
    terminated: false,
    truncated: false
  }

  constructor(columns: EnvironmentColumns, options: EnvironmentOptions) {
    this.fillPrice = columns.closeOnly ? columns.close : columns.open
    this.cost = oneWay(options.costs)
    this.sellTarget = options.shorting ? -1 : 0
  }

  /** Begins an episode over the bars [start, end), flat, at bar `start`. */
  reset(start: number, end: number): StepResult {
    if (!(start >= 0 && end <= this.fillPrice.length && end - start >= barsPerEpisodeMin)) {
      throw new RangeError(
        `an episode over the bars ${start} to ${end} of ${this.fillPrice.length} needs at least ${barsPerEpisodeMin} of them`
      )
    }
    this.end = end
    this.ended = false
    this.exposure = 0
    const { result } = this
    result.index = start
    result.position = 0
    result.reward = 0
    result.terminated = false
    result.truncated = false
    return result
  }

  step(action: Action): StepResult {
    if (this.ended) throw new Error("the episode has ended: reset the environment before the next step")
    const { result, fillPrice } = this
    const position = result.position
    const target = action === hold ? position : action === buy ? 1 : this.sellTarget
    let growth = 1
    if (target !== position) {
      const sign = target > position ? 1 : -1
      growth = (1 + sign * this.cost * this.exposure) / (1 + sign * this.cost * target)
      this.exposure = target
    }
    const index = result.index + 1
    const priceRatio = (fillPrice[index + 1] as number) / (fillPrice[index] as number)
    const marked = 1 + this.exposure * (priceRatio - 1)
    growth *= marked
    this.exposure = (this.exposure * priceRatio) / marked
    const ruined = !(growth > growthFloor)
    result.index = index
    result.position = target
    result.reward = Math.log(ruined ? growthFloor : growth)
    result.terminated = ruined
    result.truncated = !ruined && index + 2 >= this.end
    this.ended = ruined || result.truncated
    return result
  }
}
