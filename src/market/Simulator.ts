/**
 * Seeded, reproducible bars of a world. Every number is drawn from a stream of its own, keyed by (seed,
 * simulator, instrument, bar, purpose), so that bar k is the same however it was reached, and an instrument
 * more or less changes nothing in the others. What is shared, the regime and the common factor, has keys of
 * its own.
 *
 * The simple return of bar k, with the volatility s and the degrees of the regime of that bar:
 *
 *   r = drift + s (share z + sqrt(1 - share^2) (sqrt(c) F + sqrt(1 - c) e))
 *
 * with z the hidden momentum (absent: share = 0), c the correlation, F the common factor and e the
 * instrument's own noise, both Student's t of unit variance. It is the simple return that is symmetric around
 * its mean, so that without drift and momentum the price is a martingale exactly and no correction for
 * convexity is needed (the log return of a Student t has no finite one). Excess over the drift is clamped,
 * symmetrically, to half the price.
 *
 * The close is drawn first and the path inside the bar is a Brownian bridge to it, so that `skip` needs
 * neither the path nor the volume. Prices are rounded to the tick from an unrounded one that carries on:
 * rounding does not accumulate. What can go wrong: a price that has fallen to a few ticks moves in visible
 * steps, and rounding then looks like an edge; prices start near 20,000, two million ticks, so that a run of
 * some ten thousand bars at a volatility of one percent stays far above.
 *
 * Invariants: low <= open, close <= high; prices are positive multiples of the tick; the open of a bar is the
 * close of the one before; volumes are positive multiples of the lot.
 */
import { Either } from "effect"
import type { Bar } from "../protocols/Bar.ts"
import { type Instrument, instrumentId } from "../protocols/Instrument.ts"
import { type TimeFrame, toMs } from "../protocols/TimeFrame.ts"
import { keyedRandom } from "../protocols/wire/KeyedRandom.ts"
import { Limits } from "../protocols/wire/Limits.ts"
import { BadInstrumentName, DuplicateInstrument, type SimulatorError, TooManyInstruments } from "./errors.ts"
import { isSymbol } from "./InstrumentName.ts"
import { checkWorld, type Regime, type World } from "./worlds.ts"

export interface SimulatorOptions {
  readonly world: World
  readonly seed: number
  /** How many, named ALPHA, BRAVO, CHARLIE … in turn, or their symbols. */
  readonly instruments: number | ReadonlyArray<string>
  readonly timeFrame: TimeFrame
  /** Open time of the first bar, epoch milliseconds UTC. */
  readonly startTime: number
}

export interface Simulation {
  readonly instruments: ReadonlyArray<Instrument>
  readonly timeFrame: TimeFrame
  /** Index of the bar that `next` gives. */
  readonly position: () => number
  /** The bars of the next interval, one of each instrument. */
  readonly next: () => ReadonlyArray<Bar>
  /** Passes over so many intervals. */
  readonly skip: (bars: number) => void
}

export const simulatorSource = "simulator"
const venue = "sim"
const priceTicksPerUnit = 100
const volumeLotsPerUnit = 10_000
const startPriceMedian = 20_000
const startPriceDispersion = 0.5
const returnExcessMax = 0.5
/** Steps of the path inside a bar. */
const pathSteps = 12
/** Standard deviations of a return beyond which the volume rises no further. */
const volumeMoveMax = 8

// biome-ignore format: a list of words
const alphabet = [
  "ALPHA", "BRAVO", "CHARLIE", "DELTA", "ECHO", "FOXTROT", "GOLF", "HOTEL", "INDIA", "JULIETT",
  "KILO", "LIMA", "MIKE", "NOVEMBER", "OSCAR", "PAPA", "QUEBEC", "ROMEO", "SIERRA", "TANGO",
  "UNIFORM", "VICTOR", "WHISKEY", "XRAY", "YANKEE", "ZULU"
] as const

/** ALPHA … ZULU, ALPHA2 … */
export const instrumentNames = (count: number): ReadonlyArray<string> =>
  Array.from({ length: count }, (_, i) => {
    const round = Math.floor(i / alphabet.length)
    return `${alphabet[i % alphabet.length] as string}${round === 0 ? "" : round + 1}`
  })

const simulatedInstrument = (symbol: string): Instrument => ({
  id: instrumentId(venue, symbol, "spot"),
  venue,
  symbol,
  kind: "spot",
  tick: 1 / priceTicksPerUnit,
  lot: 1 / volumeLotsPerUnit,
  currency: "USD",
  calendar: "always"
})

// Division by a whole number gives the double nearest to the decimal; multiplication by 0.01 does not.
const toTicks = (price: number): number =>
  Math.max(1, Math.round(price * priceTicksPerUnit)) / priceTicksPerUnit
const toLots = (volume: number): number =>
  Math.max(1, Math.round(volume * volumeLotsPerUnit)) / volumeLotsPerUnit

/** What one instrument carries from bar to bar. */
interface Walk {
  readonly instrument: Instrument
  /** Unrounded. */
  price: number
  /** The hidden momentum, of unit variance. */
  momentum: number
}

const whyNamesNot = (symbols: ReadonlyArray<string>): SimulatorError | undefined => {
  if (symbols.length > Limits.barsPerEventMax) {
    return new TooManyInstruments({ instruments: symbols.length, instrumentsMax: Limits.barsPerEventMax })
  }
  const seen = new Set<string>()
  for (const symbol of symbols) {
    if (!isSymbol(symbol)) return new BadInstrumentName({ where: "the simulator", name: symbol.slice(0, 96) })
    if (seen.has(symbol)) return new DuplicateInstrument({ instrument: instrumentId(venue, symbol, "spot") })
    seen.add(symbol)
  }
  return undefined
}

