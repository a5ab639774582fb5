/**
 * Trading, as many environments in step. At bar t of its course a row sees the features of that bar, its exposure and
 * its unrealised profit (shares of its equity), and chooses an exposure. What it lacks or has too much of is bought or
 * sold by a market order that fills in bar t + 1, with costs, or not at all; the row is then marked at the close of bar
 * t + 1 and stands there. The profit of the step is the change of its equity between the two marks, in whole millionths;
 * the reward is what `Rewards` makes of it, times `rewardScale`.
 *
 * Discrete actions are sell, hold and buy: hold, and a side that the row is on already, leave its lots as they are.
 * Else the whole equity is put on that side; without shorting a sale goes flat. A box action is the exposure itself, and
 * trades the difference at every step.
 *
 * An episode is terminated where the equity has fallen to `ruinShare` of what it began with. It is truncated at the last
 * bar of its course, after `episodeSteps`, and where the account has grown beyond exact counting (`accountMicroMax`). The
 * next one runs over the next course in turn; it begins at the first bar, or at one drawn from a stream keyed by (key,
 * row), one draw an episode.
 *
 * What can go wrong: an action outside the action space throws `ActionRefused` before any row has moved. At ruin the
 * equity can be below nothing; the reward is then the one of falling to the floor, `profitMicro` says the truth.
 * Invariants: nothing that a row sees at bar t depends on a later bar. Equal courses, options and actions give equal
 * arrays; `reset` goes back to the beginning, of the random streams too. `step` makes no objects, unless holding is
 * charged for.
 */
import { Either } from "effect"
import type {
  ActionSpace,
  Actions,
  ObservationSpace,
  VectorEnvironment
} from "../../protocols/VectorEnvironment.ts"
import { type KeyedRandom, keyedRandom } from "../../protocols/wire/KeyedRandom.ts"
import { toMicro } from "../execution/Money.ts"
import { Accounts, accountMicroMax, exposureMax } from "./Accounts.ts"
import { type Course, observationLimit } from "./Course.ts"
import { ActionRefused, EnvironmentRefused } from "./errors.ts"
import { type RewardSpec, Rewards, whyRewardNot } from "./Rewards.ts"

/** What a discrete action means. */
export const sell = 0
export const hold = 1
export const buy = 2
export const actionCount = 3

/** After the features of the bar. */
export const accountObservations = ["exposure", "unrealised"] as const

export type TradingActions =
  | { readonly kind: "discrete"; readonly shorting: boolean }
  /** Target exposures, shares of the equity. */
  | { readonly kind: "box"; readonly low: number; readonly high: number }

export interface TradingOptions {
  readonly environments: number
  readonly actions: TradingActions
  readonly reward: RewardSpec
  /** Rewards and shaping are multiplied by it: growth is a small number where bars are short. */
  readonly rewardScale: number
  /** What every episode begins with, in quote units. */
  readonly cash: number
  /** An account with this share of its cash or less is ruined. */
  readonly ruinShare: number
  /** Most steps of an episode; null: as many as the course has. */
  readonly episodeSteps: number | null
  /** Where an episode begins: at the first bar of its course, or anywhere that leaves room for it. */
  readonly starts: "first" | "random"
  /** Names the random streams. */
  readonly key: ReadonlyArray<string | number>
}

const environmentsMax = 65_536

const clipped = (value: number): number => Math.min(Math.max(value, -observationLimit), observationLimit)

class TradingEnvironments implements VectorEnvironment {
  readonly environments: number
  readonly observationSpace: ObservationSpace
  readonly actionSpace: ActionSpace
  readonly observations: Float32Array
  readonly rewards: Float64Array
  readonly terminated: Uint8Array
  readonly truncated: Uint8Array
  readonly finalObservations: Float32Array

  /** Change of the equity in the step, micro-quote: over an episode its end less its beginning, exactly. */
  readonly profitMicro: Float64Array
  /** What the rewards hold beside growth. */
  readonly shaping: Float64Array
  /** Equity on which the episode ended, micro-quote; of rows that did not end in this step unspecified. */
  readonly finalEquityMicro: Float64Array
  /** The bar that the row stands at: the last one closed. */
  readonly bars: Int32Array
  /** The course that the row is on. */
  readonly courseIndices: Int32Array
  readonly accounts: Accounts

  private readonly settlement: Rewards
  private readonly features: number
  private readonly cashMicro: number
  private readonly floorMicro: number
  private readonly sellTarget: number
  /** Steps left until the episode is cut off. */
  private readonly stepsLeft: Int32Array
  private readonly episodes: Int32Array
  private randoms: Array<KeyedRandom> = []

