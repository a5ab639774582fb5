/**
 * Courses of simulated worlds that differ (domain randomisation: Tobin et al., Domain Randomization for Transferring Deep
 * Neural Networks, 2017): volatility, correlation, momentum and costs of each world are drawn, uniformly and keyed, within
 * given ranges. They are made beforehand, so that a new episode is a step to the next course and nothing is simulated
 * while somebody learns. A range of one number is no variation: that is how the worlds come as they are.
 *
 * What can go wrong: ranges that are none, and worlds that cannot be simulated. Every world is drawn and checked before
 * the first bar is simulated, so that either all of it can be done or nothing is begun.
 * Invariant: world k is the same however many there are.
 */
import { Either } from "effect"
import type { Instrument } from "../../protocols/Instrument.ts"
import type { TimeFrame } from "../../protocols/TimeFrame.ts"
import { keyedRandom } from "../../protocols/wire/KeyedRandom.ts"
import { type BarColumns, ColumnsBuilder } from "../BarSeries.ts"
import type { Costs } from "../Costs.ts"
import type { SimulatorError } from "../errors.ts"
import type { SequenceFeatures } from "../SequenceFeatures.ts"
import { type Simulation, simulate } from "../Simulator.ts"
import type { World } from "../worlds.ts"
import { type CourseFeatures, courseBarsMin } from "./Course.ts"
import { courseFeatures } from "./courseFeatures.ts"
import { VariationRefused } from "./errors.ts"

/** What is drawn from: low <= high. */
export interface Range {
  readonly low: number
  readonly high: number
}

export interface Variation {
  /** Times the volatility of every regime. */
  readonly volatility: Range
  /** Times the fee, the half-spread and the slippage. */
  readonly costs: Range
  /** The world's own where null. */
  readonly correlation: Range | null
  /** The world's own where null. */
  readonly momentum: { readonly share: Range; readonly persistence: Range } | null
}

const asItIs: Range = { low: 1, high: 1 }
export const noVariation: Variation = { volatility: asItIs, costs: asItIs, correlation: null, momentum: null }

export interface SimulatedCoursesOptions {
  readonly world: World
  readonly costs: Costs
  readonly variation: Variation
  readonly worlds: number
  /** Courses that each world gives: what is correlated. */
  readonly instrumentsPerWorld: number
  /** Of each course, those without features at its beginning among them. */
  readonly bars: number
  readonly timeFrame: TimeFrame
  /** Open time of the first bar, epoch milliseconds UTC. */
  readonly startTime: number
  readonly features: SequenceFeatures
  /** Names the random streams. */
  readonly key: ReadonlyArray<string | number>
}

/** What a course is prepared from, once its features are scaled. */
export interface SimulatedCourse {
  readonly world: World
  readonly bars: BarColumns
  /** Unscaled. */
  readonly features: CourseFeatures
  readonly instrument: Instrument
  readonly costs: Costs
}

const barsMax = 1_000_000
/** Bars that are simulated between two chances for others to run: some two milliseconds. */
const sliceBars = 200

const whyNot = (options: SimulatedCoursesOptions): string | undefined => {
  const { bars, features, instrumentsPerWorld, variation, worlds } = options
  const { correlation, costs, momentum, volatility } = variation
  const ranges = {
    volatility,
    costs,
    correlation,
    share: momentum?.share,
    persistence: momentum?.persistence
  }
  for (const [name, range] of Object.entries(ranges)) {
    if (range === null || range === undefined) continue
    const { high, low } = range
    if (!(low >= 0 && low <= high && Number.isFinite(high)))
      return `the range of ${name} is ${low} to ${high}`
  }
  const barsMin = features.lookBack + courseBarsMin
  if (!(Number.isInteger(bars) && bars >= barsMin)) {
    return `a course of ${bars} bars is too short: ${barsMin} are needed`
  }
  const courses = worlds * instrumentsPerWorld
  if (!(Number.isInteger(worlds) && worlds >= 1)) return `there are to be ${worlds} worlds`
  if (!(Number.isInteger(instrumentsPerWorld) && instrumentsPerWorld >= 1)) {
    return `there are to be ${instrumentsPerWorld} instruments in a world`
  }
  return courses * bars <= barsMax
    ? undefined
    : `${courses} courses of ${bars} bars are more than the ${barsMax} that one pool may hold`
}

/** One world of the pool, drawn and ready to be simulated. */
interface DrawnWorld {
  readonly world: World
  readonly costs: Costs
  readonly simulation: Simulation
}

/** To a hundredth of a basis point: exact arithmetic takes decimals, not all the digits of a draw. */
const timesCosts = (costs: Costs, by: number): Costs => {
  const times = (bps: number) => Math.round(bps * by * 100) / 100
  const { feeBps, halfSpreadBps, slippageBps } = costs
  return {
    ...costs,
    feeBps: times(feeBps),
    halfSpreadBps: times(halfSpreadBps),
    slippageBps: times(slippageBps)
  }
}

const drawWorld = (
  options: SimulatedCoursesOptions,
  index: number
): Either.Either<DrawnWorld, SimulatorError> => {
  const { instrumentsPerWorld, startTime, timeFrame, variation } = options
  const random = keyedRandom(...options.key, "world", index)
  const draw = ({ high, low }: Range) => low + (high - low) * random.next()
  const volatility = draw(variation.volatility)
  const costsFactor = draw(variation.costs)
  const world: World = {
    ...options.world,
    regimes: options.world.regimes.map((regime) => ({
      ...regime,
      volatility: regime.volatility * volatility
    })),
    correlation: variation.correlation === null ? options.world.correlation : draw(variation.correlation),
    momentum:
      variation.momentum === null
        ? options.world.momentum
        : { share: draw(variation.momentum.share), persistence: draw(variation.momentum.persistence) }
  }
  const seed = random.int(Number.MAX_SAFE_INTEGER)
  return Either.map(
    simulate({ world, seed, instruments: instrumentsPerWorld, timeFrame, startTime }),
    (simulation) => ({
      world,
      simulation,
      costs: timesCosts(options.costs, costsFactor)
    })
  )
}

function* simulateAll(
  drawn: ReadonlyArray<DrawnWorld>,
  { bars, features, timeFrame }: SimulatedCoursesOptions
): Generator<void, ReadonlyArray<SimulatedCourse>> {
  const courses: Array<SimulatedCourse> = []
  for (const { costs, simulation, world } of drawn) {
    const builders = simulation.instruments.map(() => new ColumnsBuilder(false, true))
    for (let k = 0; k < bars; k++) {
      if ((k * builders.length) % sliceBars < builders.length) yield
      for (const [i, { close, high, low, open, openTime, volume }] of simulation.next().entries()) {
        builders[i]?.push(openTime, close, open, high, low, volume ?? Number.NaN)
      }
    }
    for (const [i, instrument] of simulation.instruments.entries()) {
      const columns = (builders[i] as ColumnsBuilder).finish()
      courses.push({
        world,
        bars: columns,
        features: yield* courseFeatures({ ...columns, timeFrame }, features),
        instrument,
        costs
      })
    }
  }
  return courses
}

/** All courses, simulated in steps of a few milliseconds. */
export const simulatedCourses = (
  options: SimulatedCoursesOptions
): Either.Either<Generator<void, ReadonlyArray<SimulatedCourse>>, VariationRefused | SimulatorError> => {
  const reason = whyNot(options)
  if (reason !== undefined) return Either.left(new VariationRefused({ reason }))
  return Either.map(
    Either.all(Array.from({ length: options.worlds }, (_, index) => drawWorld(options, index))),
    (drawn) => simulateAll(drawn, options)
  )
}
