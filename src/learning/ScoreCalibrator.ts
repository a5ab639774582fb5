/**
 * Turns a voter's scalar score into a distribution over sell, hold and buy, an expected return and its
 * spread, fitted on matured outcomes.
 *
 * Probabilities: multinomial logistic regression with hold as the reference class,
 *   log p(side) / p(hold) = intercept + score * s + band * log(band / sigma),  side = sell, buy,
 * maximum a posteriori: a ridge on the slopes of the standardised covariates, and on the intercepts a prior
 * of `priorOutcomes` imagined outcomes at average covariates, distributed as the base rates. The slopes of
 * the score are held to sell <= 0 <= buy: a score is believed in the direction in which it points, or not
 * at all.
 * Returns: z, the return over its sigma, is regressed on the score through the origin; the slope is shrunk as
 * under a normal prior around 0, and clipped.
 *
 * What can go wrong: too few outcomes (TooFewOutcomes: the voter abstains), a number that is not finite
 * (RowRefused).
 * Invariants: every output is a distribution; p(buy) never falls and p(sell) never rises with the score;
 * outside the scores and bands that were seen nothing is extrapolated; equal rows give equal bits.
 */
import { Either, Schema } from "effect"
import { RowRefused, TooFewOutcomes } from "./errors.ts"
import { fitLogits } from "./SideLogits.ts"
import type { Steps } from "./steps.ts"

/** The classes in their order everywhere: labels are indices into this. */
export const sides = ["sell", "hold", "buy"] as const

export interface SideProbabilities {
  readonly sell: number
  readonly hold: number
  readonly buy: number
}

const Logit = Schema.Struct({ intercept: Schema.Finite, score: Schema.Finite, band: Schema.Finite })
/** Log odds of one side against hold, as a linear function of the raw covariates. */
export type Logit = typeof Logit.Type

/** Plain JSON: it goes into artefacts and snapshots. */
export const Calibrator = Schema.Struct({
  outcomes: Schema.NonNegativeInt,
  sell: Logit,
  buy: Logit,
  /** Largest magnitude of a score that was seen: larger ones count as this. */
  scoreMax: Schema.Finite.pipe(Schema.nonNegative()),
  /** The range of log(band / sigma) that was seen: what lies outside counts as its nearer end. */
  logBandMin: Schema.Finite,
  logBandMax: Schema.Finite,
  /** Expected z per unit of score. */
  slope: Schema.Finite.pipe(Schema.nonNegative()),
  /** Standard deviation of z around slope * score. */
  residualDeviation: Schema.Finite.pipe(Schema.nonNegative())
})
export type Calibrator = typeof Calibrator.Type

/** Matured outcomes, one column each, of equal lengths. */
export interface OutcomeColumns {
  readonly score: Float64Array
  /** log(band / sigma) of the question. */
  readonly logBandRatio: Float64Array
  /** 0 sell, 1 hold, 2 buy. */
  readonly label: Uint8Array
  /** Realised log return over the sigma known as-of. */
  readonly z: Float64Array
}

export interface CalibratorOptions {
  /** Fewer outcomes than this are not fitted at all. */
  readonly minOutcomes: number
  /** Penalty on the squared slopes of standardised covariates, in rows. */
  readonly ridge: number
  /** Weight of the base rates, in outcomes. */
  readonly priorOutcomes: number
  /** The base rates; null takes them from the labels themselves, one imagined outcome added to each side. */
  readonly baseRates: SideProbabilities | null
  /** Standard deviation of the prior of the slope of z on the score, whose mean is 0. */
  readonly slopePriorDeviation: number
  readonly slopeMax: number
  /** Of Newton's method. */
  readonly iterationsMax: number
}

export const calibratorDefaults: CalibratorOptions = {
  minOutcomes: 60,
  ridge: 10,
  priorOutcomes: 10,
  baseRates: null,
  slopePriorDeviation: 1,
  slopeMax: 1.5,
  iterationsMax: 25
}

export function* fitCalibrator(
  rows: OutcomeColumns,
  options: Partial<CalibratorOptions> = {}
): Steps<Either.Either<Calibrator, TooFewOutcomes | RowRefused>> {
  const chosen = { ...calibratorDefaults, ...options }
  const n = rows.label.length
  const fault = findFault(rows)
  if (fault !== undefined) return Either.left(fault)
  const outcomesMin = Math.max(1, chosen.minOutcomes)
  if (n < outcomesMin) return Either.left(new TooFewOutcomes({ outcomes: n, outcomesMin }))

  const score = standardise(rows.score)
  const band = standardise(rows.logBandRatio)
  const fit = yield* fitLogits({
    score: score.values,
    band: band.values,
    label: rows.label,
    baseRates: chosen.baseRates ?? smoothedRates(rows.label),
    ridge: chosen.ridge,
    priorOutcomes: chosen.priorOutcomes,
    iterationsMax: chosen.iterationsMax
  })
  // From the standardised covariates back to the raw ones.
  const raw = (at: number): Logit => {
    const bScore = (fit[at + 1] as number) / score.deviation
    const bBand = (fit[at + 2] as number) / band.deviation
    const intercept = (fit[at] as number) - bScore * score.mean - bBand * band.mean
    return { intercept: unsigned(intercept), score: unsigned(bScore), band: unsigned(bBand) }
  }
  const bands = rows.logBandRatio
  return Either.right({
    outcomes: n,
    sell: raw(0),
    buy: raw(3),
    scoreMax: rows.score.reduce((max, value) => Math.max(max, Math.abs(value)), 0),
    logBandMin: unsigned(bands.reduce((min, value) => Math.min(min, value))),
    logBandMax: unsigned(bands.reduce((max, value) => Math.max(max, value))),
    ...fitReturns(rows, chosen)
  })
}

