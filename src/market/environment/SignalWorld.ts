/**
 * A world whose best policy can be computed: a signal in [-1, 1] that is seen, moves slowly and tells the next return.
 * The signal s is the Markov chain of Rouwenhorst (Asset Pricing Implications of Equilibrium Business Cycle Models, 1995;
 * Kopecky and Suen, Review of Economic Dynamics 13, 2010, section 2): levels at equal distances, symmetric, with the
 * autocorrelation of an AR(1) exactly. What is bought after the close of bar t, when s_t is known, returns from its fill
 * to the next one
 *
 *   r_t = edge s_t + noise e_t,  e_t standard normal, cut off at 5
 *
 * The close of a bar is the open of the next one, so that the return from fill to fill is that from mark to mark.
 *
 * A step's edge is smaller than the cost of a trade in the default world: who looks one step ahead and counts costs never
 * trades, and who follows the sign of the signal pays at every crossing of zero. The optimum (`SignalOptimum`) waits for
 * a strong signal and then stays beyond the crossing.
 *
 * The signal is the first of ten features; three follow from the past returns, six are noise. All are of one scale
 * already.
 *
 * What can go wrong: numbers that make no such world, prices that fall to nothing: refused.
 */
import { Either } from "effect"
import { keyedRandom } from "../../protocols/wire/KeyedRandom.ts"
import { type Costs, oneWay } from "../Costs.ts"
import { type Course, prepareCourse } from "./Course.ts"
import { type CourseRefused, SignalRefused } from "./errors.ts"

export interface SignalWorld {
  /** States of the chain; an even number, so that no level is zero. */
  readonly levels: number
  /** Autocorrelation of the signal from bar to bar, in [0, 1). */
  readonly persistence: number
  /** Expected simple return of a step at the signal 1. */
  readonly edge: number
  /** Deviation of the return around its expectation. */
  readonly noise: number
  /** Of trading; holding costs nothing here. */
  readonly costs: Pick<Costs, "feeBps" | "halfSpreadBps" | "slippageBps">
}

/** Trading costs 5 basis points each way, and a step is worth 4 at most. */
export const costlySignal: SignalWorld = {
  levels: 8,
  persistence: 0.9,
  edge: 4e-4,
  noise: 4e-4,
  costs: { feeBps: 4, halfSpreadBps: 0.5, slippageBps: 0.5 }
}

export interface SignalChain {
  /** [levels], rising from -1 to 1. */
  readonly signal: Float64Array
  /** [levels, levels], row-major; rows sum to 1. */
  readonly transitions: Float64Array
  /** [levels]: how often each level is taken in the long run. */
  readonly stationary: Float64Array
}

const levelsMax = 64
const noiseCutOff = 5
/** Largest move of a step in all. */
const stepMax = 0.1

export const checkSignalWorld = (world: SignalWorld): Either.Either<SignalWorld, SignalRefused> => {
  const { costs, edge, levels, noise, persistence } = world
  const refused = (reason: string) => Either.left(new SignalRefused({ reason }))
  if (!(Number.isInteger(levels / 2) && levels >= 2 && levels <= levelsMax)) {
    return refused(`a signal of ${levels} levels, where an even number up to ${levelsMax} is expected`)
  }
  if (!(persistence >= 0 && persistence < 1))
    return refused(`the persistence ${persistence} is outside [0, 1)`)
  if (!(edge >= 0 && noise >= 0 && edge + noiseCutOff * noise <= stepMax)) {
    return refused(`an edge of ${edge} and a noise of ${noise} move the price by more than ${stepMax} a step`)
  }
  const cost = oneWay(costs)
  return cost >= 0 && cost <= stepMax ? Either.right(world) : refused(`a trade costs ${cost} of its value`)
}

/** The chain of n levels from that of n - 1: each of n - 1 independent two-state parts stays with probability `stay`. */
const transitionsOf = (levels: number, stay: number): Float64Array => {
  let small = Float64Array.of(stay, 1 - stay, 1 - stay, stay)
  for (let n = 3; n <= levels; n++) {
    const large = new Float64Array(n * n)
    const add = (row: number, column: number, value: number) => {
      const at = row * n + column
      // The rows between the first and the last are reached twice.
      large[at] = (large[at] as number) + (row > 0 && row < n - 1 ? value / 2 : value)
    }
    for (let i = 0; i < n - 1; i++) {
      for (let j = 0; j < n - 1; j++) {
        const value = small[i * (n - 1) + j] as number
        add(i, j, stay * value)
        add(i, j + 1, (1 - stay) * value)
        add(i + 1, j, (1 - stay) * value)
        add(i + 1, j + 1, stay * value)
      }
    }
    small = large
  }
  return small
}

