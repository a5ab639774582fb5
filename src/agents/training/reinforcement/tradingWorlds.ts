/**
 * Simulated worlds to trade in of which it is known what there is to be had:
 *
 * - `signal`: a signal that is seen tells the next return, trading costs more than a step is worth, and the best policy
 *   follows from dynamic programming (`SignalOptimum`);
 * - `oracle`: no edge, but the next return from fill to fill is seen; the best is what hindsight would have done;
 * - `last`: the same, but it is the last return that is seen, which is worth nothing;
 * - `no-edge`: the same with the features that networks see of a bar, which are worth nothing either.
 *
 * Courses are simulated anew for every key: what is learned on and what is judged by have nothing in common but the world.
 *
 * What can go wrong: nothing that depends on data. A world that is refused, or an episode that is cut off before its last
 * step, is a mistake in this file and a defect. An account that is ruined, as a short one is where the price doubles, ends
 * there with the growth of falling to `ruinShare`; of what it traded in that step nothing is known.
 */
import { Either } from "effect"
import type { Act } from "../../../learning/rl/acting.ts"
import type { Steps } from "../../../learning/steps.ts"
import type { BarColumns } from "../../../market/BarSeries.ts"
import type { Costs } from "../../../market/Costs.ts"
import { type Course, type CourseFeatures, prepareCourse } from "../../../market/environment/Course.ts"
import { hindsightPolicy, lastFeature, oracleFeature } from "../../../market/environment/hindsight.ts"
import { signalOptimum } from "../../../market/environment/SignalOptimum.ts"
import { costlySignal, signalCourse } from "../../../market/environment/SignalWorld.ts"
import {
  noVariation,
  type SimulatedCourse,
  simulatedCourses
} from "../../../market/environment/simulatedCourses.ts"
import {
  makeTradingEnvironments,
  type TradingEnvironments,
  type TradingOptions
} from "../../../market/environment/TradingEnvironments.ts"
import { valueOf } from "../../../market/execution/Pricing.ts"
import { fitFeatureScaling, scaleMatrix } from "../../../market/features/FeatureScaling.ts"
import { type SequenceFeatures, sequenceFeatures } from "../../../market/SequenceFeatures.ts"
import { worlds } from "../../../market/worlds.ts"
import { TimeFrame } from "../../../protocols/TimeFrame.ts"
import type { VectorEnvironment } from "../../../protocols/VectorEnvironment.ts"
import type { Figures, Key, RlEnvironment } from "./RlEnvironment.ts"

/** Growth of log wealth, in basis points a step. */
export const growthFigure = "growth, bp a step"
/** What is traded, as a share of what turning the whole position round at every step would trade. */
export const turnoverFigure = "turnover, % of always"
/** Growth as a share of that of the best policy. */
export const shareFigure = "share of the best, %"

/** Of every episode that is learned from; it begins anywhere on its course. */
const learnedSteps = 100
/** Courses that are learned on are no more, and each has so many bars with features. */
const learnedCoursesMax = 100
const learnedBars = 1_000

/** An account that has lost all but this share is ruined. */
const ruinShare = 0.01

/** What a course has beyond the steps of a judged episode: the environment would begin anew at its end. */
const barsBeyond = 2

interface Worth {
  readonly courses: ReadonlyArray<Course>
  /** Growth of the best policy over a judged episode of each of the courses; null where that is nothing or not known. */
  readonly best: number | null
}

interface TradingWorld {
  /** Of every episode that is judged. */
  readonly judgedSteps: number
  readonly shorting: boolean
  /** Rewards are growth times this: networks learn numbers about 1. */
  readonly rewardScale: number
  readonly courses: (count: number, bars: number, key: Key) => Steps<Worth>
}

const environmentOn = (
  courses: ReadonlyArray<Course>,
  shorting: boolean,
  options: Pick<TradingOptions, "environments" | "episodeSteps" | "key" | "rewardScale" | "starts">
): TradingEnvironments =>
  Either.getOrThrow(
    makeTradingEnvironments(courses, {
      ...options,
      actions: { kind: "discrete", shorting },
      reward: { kind: "log-wealth" },
      cash: 100_000,
      ruinShare
    })
  )

/** Of every row what was traded in the last step, as a share of its equity; `before` are the lots from before it. */
const tradedShare = (
  { accounts, bars, courseIndices, courses }: TradingEnvironments,
  row: number,
  before: number
) => {
  const { markTicks, perTickLot } = courses[courseIndices[row] as number] as Course
  const change = Math.abs((accounts.lots[row] as number) - before)
  return (
    valueOf(perTickLot, change, markTicks[bars[row] as number] as number) / (accounts.equity[row] as number)
  )
}