/** Turns -0 into 0, as JSON would: a calibrator from a snapshot makes the same artefact, to the byte. */
const unsigned = (value: number): number => value + 0

const findFault = (rows: OutcomeColumns): RowRefused | undefined => {
  const n = rows.label.length
  for (const column of ["score", "logBandRatio", "z"] as const) {
    const values = rows[column]
    if (values.length !== n) {
      return new RowRefused({
        row: Math.min(n, values.length) + 1,
        column,
        reason: `ends after ${values.length} of ${n}`
      })
    }
    // Squares of what passes stay finite.
    const at = values.findIndex((value) => !(Math.abs(value) <= 1e100))
    if (at >= 0) return new RowRefused({ row: at + 1, column, reason: `is ${values[at]}` })
  }
  const at = rows.label.findIndex((label) => label > 2)
  return at < 0
    ? undefined
    : new RowRefused({ row: at + 1, column: "label", reason: `is ${rows.label[at]}, not 0, 1 or 2` })
}

const standardise = (values: Float64Array) => {
  let mean = 0
  for (let i = 0; i < values.length; i++) mean += (values[i] as number) / values.length
  let variance = 0
  for (let i = 0; i < values.length; i++) variance += ((values[i] as number) - mean) ** 2 / values.length
  // A covariate that does not vary tells nothing: dividing by 1 leaves it at (about) 0, the ridge its slope.
  const root = Math.sqrt(variance)
  const deviation = root > 1e-12 * Math.abs(mean) && root > 0 ? root : 1
  return { values: values.map((value) => (value - mean) / deviation), mean, deviation }
}

const smoothedRates = (label: Uint8Array): SideProbabilities => {
  const counts = [1, 1, 1]
  for (const side of label) counts[side] = (counts[side] as number) + 1
  const [sell, hold, buy] = counts.map((count) => count / (label.length + 3)) as [number, number, number]
  return { sell, hold, buy }
}

const fitReturns = (rows: OutcomeColumns, options: CalibratorOptions) => {
  const n = rows.z.length
  let scoreSquares = 0
  let products = 0
  let zSquares = 0
  for (let i = 0; i < n; i++) {
    const s = rows.score[i] as number
    const z = rows.z[i] as number
    scoreSquares += s * s
    products += s * z
    zSquares += z * z
  }
  // The posterior mean under z ~ N(slope s, v) and slope ~ N(0, d^2), with v at its largest: that of slope 0.
  const shrinkage = zSquares / n / options.slopePriorDeviation ** 2
  const denominator = scoreSquares + shrinkage
  const slope = denominator > 0 ? Math.min(options.slopeMax, Math.max(0, products / denominator)) : 0
  const residual = (zSquares - 2 * slope * products + slope * slope * scoreSquares) / n
  return { slope, residualDeviation: Math.sqrt(Math.max(0, residual)) }
}

const clamp = (value: number, low: number, high: number) => Math.min(high, Math.max(low, value))

/** The score as far as it is believed. */
export const clampScore = (calibrator: Calibrator, score: number): number =>
  clamp(score, -calibrator.scoreMax, calibrator.scoreMax)

/** Probabilities of the three sides for a score under a question's log(band / sigma). Neither may be NaN. */
export const calibrate = (calibrator: Calibrator, score: number, logBandRatio: number): SideProbabilities => {
  const s = clampScore(calibrator, score)
  const l = clamp(logBandRatio, calibrator.logBandMin, calibrator.logBandMax)
  const sell = calibrator.sell.intercept + calibrator.sell.score * s + calibrator.sell.band * l
  const buy = calibrator.buy.intercept + calibrator.buy.score * s + calibrator.buy.band * l
  const highest = Math.max(0, sell, buy)
  const weights = [Math.exp(sell - highest), Math.exp(-highest), Math.exp(buy - highest)] as const
  const total = weights[0] + weights[1] + weights[2]
  return { sell: weights[0] / total, hold: weights[1] / total, buy: weights[2] / total }
}