export const signalChain = ({ levels, persistence }: SignalWorld): SignalChain => {
  const stationary = new Float64Array(levels)
  // Binomial: how many of levels - 1 fair parts are up.
  let ways = 1
  for (let k = 0; k < levels; k++) {
    stationary[k] = ways / 2 ** (levels - 1)
    ways = (ways * (levels - 1 - k)) / (k + 1)
  }
  return {
    signal: Float64Array.from({ length: levels }, (_, k) => (2 * k) / (levels - 1) - 1),
    transitions: transitionsOf(levels, (1 + persistence) / 2),
    stationary
  }
}

export const signalFeatureNames = [
  "signal",
  ...["ret_1", "ret_4", "abs_ret_1"],
  ...["noise_1", "noise_2", "noise_3", "noise_4", "noise_5", "noise_6"]
] as const
const noiseFeatures = 6
const sumBars = 4

const startPrice = 20_000
const instrument = { kind: "spot", tick: 0.01, lot: 0.000_001 } as const
const barMs = 60_000
const barsMax = 1_000_000

/** What a random number in [0, 1) picks of probabilities that sum to 1. */
const pick = (probabilities: Float64Array, from: number, count: number, random: number): number => {
  let left = random
  for (let k = 0; k < count - 1; k++) {
    left -= probabilities[from + k] as number
    if (left < 0) return k
  }
  return count - 1
}

/** A course of the world that begins with the signal in its long-run distribution. */
export const signalCourse = (
  world: SignalWorld,
  options: { readonly bars: number; readonly key: ReadonlyArray<string | number> }
): Either.Either<Course, SignalRefused | CourseRefused> => {
  const { bars, key } = options
  if (!(Number.isInteger(bars) && bars > sumBars && bars <= barsMax)) {
    return Either.left(
      new SignalRefused({ reason: `a course of ${bars} bars is not one of ${sumBars + 1} to ${barsMax}` })
    )
  }
  return Either.flatMap(checkSignalWorld(world), ({ costs, edge, levels, noise }) => {
    const { signal, stationary, transitions } = signalChain(world)
    const ofSignal = keyedRandom(...key, "signal")
    const ofReturns = keyedRandom(...key, "returns")
    const ofNoise = keyedRandom(...key, "noise")
    const names = signalFeatureNames
    const open = new Float64Array(bars)
    const close = new Float64Array(bars)
    const values = new Float32Array(bars * names.length)
    /** Returns in units of their own deviation, the last of them first. */
    const past = Array<number>(sumBars).fill(0)
    const deviation = Math.hypot(noise, edge) || 1
    const toTicks = (price: number) => Math.max(Math.round(price / instrument.tick), 1) * instrument.tick
    let price = startPrice
    let level = pick(stationary, 0, levels, ofSignal.next())
    for (let bar = 0; bar < bars; bar++) {
      // The signal of the bar before tells the move of this one.
      const shock = Math.min(Math.max(ofReturns.normal(), -noiseCutOff), noiseCutOff)
      const moved = edge * (signal[level] as number) + noise * shock
      open[bar] = toTicks(price)
      price *= 1 + moved
      close[bar] = toTicks(price)
      level = pick(transitions, level * levels, levels, ofSignal.next())
      past.pop()
      past.unshift(moved / deviation)
      const at = bar * names.length
      values[at] = signal[level] as number
      values[at + 1] = past[0] as number
      values[at + 2] = past.reduce((sum, value) => sum + value, 0) / Math.sqrt(sumBars)
      values[at + 3] = Math.abs(past[0] as number)
      for (let i = 0; i < noiseFeatures; i++) {
        values[at + names.length - noiseFeatures + i] = Math.min(
          Math.max(ofNoise.normal(), -noiseCutOff),
          noiseCutOff
        )
      }
    }
    return prepareCourse({
      bars: { openTime: open.map((_, bar) => bar * barMs), open, close, volume: null, closeOnly: false },
      features: { names, values, first: 0 },
      instrument,
      costs
    })
  })
}