function* judge(world: TradingWorld, act: Act, rows: number, key: Key): Steps<Figures> {
  const { judgedSteps, shorting } = world
  const { best, courses } = yield* world.courses(rows, judgedSteps + barsBeyond, key)
  const environment = environmentOn(courses, shorting, {
    environments: rows,
    rewardScale: 1,
    episodeSteps: null,
    starts: "first",
    key
  })
  const { accounts, observations, rewards, terminated, truncated } = environment
  const actions = new Int32Array(rows)
  const before = new Float64Array(rows)
  const isRuined = new Uint8Array(rows)
  let growth = 0
  let traded = 0
  for (let step = 0; step < judgedSteps; step++) {
    yield
    before.set(accounts.lots)
    act(observations, actions)
    environment.step(actions)
    if (truncated.includes(1)) {
      throw new RangeError(`an episode was cut off after ${step + 1} steps of ${judgedSteps}`)
    }
    for (let row = 0; row < rows; row++) {
      // The row has begun anew, on a course that belongs to another.
      if (isRuined[row] === 1) continue
      growth += rewards[row] as number
      if (terminated[row] === 1) isRuined[row] = 1
      else traded += tradedShare(environment, row, before[row] as number)
    }
  }
  const steps = rows * judgedSteps
  const always = shorting ? 2 : 1
  return {
    ...(best === null ? {} : { [shareFigure]: (100 * growth) / best }),
    [growthFigure]: (1e4 * growth) / steps,
    [turnoverFigure]: (100 * traded) / (always * steps)
  }
}

const environmentOf = (world: TradingWorld): RlEnvironment => ({
  *make(rows, steps, key): Steps<VectorEnvironment> {
    // No more is simulated than can be gone through.
    const count = Math.min(learnedCoursesMax, Math.ceil(steps / learnedBars))
    const { courses } = yield* world.courses(count, learnedBars, key)
    return environmentOn(courses, world.shorting, {
      environments: rows,
      rewardScale: world.rewardScale,
      episodeSteps: learnedSteps,
      starts: "random",
      key
    })
  },
  judge: (act, rows, key) => judge(world, act, rows, key)
})

const signalSteps = 1_000

const signal: TradingWorld = {
  judgedSteps: signalSteps,
  shorting: true,
  rewardScale: 1 / costlySignal.noise,
  *courses(count, bars, key) {
    const courses: Array<Course> = []
    for (let i = 0; i < count; i++) {
      yield
      courses.push(Either.getOrThrow(signalCourse(costlySignal, { bars, key: [...key, "course", i] })))
    }
    // In the long run, over as many steps as are judged: what chance gave or took is in the growth alone.
    return { courses, best: signalOptimum(costlySignal).growth * count * signalSteps }
  }
}

/** 5 basis points each way, as in the world of the signal. */
const costs: Costs = costlySignal.costs
/** Of a bar, about that of the efficient world in the long run. */
const usualVolatility = 0.01
const featureVersion = 1

interface Seen {
  readonly features: SequenceFeatures
  /** What is seen of a course: these features, or others in their place. */
  readonly of: (course: SimulatedCourse) => CourseFeatures
  /** Whether it is known what the best would have come to. */
  readonly isOracle: boolean
}

function* simulated(
  count: number,
  bars: number,
  features: SequenceFeatures,
  key: Key
): Steps<ReadonlyArray<SimulatedCourse>> {
  const steps = simulatedCourses({
    world: worlds.efficient,
    costs,
    variation: noVariation,
    worlds: count,
    instrumentsPerWorld: 1,
    bars: features.lookBack + bars,
    timeFrame: TimeFrame.make("1h"),
    startTime: 0,
    features,
    key
  })
  return yield* Either.getOrThrow(steps)
}

const rawOf = ({ first, names, values }: CourseFeatures) => ({
  range: { from: first, to: values.length / names.length },
  raw: { schema: { version: featureVersion, names }, names, matrix: values }
})

/** Fewer than of the signal: simulating takes longer. */
const efficientSteps = 500
/** The scaling is fitted on a course of its own, the same whatever is learned or judged. */
const scalingBars = 5_000

const efficient = (shorting: boolean, { features, isOracle, of }: Seen): TradingWorld => ({
  judgedSteps: efficientSteps,
  shorting,
  rewardScale: 1 / usualVolatility,
  *courses(count, bars, key) {
    const fitted = yield* simulated(1, scalingBars, features, ["scaling"])
    const { range, raw } = rawOf(of(fitted[0] as SimulatedCourse))
    const scaling = fitFeatureScaling(raw, range)
    const courses: Array<Course> = []
    let best = 0
    for (const one of yield* simulated(count, bars, features, key)) {
      yield
      const seen = of(one)
      const first = Math.max(seen.first, one.features.first)
      const values = scaleMatrix(rawOf(seen).raw, scaling)
      const prepared = prepareCourse({ ...one, features: { names: seen.names, values, first } })
      courses.push(Either.getOrThrow(prepared))
      if (isOracle) best += bestOf(one.bars, first, shorting)
    }
    return { courses, best: isOracle ? best : null }
  }
})

/** Of an episode of the judging that begins at a bar: it ends at the close of the last one here. */
const bestOf = ({ close, closeOnly, open }: BarColumns, first: number, shorting: boolean): number => {
  const part = (column: Float64Array) => column.subarray(first, first + efficientSteps + 1)
  return hindsightPolicy({ open: part(open), close: part(close), closeOnly }, { costs, shorting }).growth
}

const { bars, returns } = sequenceFeatures
const oracle: Seen = { features: returns, of: (one) => oracleFeature(one.bars), isOracle: true }
const last: Seen = { features: returns, of: (one) => lastFeature(one.bars), isOracle: false }
const none: Seen = { features: bars, of: (one) => one.features, isOracle: false }

export const tradingWorlds = {
  signal: environmentOf(signal),
  oracle: environmentOf(efficient(false, oracle)),
  last: environmentOf(efficient(false, last)),
  "no-edge": environmentOf(efficient(true, none))
} as const satisfies Readonly<Record<string, RlEnvironment>>