  constructor(
    readonly courses: ReadonlyArray<Course>,
    private readonly options: TradingOptions
  ) {
    const { actions, cash, environments, reward, rewardScale, ruinShare } = options
    this.environments = environments
    this.features = (courses[0] as Course).featureNames.length
    const size = this.features + accountObservations.length
    this.observationSpace = { size, low: -observationLimit, high: observationLimit }
    this.actionSpace =
      actions.kind === "discrete"
        ? { kind: "discrete", actions: actionCount }
        : // As the array that actions come in rounds them: the bounds themselves are actions.
          { kind: "box", size: 1, low: Math.fround(actions.low), high: Math.fround(actions.high) }
    this.sellTarget = actions.kind === "discrete" && actions.shorting ? -1 : 0
    this.cashMicro = toMicro(cash)
    this.floorMicro = Math.ceil(ruinShare * this.cashMicro)
    this.settlement = new Rewards(environments, {
      reward,
      scale: rewardScale,
      floorMicro: this.floorMicro
    })
    this.accounts = new Accounts(environments)
    this.observations = new Float32Array(environments * size)
    this.finalObservations = new Float32Array(environments * size)
    this.rewards = this.settlement.rewards
    this.profitMicro = this.settlement.profitMicro
    this.shaping = this.settlement.shaping
    this.finalEquityMicro = new Float64Array(environments)
    this.terminated = new Uint8Array(environments)
    this.truncated = new Uint8Array(environments)
    this.bars = new Int32Array(environments)
    this.courseIndices = new Int32Array(environments)
    this.stepsLeft = new Int32Array(environments)
    this.episodes = new Int32Array(environments)
    this.reset()
  }

  readonly reset = (): void => {
    this.rewards.fill(0)
    this.profitMicro.fill(0)
    this.shaping.fill(0)
    this.terminated.fill(0)
    this.truncated.fill(0)
    this.episodes.fill(0)
    const { key, starts } = this.options
    this.randoms =
      starts === "random"
        ? Array.from({ length: this.environments }, (_, row) => keyedRandom(...key, "episodes", row))
        : []
    for (let row = 0; row < this.environments; row++) this.begin(row)
  }

  readonly step = (actions: Actions): void => {
    if (this.actionSpace.kind === "discrete") {
      this.checkDiscrete(actions)
      for (let row = 0; row < this.environments; row++) this.orderSide(row, actions[row] as number)
    } else {
      this.checkBox(actions, this.actionSpace.low, this.actionSpace.high)
      for (let row = 0; row < this.environments; row++) this.orderExposure(row, actions[row] as number)
    }
    for (let row = 0; row < this.environments; row++) this.advance(row)
  }

  private checkDiscrete(actions: Actions): void {
    if (!(actions instanceof Int32Array) || actions.length !== this.environments) {
      throw new ActionRefused({ row: -1, reason: `an Int32Array of ${this.environments} is expected` })
    }
    for (let row = 0; row < actions.length; row++) {
      const action = actions[row] as number
      if (!(action >= 0 && action < actionCount)) {
        throw new ActionRefused({ row, reason: `it is ${action}, and there are ${actionCount}` })
      }
    }
  }

  private checkBox(actions: Actions, low: number, high: number): void {
    if (!(actions instanceof Float32Array) || actions.length !== this.environments) {
      throw new ActionRefused({ row: -1, reason: `a Float32Array of ${this.environments} is expected` })
    }
    for (let row = 0; row < actions.length; row++) {
      const action = actions[row] as number
      if (!(action >= low && action <= high)) {
        throw new ActionRefused({ row, reason: `the exposure ${action} is outside [${low}, ${high}]` })
      }
    }
  }

  private orderSide(row: number, action: number): void {
    const { accounts } = this
    const target = action === buy ? 1 : this.sellTarget
    if (action === hold || target === Math.sign(accounts.lots[row] as number)) accounts.orders[row] = 0
    else this.orderExposure(row, target)
  }

  private orderExposure(row: number, exposure: number): void {
    const course = this.courses[this.courseIndices[row] as number] as Course
    this.accounts.order(row, exposure, this.bars[row] as number, course)
  }

