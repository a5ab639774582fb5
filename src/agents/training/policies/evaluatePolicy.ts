/**
 * What a policy would have come to by itself on bars that it never learned from: an account of its own in the trading
 * environment, begun flat at the first as-of that was held out, always acting as it thinks best. The same actions are gone
 * through again without costs and with twice as many; beside it stand an account that buys and holds, and one that stays flat.
 *
 * What can go wrong: an instrument that it did not learn of, too few later bars, bars that no account can be counted over: the
 * left says so, as the end of a sentence.
 * Invariant: equal bars and versions give equal evaluations.
 */
import { Either } from "effect"
import type { Act } from "../../../learning/rl/acting.ts"
import type { Steps } from "../../../learning/steps.ts"
import { closeTimeAt } from "../../../market/BarSeries.ts"
import type { Costs } from "../../../market/Costs.ts"
import { type Course, prepareCourse } from "../../../market/environment/Course.ts"
import { buy, makeTradingEnvironments } from "../../../market/environment/TradingEnvironments.ts"
import { toQuote } from "../../../market/execution/Money.ts"
import { consideration } from "../../../market/execution/Pricing.ts"
import { type FeatureMatrix, featureMatrix } from "../../../market/features/FeatureMatrix.ts"
import { scaleMatrix } from "../../../market/features/FeatureScaling.ts"
import type { Estimate, Performance } from "../../../protocols/Performance.ts"
import type { PolicyEvaluation } from "../../../protocols/Strategy.ts"
import { describePerformance } from "../../backtest/performanceReport.ts"
import { actOf } from "./PolicyActor.ts"
import type { Panel } from "./PolicyData.ts"
import { policyAccount } from "./PolicyEnvironment.ts"
import type { TrainedPolicy } from "./TrainedPolicy.ts"

/** Fewer later bars say nothing. */
export const evaluatedBarsMin = 20
const sliceSteps = 500

/** What an account went through. */
interface AccountCourse {
  /** In quote units: what it began with, then at the close of each bar. */
  readonly equity: Float64Array
  /** Signed share of the equity that was held over each bar. */
  readonly exposure: Float64Array
  readonly actions: Int32Array
  /** Value bought and sold, in quote units. */
  readonly traded: number
  /** Of positions that were closed, after costs; micro-quote. */
  readonly profits: ReadonlyArray<number>
}

/** Chooses the action of a step. */
type Choose = (step: number, observations: Float32Array, actions: Int32Array) => void

/** Goes over a course up to the bar before its last, where the environment would begin anew. */
function* accountOver(course: Course, shorting: boolean, choose: Choose): Steps<AccountCourse> {
  const environment = Either.getOrThrow(
    makeTradingEnvironments([course], {
      ...policyAccount(shorting),
      environments: 1,
      rewardScale: 1,
      episodeSteps: null,
      starts: "first",
      key: []
    })
  )
  const { accounts, observations } = environment
  const steps = course.bars - course.first - 2
  const heldAt = course.featureNames.length
  const equity = new Float64Array(steps + 1).fill(toQuote(accounts.equity[0] as number))
  const exposure = new Float64Array(steps)
  const actions = new Int32Array(steps)
  const profits: Array<number> = []
  const action = new Int32Array(1)
  /** What the open position has brought in and cost so far. */
  let flow = 0
  let tradedMicro = 0
  for (let step = 0; step < steps; step++) {
    if (step % sliceSteps === 0) yield
    choose(step, observations, action)
    const before = { cash: accounts.cash[0] as number, lots: accounts.lots[0] as number }
    environment.step(action)
    actions[step] = action[0] as number
    if (environment.terminated[0] === 1 || environment.truncated[0] === 1) {
      // Ruined, or grown beyond counting: what is left is left lying.
      equity.fill(toQuote(environment.finalEquityMicro[0] as number), step + 1)
      break
    }
    equity[step + 1] = toQuote(accounts.equity[0] as number)
    exposure[step] = observations[heldAt] as number
    const paid = (accounts.cash[0] as number) - before.cash
    const change = (accounts.lots[0] as number) - before.lots
    const bar = course.first + step + 1
    if (change !== 0) {
      const ticks = (change > 0 ? course.buyTicks[bar] : course.sellTicks[bar]) as number
      tradedMicro += Math.abs(consideration(course.perTickLot, change, ticks))
    }
    // All of a position is closed at once, and the rest of the fill opens the next one.
    const closing = change !== 0 && before.lots !== 0 ? Math.abs(before.lots / change) : 0
    if (closing > 0) {
      profits.push(Math.round(flow + closing * paid))
      flow = (1 - closing) * paid
    } else flow += paid
  }
  return { equity, exposure, actions, traded: toQuote(tradedMicro), profits }
}