export const simulate = (options: SimulatorOptions): Either.Either<Simulation, SimulatorError> => {
  const symbols =
    typeof options.instruments === "number" ? instrumentNames(options.instruments) : options.instruments
  const refused = whyNamesNot(symbols)
  if (refused !== undefined) return Either.left(refused)
  return Either.map(checkWorld(options.world), (world) => simulateChecked({ ...options, world }, symbols))
}

const simulateChecked = (options: SimulatorOptions, symbols: ReadonlyArray<string>): Simulation => {
  const { world, timeFrame, startTime } = options
  const frameMs = toMs(timeFrame)
  const random = (instrument: string, bar: number, purpose: string) =>
    keyedRandom(options.seed, "simulator", instrument, bar, purpose)
  // No symbol can be empty: what is shared cannot share a key with an instrument.
  const shared = ""
  const persistence = world.momentum?.persistence ?? 0
  const share = world.momentum?.share ?? 0
  const noiseShare = Math.sqrt(1 - share * share)
  const commonShare = Math.sqrt(world.correlation)
  const ownShare = Math.sqrt(1 - world.correlation)

  const walks = symbols.map((symbol): Walk => {
    const draw = random(symbol, 0, "start").normal()
    return {
      instrument: simulatedInstrument(symbol),
      price: startPriceMedian * Math.exp(startPriceDispersion * draw),
      momentum: share === 0 ? 0 : random(symbol, 0, "momentum-start").normal()
    }
  })
  let position = 0
  let regimeIndex = 0

  const nextRegime = (): number => {
    const row = world.transitions[regimeIndex] as ReadonlyArray<number>
    let left = random(shared, position, "regime").next()
    for (const [i, probability] of row.entries()) {
      left -= probability
      if (left < 0) return i
    }
    return row.length - 1
  }

  /** Moves regime and common factor to the bar at `position`. */
  const enterBar = (): { readonly regime: Regime; readonly factor: number } => {
    if (position > 0) regimeIndex = nextRegime()
    const regime = world.regimes[regimeIndex] as Regime
    return {
      regime,
      factor: commonShare === 0 ? 0 : random(shared, position, "factor").studentT(regime.degrees)
    }
  }

  /** Moves an instrument over the bar; gives the excess return in standard deviations. */
  const moveOver = (walk: Walk, regime: Regime, factor: number): void => {
    const { symbol } = walk.instrument
    if (share !== 0) {
      const noise = random(symbol, position, "momentum").normal()
      walk.momentum = persistence * walk.momentum + Math.sqrt(1 - persistence * persistence) * noise
    }
    const own = random(symbol, position, "return").studentT(regime.degrees)
    const noise = commonShare * factor + ownShare * own
    const excess = regime.volatility * (share * walk.momentum + noiseShare * noise)
    const clamped = Math.max(-returnExcessMax, Math.min(returnExcessMax, excess))
    walk.price = Math.max(walk.price * (1 + regime.drift + clamped), 1 / priceTicksPerUnit)
  }

  const barOf = (walk: Walk, before: number, regime: Regime): Bar => {
    const { instrument, price } = walk
    const open = toTicks(before)
    const close = toTicks(price)
    let high = Math.max(open, close)
    let low = Math.min(open, close)
    // Brownian bridge in log price, sampled at equal steps: W(t) - t W(1) above the straight line.
    const path = random(instrument.symbol, position, "path")
    const logReturn = Math.log(price / before)
    const stepSigma = regime.volatility / Math.sqrt(pathSteps)
    const steps = Array.from({ length: pathSteps }, () => stepSigma * path.normal())
    const end = steps.reduce((sum, step) => sum + step, 0)
    let walked = 0
    for (const [i, step] of steps.entries()) {
      walked += step
      const time = (i + 1) / pathSteps
      const inside = toTicks(before * Math.exp(walked + time * (logReturn - end)))
      if (inside > high) high = inside
      if (inside < low) low = inside
    }
    const move =
      regime.volatility === 0 ? 0 : Math.min(volumeMoveMax, Math.abs(price / before - 1) / regime.volatility)
    const { median, dispersion, sensitivity } = world.volume
    const volumeNoise = dispersion * random(instrument.symbol, position, "volume").normal()
    const openTime = startTime + position * frameMs
    return {
      instrument: instrument.id,
      timeFrame,
      openTime,
      closeTime: openTime + frameMs,
      open,
      high,
      low,
      close,
      volume: toLots(median * Math.exp(volumeNoise + sensitivity * move)),
      closeOnly: false,
      source: simulatorSource,
      sequence: position,
      revision: 0,
      knownAt: openTime + frameMs
    }
  }

  return {
    instruments: walks.map(({ instrument }) => instrument),
    timeFrame,
    position: () => position,
    next: () => {
      const { regime, factor } = enterBar()
      const bars = walks.map((walk) => {
        const before = walk.price
        moveOver(walk, regime, factor)
        return barOf(walk, before, regime)
      })
      position++
      return bars
    },
    skip: (count) => {
      for (let i = 0; i < count; i++) {
        const { regime, factor } = enterBar()
        for (const walk of walks) moveOver(walk, regime, factor)
        position++
      }
    }
  }
}
