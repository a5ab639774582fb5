/**
 * Tabular Q-learning in the trading environment, as pure parts: the state is a handful of bins of three features and the
 * position; the reward is the change of log wealth after costs, in units of the bar's volatility, so that instruments of
 * different volatility share one table. The score of a bar is what buying is worth more than selling there, flat.
 *
 * What can go wrong: bars that no account can be counted over give no course.
 * Invariant: nothing from the split on is trained on.
 */
import { Either } from "effect"
import { discretise, marketStates } from "../../learning/QTableOpinion.ts"
import * as QLearning from "../../learning/rl/QLearning.ts"
import type { Steps } from "../../learning/steps.ts"
import type { Costs } from "../../market/Costs.ts"
import { fineContract, type Course as MarketCourse, prepareCourse } from "../../market/environment/Course.ts"
import {
  actionCount,
  buy,
  makeTradingEnvironments,
  sell,
  type TradingOptions
} from "../../market/environment/TradingEnvironments.ts"
import { featuresAt, windowCloses } from "../../market/Features.ts"
import type { Instrument } from "../../protocols/Instrument.ts"
import type { FeatureSchema } from "../../protocols/Model.ts"
import type { Settings } from "../Settings.ts"

/** Of the baseline features with one lag, those that make the state, and where their bins begin. */
const stateFeatures = [
  { name: "ret_1", at: 0, thresholds: [-1, -0.25, 0.25, 1] },
  { name: "mom_8", at: 2, thresholds: [-1, -0.3, 0.3, 1] },
  { name: "vol_ratio", at: 5, thresholds: [0] }
] as const
/** Features of one lag: ret_1, four momenta, vol_ratio. */
const sourceColumns = 6
const lags = 1
export const tableThresholds = stateFeatures.map((feature) => feature.thresholds)
export const tableFeatures: FeatureSchema = { version: 1, names: stateFeatures.map(({ name }) => name) }
/** Short, flat or long; flat is the middle one. */
export const tablePositions = { count: 3, flat: 1 } as const
const states = marketStates(tableThresholds) * tablePositions.count
/** The row of the table for a state of the market and a position of that sign. */
const stateOf = (marketState: number, position: number): number =>
  Math.max(marketState, 0) * tablePositions.count + tablePositions.flat + Math.sign(position)

/** What is done between two chances for others to run: under a millisecond, since a round waits for many of them. */
const sliceSteps = 2_000
export const sliceBars = 500
const purpose = "reinforcement-learning"
const environmentOptions: Omit<TradingOptions, "actions"> = {
  environments: 1,
  reward: { kind: "log-wealth" },
  rewardScale: 1,
  cash: 1_000_000,
  ruinShare: 0.01,
  episodeSteps: null,
  starts: "first",
  key: []
}

/** The bars of one instrument, as far as the table looks at them. */
export interface TableBars {
  readonly openTimes: ArrayLike<number>
  readonly asOfs: ArrayLike<number>
  readonly opens: ArrayLike<number>
  readonly closes: ArrayLike<number>
  readonly closeOnly: boolean
}

/** One instrument's bars, made ready. */
export interface TableCourse {
  /** Those that are trained on. */
  readonly market: MarketCourse
  /** Market state at each bar; -1 where there is none. */
  readonly marketState: Int32Array
  /** Standard deviation of one bar's log return at each bar. */
  readonly sigma: Float64Array
  readonly bars: TableBars
  /** First bar with a state. */
  readonly start: number
  /** First bar that is not trained on. */
  readonly split: number
}

/** The first bar that has a state. */
export const firstTableBar = windowCloses - 1

