/**
 * The worlds that the simulator can play, as data. Two of them are proofs: in `momentum` there is an edge
 * that pays after costs and has to be found, in `efficient` there is none and none may be claimed.
 *
 * All figures are per bar, whatever its length. A definition can contradict itself (a transition matrix whose
 * rows are no distributions, a Student t without variance); `checkWorld` says so before anything is drawn.
 */
import { Either, Schema } from "effect"
import { ImpossibleWorld } from "./errors.ts"

export const Regime = Schema.Struct({
  name: Schema.String.pipe(Schema.maxLength(40)),
  /** Mean of the simple return. */
  drift: Schema.Finite,
  /** Standard deviation of the simple return. */
  volatility: Schema.Finite,
  /** Degrees of freedom of Student's t: fewer, fatter tails. Whole and at least 3: it has a variance. */
  degrees: Schema.Finite
})
export type Regime = typeof Regime.Type

/**
 * A planted, linearly predictable part of the returns: each instrument has a hidden AR(1)
 * z[k] = persistence z[k-1] + sqrt(1 - persistence^2) noise of unit variance, and the return of bar k has
 * share * volatility * z[k] in it.
 */
export const Momentum = Schema.Struct({
  persistence: Schema.Finite,
  /** Standard deviation of the planted part as a share of the bar's. */
  share: Schema.Finite
})
export type Momentum = typeof Momentum.Type

export const World = Schema.Struct({
  name: Schema.String.pipe(Schema.maxLength(40)),
  description: Schema.String.pipe(Schema.maxLength(400)),
  /** Shared by all instruments; a run begins in the first. */
  regimes: Schema.Array(Regime).pipe(Schema.maxItems(32)),
  /** transitions[i][j]: probability that regime i is followed by regime j. */
  transitions: Schema.Array(Schema.Array(Schema.Finite)),
  /** Of the unpredictable parts of two instruments, through one common factor. */
  correlation: Schema.Finite,
  volume: Schema.Struct({
    /** Median of a bar without a move, in units of the instrument. */
    median: Schema.Finite,
    /** Standard deviation of its logarithm. */
    dispersion: Schema.Finite,
    /** How much its logarithm rises per standard deviation of the return. */
    sensitivity: Schema.Finite
  }),
  /** Null in a world without an edge. */
  momentum: Schema.NullOr(Momentum)
})
export type World = typeof World.Type

const sumTolerance = 1e-9

const whyRegimeNot = ({ name, drift, volatility, degrees }: Regime): string | undefined => {
  if (!(Math.abs(drift) < 1))
    return `the drift of regime ${name} is ${drift}: a share of the price below 1 is expected`
  if (!(volatility >= 0)) return `the volatility of regime ${name} is negative (${volatility})`
  // The generator sums whole numbers of squares; at two degrees and below there is no variance to scale.
  if (!(degrees > 2))
    return `regime ${name} has ${degrees} degrees of freedom: Student's t has a variance above 2 only`
  if (!Number.isInteger(degrees) || degrees > 1_000) {
    return `regime ${name} has ${degrees} degrees of freedom: a whole number up to 1000 is expected`
  }
  return undefined
}

const whyTransitionsNot = (world: World): string | undefined => {
  const { regimes, transitions } = world
  if (transitions.length !== regimes.length) {
    return `${regimes.length} regimes need as many rows of transitions, not ${transitions.length}`
  }
  for (const [i, row] of transitions.entries()) {
    const name = regimes[i]?.name ?? i
    if (row.length !== regimes.length) {
      return `the transitions of regime ${name} name ${row.length} regimes of ${regimes.length}`
    }
    if (row.some((p) => !(p >= 0 && p <= 1))) return `a transition of regime ${name} is no probability`
    const sum = row.reduce((total, p) => total + p, 0)
    if (!(Math.abs(sum - 1) <= sumTolerance))
      return `the transitions of regime ${name} sum to ${sum}, not to 1`
  }
  return undefined
}

const whyRestNot = ({ correlation, volume, momentum }: World): string | undefined => {
  if (!(correlation >= 0 && correlation < 1)) return `the correlation ${correlation} is outside [0, 1)`
  if (!(volume.median > 0 && volume.dispersion >= 0 && volume.sensitivity >= 0)) {
    return "the volume needs a positive median, and a dispersion and a sensitivity that are not negative"
  }
  if (momentum === null) return undefined
  if (!(momentum.persistence >= 0 && momentum.persistence < 1)) {
    return `the persistence of the momentum, ${momentum.persistence}, is outside [0, 1)`
  }
  if (!(momentum.share >= 0 && momentum.share < 1)) {
    return `the share of the momentum, ${momentum.share}, is outside [0, 1)`
  }
  return undefined
}

/** The world itself, or why there can be no such world. */
export const checkWorld = (world: World): Either.Either<World, ImpossibleWorld> => {
  const reason =
    (world.regimes.length === 0 ? "it has no regime" : undefined) ??
    world.regimes.map(whyRegimeNot).find((why) => why !== undefined) ??
    whyTransitionsNot(world) ??
    whyRestNot(world)
  return reason === undefined
    ? Either.right(world)
    : Either.left(new ImpossibleWorld({ world: world.name, reason }))
}

/** Trends that last some sixty bars: a weak edge, most of which the costs eat. */
export const market: World = {
  name: "market",
  description: "Regimes of calm, rising, falling and turbulent prices; fat tails; correlated instruments.",
  regimes: [
    { name: "calm", drift: 0, volatility: 0.005, degrees: 6 },
    { name: "rising", drift: 0.000_7, volatility: 0.007, degrees: 6 },
    { name: "falling", drift: -0.000_8, volatility: 0.009, degrees: 5 },
    { name: "turbulent", drift: 0, volatility: 0.018, degrees: 4 }
  ],
  transitions: [
    [0.98, 0.009, 0.008, 0.003],
    [0.01, 0.983, 0.004, 0.003],
    [0.008, 0.005, 0.98, 0.007],
    [0.02, 0.006, 0.008, 0.966]
  ],
  correlation: 0.45,
  volume: { median: 1_200, dispersion: 0.35, sensitivity: 0.35 },
  momentum: null
}

/** The next return is partly a linear function of the past ones, and the edge pays after costs. */
export const momentum: World = {
  name: "momentum",
  description: "A planted edge: a hidden drift that lasts some ten bars and shows through the returns.",
  regimes: [
    { name: "ordinary", drift: 0, volatility: 0.01, degrees: 6 },
    { name: "lively", drift: 0, volatility: 0.013, degrees: 6 }
  ],
  transitions: [
    [0.99, 0.01],
    [0.03, 0.97]
  ],
  correlation: 0.25,
  volume: { median: 1_200, dispersion: 0.35, sensitivity: 0.35 },
  momentum: { persistence: 0.9, share: 0.35 }
}

/** Nothing to be found: the mean of the next simple return is zero whatever has been. */
export const efficient: World = {
  name: "efficient",
  description:
    "No edge: volatility clusters, tails are fat, but the next return does not depend on the past.",
  regimes: [
    { name: "calm", drift: 0, volatility: 0.006, degrees: 5 },
    { name: "turbulent", drift: 0, volatility: 0.015, degrees: 4 }
  ],
  transitions: [
    [0.985, 0.015],
    [0.04, 0.96]
  ],
  correlation: 0.4,
  volume: { median: 1_200, dispersion: 0.35, sensitivity: 0.35 },
  momentum: null
}

export const worlds = { market, momentum, efficient } as const
export type WorldName = keyof typeof worlds