  /** Fills, goes on to the next bar and says what came of it. */
  private advance(row: number): void {
    const { accounts } = this
    const course = this.courses[this.courseIndices[row] as number] as Course
    const bar = (this.bars[row] as number) + 1
    accounts.hold(row, bar, course)
    accounts.fill(row, bar, course)
    accounts.mark(row, bar, course)
    this.settlement.settle(row, accounts)

    const equity = accounts.equity[row] as number
    const isRuined = equity <= this.floorMicro
    const left = (this.stepsLeft[row] as number) - 1
    const isOutgrown =
      equity > accountMicroMax || Math.abs(equity - (accounts.cash[row] as number)) > 2 * accountMicroMax
    const isCutOff = !isRuined && (left === 0 || isOutgrown)
    this.terminated[row] = isRuined ? 1 : 0
    this.truncated[row] = isCutOff ? 1 : 0
    if (isRuined || isCutOff) {
      this.observe(row, course, bar, this.finalObservations)
      this.finalEquityMicro[row] = equity
      this.begin(row)
    } else {
      this.bars[row] = bar
      this.stepsLeft[row] = left
      this.observe(row, course, bar, this.observations)
    }
  }

  /** The next episode of a row. */
  private begin(row: number): void {
    const { courses, environments, episodes } = this
    const episode = episodes[row] as number
    const index = (row + episode * environments) % courses.length
    const course = courses[index] as Course
    const room = course.bars - 1 - course.first
    const steps = Math.min(this.options.episodeSteps ?? room, room)
    // Without a length of its own an episode may begin at any bar that has another after it.
    const beginnings = this.options.episodeSteps === null ? room : room - steps + 1
    const start = course.first + (this.randoms[row]?.int(beginnings) ?? 0)
    this.episodes[row] = episode + 1
    this.courseIndices[row] = index
    this.bars[row] = start
    this.stepsLeft[row] = Math.min(steps, course.bars - 1 - start)
    this.accounts.open(row, this.cashMicro)
    this.settlement.begin(row, this.accounts)
    this.observe(row, course, start, this.observations)
  }

  private observe(row: number, course: Course, bar: number, out: Float32Array): void {
    const { accounts, features, floorMicro } = this
    let at = row * (features + accountObservations.length)
    const from = bar * features
    for (let i = 0; i < features; i++) out[at++] = course.features[from + i] as number
    const value = (accounts.equity[row] as number) - (accounts.cash[row] as number)
    const equity = Math.max(accounts.equity[row] as number, floorMicro)
    out[at++] = clipped(value / equity)
    out[at] = clipped(accounts.unrealised(row, bar, course) / equity)
  }
}

export type { TradingEnvironments }

const whyActionsNot = (actions: TradingActions): string | undefined => {
  if (actions.kind === "discrete") return undefined
  const { high, low } = actions
  return low >= -exposureMax && high <= exposureMax && low < high
    ? undefined
    : `exposures from ${low} to ${high} are no range within ${exposureMax} times the equity`
}

const whyOptionsNot = (options: TradingOptions): string | undefined => {
  const { cash, environments, episodeSteps, rewardScale, ruinShare } = options
  if (!(Number.isInteger(environments) && environments >= 1 && environments <= environmentsMax)) {
    return `there are to be ${environments} rows, where 1 to ${environmentsMax} can be`
  }
  if (!(toMicro(cash) >= 1 && toMicro(cash) <= accountMicroMax)) return `the cash of an account is ${cash}`
  if (!(ruinShare > 0 && ruinShare < 1)) return `the share that is ruin, ${ruinShare}, is not between 0 and 1`
  if (Math.ceil(ruinShare * toMicro(cash)) >= toMicro(cash)) return `the cash of an account is ${cash}`
  if (!(rewardScale > 0 && rewardScale < Number.POSITIVE_INFINITY))
    return `the reward scale is ${rewardScale}`
  if (episodeSteps !== null && !(Number.isInteger(episodeSteps) && episodeSteps >= 1)) {
    return `an episode of ${episodeSteps} steps is none`
  }
  return whyActionsNot(options.actions) ?? whyRewardNot(options.reward)
}

const whyCoursesNot = (courses: ReadonlyArray<Course>): string | undefined => {
  const names = courses[0]?.featureNames.join(", ")
  if (names === undefined) return "there is no course"
  const other = courses.find(({ featureNames }) => featureNames.join(", ") !== names)
  return other === undefined
    ? undefined
    : `one course has the features ${names}, another ${other.featureNames.join(", ")}`
}

export const makeTradingEnvironments = (
  courses: ReadonlyArray<Course>,
  options: TradingOptions
): Either.Either<TradingEnvironments, EnvironmentRefused> => {
  const reason = whyCoursesNot(courses) ?? whyOptionsNot(options)
  return reason === undefined
    ? Either.right(new TradingEnvironments(courses, options))
    : Either.left(new EnvironmentRefused({ reason }))
}