/** Fills in the features of a state at the last of some closes; the deviation of one bar, or 0 where nothing moves. */
export const makeTableFeatures = () => {
  const source = new Float64Array(sourceColumns)
  return (closes: ArrayLike<number>, end: number, out: Float64Array): number => {
    const sigma = featuresAt(closes, end, lags, source)
    stateFeatures.forEach(({ at }, i) => {
      out[i] = source[at] as number
    })
    return sigma
  }
}
/** The bars up to the split as a course without features: the table's state is read beside it. */
const marketCourse = (
  { closeOnly, closes, opens, openTimes }: TableBars,
  split: number,
  kind: Instrument["kind"],
  costs: Costs
) => {
  const column = (values: ArrayLike<number>) =>
    Float64Array.from({ length: split }, (_, bar) => values[bar] as number)
  const [open, close] = [column(opens), column(closes)]
  const lowest = close.reduce((least, price) => Math.min(least, price))
  const highest = close.reduce((most, price) => Math.max(most, price))
  return prepareCourse({
    bars: {
      openTime: column(openTimes),
      open,
      close,
      volume: null,
      closeOnly
    },
    features: { names: [], values: new Float32Array(0), first: firstTableBar },
    instrument: { kind, ...fineContract({ lowest, highest }, environmentOptions.cash) },
    costs
  })
}

/** Undefined where no account can be counted over the bars. */
export function* tableCourse(
  kind: Instrument["kind"],
  bars: TableBars,
  split: number,
  costs: Costs
): Steps<TableCourse | undefined> {
  const { length } = bars.closes
  const marketState = new Int32Array(length).fill(-1)
  const sigma = new Float64Array(length)
  const fill = makeTableFeatures()
  const picked = new Float64Array(stateFeatures.length)
  for (let bar = firstTableBar; bar < length; bar++) {
    if (bar % sliceBars === 0) yield
    const moved = fill(bars.closes, bar, picked)
    if (!(moved > 0)) continue
    sigma[bar] = moved
    marketState[bar] = discretise(tableThresholds, picked)
  }
  yield
  const market = marketCourse(bars, split, kind, costs)
  return Either.isLeft(market)
    ? undefined
    : { market: market.right, marketState, sigma, bars, start: firstTableBar, split }
}

/** The courses one after the other, an episode each, as one environment. */
const asEnvironment = (courses: ReadonlyArray<TableCourse>, shorting: boolean): QLearning.Environment => {
  const environment = Either.getOrThrow(
    makeTradingEnvironments(
      courses.map(({ market }) => market),
      { ...environmentOptions, actions: { kind: "discrete", shorting } }
    )
  )
  const { finalObservations, observations, rewards, terminated, truncated } = environment
  const actions = new Int32Array(1)
  let next = 0
  let course = courses[0] as TableCourse
  let bar = course.start
  const transition = { state: 0, reward: 0, terminated: false, truncated: false }
  return {
    // The environment has begun the next episode by itself.
    reset: () => {
      course = courses[next % courses.length] as TableCourse
      next++
      bar = course.start
      return stateOf(course.marketState[bar] as number, 0)
    },
    step: (action) => {
      // The volatility known when the action is chosen.
      const sigma = course.sigma[bar] as number
      actions[0] = action
      environment.step(actions)
      bar++
      transition.terminated = terminated[0] === 1
      transition.truncated = truncated[0] === 1
      const [exposure] = transition.terminated || transition.truncated ? finalObservations : observations
      transition.state = stateOf(course.marketState[bar] as number, exposure as number)
      transition.reward = sigma > 0 ? (rewards[0] as number) / sigma : 0
      return transition
    }
  }
}

/** The table that is learned from the courses up to their splits, at least one. */
export function* trainTable(
  courses: ReadonlyArray<TableCourse>,
  { orchestrator, reinforcementLearning: rl, run }: Settings,
  asOf: number
): Steps<Float64Array> {
  const training = QLearning.make(asEnvironment(courses, orchestrator.allowShort), {
    states,
    actions: actionCount,
    learningRate: rl.learningRate,
    discount: rl.discountFactor,
    epsilonStart: rl.epsilonStart,
    epsilonMin: rl.epsilonMin,
    // Per episode of all courses, however many there are.
    epsilonDecay: rl.epsilonDecay ** (1 / courses.length),
    episodes: rl.episodes * courses.length,
    key: [run.seed, purpose, "all", asOf]
  })
  while (!training.run(sliceSteps).done) yield
  return training.q
}

/** What buying is worth more than selling at a bar, flat; undefined where there is no state. */
export const tableScore = (
  { marketState }: TableCourse,
  q: Float64Array,
  bar: number
): number | undefined => {
  const state = marketState[bar] as number
  if (state < 0) return undefined
  const row = stateOf(state, 0) * actionCount
  return (q[row + buy] as number) - (q[row + sell] as number)
}