const times = (costs: Costs, by: number): Costs => ({
  ...costs,
  feeBps: by * costs.feeBps,
  halfSpreadBps: by * costs.halfSpreadBps,
  slippageBps: by * costs.slippageBps,
  ...(costs.fundingBps === undefined ? {} : { fundingBps: by * costs.fundingBps }),
  ...(costs.borrowBpsPerYear === undefined ? {} : { borrowBpsPerYear: by * costs.borrowBpsPerYear })
})

const logOf = ({ high, low, value }: Estimate): Estimate => {
  const log = (total: number | null) => (total === null || !(total > -1) ? null : Math.log1p(total))
  return { value: log(value), low: log(low), high: log(high) }
}

export interface EvaluationTask {
  readonly trained: TrainedPolicy
  /** Id of the one that is judged. */
  readonly instrument: string
  readonly series: Panel
  readonly seed: number
}

export type PolicyJudgement = Pick<
  PolicyEvaluation,
  "algorithm" | "instrument" | "timeFrame" | "learnedTo" | "logWealth" | "performance"
>

export function* evaluatePolicy({
  instrument,
  seed,
  series,
  trained
}: EvaluationTask): Steps<Either.Either<PolicyJudgement, string>> {
  const { algorithm, allowShort, costs, data, scaling, timeFrame } = trained
  const which = series.findIndex((one) => one.instrument.id === instrument)
  const own = series[which]
  if (own === undefined || !trained.instruments.some((id) => id === instrument)) {
    return Either.left(`it has learned of ${trained.instruments.join(", ")}, not of ${instrument}`)
  }
  const made = yield* featureMatrix(series)
  if (Either.isLeft(made)) return Either.left(made.left.message)
  const features = made.right[which] as FeatureMatrix
  let first = features.validFrom
  while (first < own.close.length && closeTimeAt(own, first) < data.heldOutFrom) first++
  if (own.close.length - first < evaluatedBarsMin) {
    const since = new Date(data.heldOutFrom).toISOString()
    return Either.left(
      `${Math.max(0, own.close.length - first)} bars are there since ${since}, up to when it had learned, and ${evaluatedBarsMin} are needed`
    )
  }
  const values = scaleMatrix(features, scaling)
  yield
  const courseAt = (multiple: number) =>
    prepareCourse({
      bars: own,
      features: { names: features.names, values, first },
      instrument: own.instrument,
      costs: times(costs, multiple)
    })
  const prepared = Either.all({ own: courseAt(1), free: courseAt(0), dear: courseAt(2) })
  if (Either.isLeft(prepared)) return Either.left(prepared.left.message)
  const courses = prepared.right
  const act: Act = actOf(trained)
  const policy = yield* accountOver(courses.own, allowShort, (_, observations, actions) =>
    act(observations, actions)
  )
  const again: Choose = (step, _, actions) => actions.fill(policy.actions[step] as number)
  const free = yield* accountOver(courses.free, allowShort, again)
  const dear = yield* accountOver(courses.dear, allowShort, again)
  const held = yield* accountOver(courses.own, allowShort, (_step, _observations, actions) =>
    actions.fill(buy)
  )
  const points = policy.equity.length
  const performance: Performance = yield* describePerformance(
    {
      curve: {
        time: Float64Array.from({ length: points }, (_, i) => closeTimeAt(own, first + i)),
        equity: policy.equity
      },
      timeFrame,
      calendar: own.instrument.calendar,
      exposure: policy.exposure,
      traded: policy.traded,
      tradeProfits: policy.profits,
      otherCosts: [
        { multiple: 0, equity: free.equity },
        { multiple: 2, equity: dear.equity }
      ],
      baselines: [
        { name: "buy and hold", equity: held.equity },
        { name: "flat", equity: new Float64Array(points).fill(policy.equity[0] as number) }
      ]
    },
    { key: [seed, "policy", algorithm, instrument, data.heldOutFrom] }
  )
  return Either.right({
    algorithm,
    instrument: own.instrument.id,
    timeFrame,
    learnedTo: data.knownTo,
    logWealth: logOf(performance.totalReturn),
    performance
  })
}
