/**
 * The regime stream: which of a few states the market is in, by a hidden Markov model over its return and the logarithm of
 * its volatility. The states are ordered by their volatility and named after it.
 *
 * The model is refitted every so many observations, counted from the beginning of the run, on those before: when it was
 * asked for makes no difference. Probabilities are filtered: those of an as-of never change by what comes later.
 */
import { type RegimeName, type RegimeReading, unavailable } from "../../protocols/Streams.ts"
import { filtered } from "./GaussianHmm.ts"
import { type FittedHmm, fitHmm } from "./hmmFit.ts"
import { type MarketSeries, observationsMax, observedAt } from "./MarketSeries.ts"

export const regimeDefinition = 1

const names: ReadonlyMap<number, ReadonlyArray<RegimeName>> = new Map([
  [2, ["calm", "turbulent"]],
  [3, ["calm", "normal", "turbulent"]],
  [4, ["calm", "normal", "restless", "turbulent"]]
])

const namesOf = (states: number): ReadonlyArray<RegimeName> => {
  const found = names.get(states)
  if (found === undefined)
    throw new RangeError(`${states} states of a regime have no names: two to four have`)
  return found
}

export interface RegimeOptions {
  /** Two to four. */
  readonly states: number
  /** Latest observations that a model is fitted on, at most. */
  readonly fitBars: number
  readonly refitEveryBars: number
  readonly seed: number
}

/** Observations before the first fit. */
export const fitBarsMin = 200
const [width, volatilityAt] = [2, 1] as const
const [restarts, iterationsMax, gainMin] = [3, 100, 1e-6] as const

/** A model, and the observation up to which it was fitted, counted from the beginning. */
export interface RegimeModel {
  readonly fitted: FittedHmm
  readonly through: number
  readonly asOf: number
  readonly bars: number
}

type Observed = ReturnType<typeof observedAt>

/** Up to which observation the model of an as-of is fitted; undefined while there are too few. */
const fitThrough = (count: number, { refitEveryBars }: RegimeOptions): number | undefined => {
  const through = Math.floor(count / refitEveryBars) * refitEveryBars
  return through < fitBarsMin ? undefined : through
}

const rowsBetween = ({ logVolatilities, returns }: Observed, from: number, to: number): Float64Array => {
  const rows = new Float64Array((to - from) * width)
  for (let i = from; i < to; i++) {
    rows[(i - from) * width] = returns[i] as number
    rows[(i - from) * width + volatilityAt] = logVolatilities[i] as number
  }
  return rows
}

/**
 * The model for an as-of, in steps: the one that is held where it is the right one, else a new one. Undefined while there
 * are too few observations.
 */
export function* regimeModel(
  market: MarketSeries,
  options: RegimeOptions,
  asOf: number,
  held: RegimeModel | undefined
): Generator<void, RegimeModel | undefined> {
  if (options.fitBars < fitBarsMin || options.fitBars + options.refitEveryBars > observationsMax) {
    throw new RangeError(`a regime is fitted on ${fitBarsMin} bars or more, and on what is kept of them`)
  }
  const observed = observedAt(market, asOf)
  const through = fitThrough(observed.count, options)
  if (through === undefined) return undefined
  if (held?.through === through) return held
  // Places in what is kept.
  const end = observed.returns.length - (observed.count - through)
  const from = Math.max(0, end - options.fitBars)
  const fitted = yield* fitHmm(rowsBetween(observed, from, end), {
    states: options.states,
    width,
    orderBy: volatilityAt,
    key: [options.seed, "streams", "regime", through],
    restarts,
    iterationsMax,
    gainMin
  })
  return { fitted, through, asOf: observed.asOfs[end - 1] as number, bars: end - from }
}

/** @param held of `regimeModel` for the same as-of */
export const regimeAt = (
  market: MarketSeries,
  options: RegimeOptions,
  asOf: number,
  held: RegimeModel | undefined
): RegimeReading => {
  const observed = observedAt(market, asOf)
  const through = fitThrough(observed.count, options)
  if (through === undefined || held === undefined) {
    const needed = Math.ceil(fitBarsMin / options.refitEveryBars) * options.refitEveryBars
    return unavailable(
      `${observed.count} bars of the market are known, and the first model is fitted on ${needed}`
    )
  }
  if (held.through !== through)
    throw new RangeError("the regime of an as-of is read by the model of that as-of")
  const { length } = observed.returns
  const from = length - (observed.count - through) - held.bars
  const { model } = held.fitted
  const { logLikelihood, next, now } = filtered(model, rowsBetween(observed, from, length))
  const states = namesOf(options.states).map((name, state) => {
    const stay = Math.exp(model.logTransitions[state * (options.states + 1)] as number)
    return {
      name,
      probability: Math.min(1, now[state] as number),
      nextProbability: Math.min(1, next[state] as number),
      meanReturn: model.means[state * width] as number,
      returnDeviation: Math.sqrt(model.variances[state * width] as number),
      volatility: Math.exp(model.means[state * width + volatilityAt] as number),
      expectedBars: stay < 1 ? 1 / (1 - stay) : null
    }
  })
  const likeliest = states.reduce((best, state) => (state.probability > best.probability ? state : best))
  return {
    status: "available",
    regime: likeliest.name,
    states,
    fittedAsOf: held.asOf,
    fittedBars: held.bars,
    logLikelihood: logLikelihood / (length - from)
  }
}
