/** Scores that were given before their outcomes were known, and the calibrator that is learned from them. */
import { Either, Schema } from "effect"
import { logLoss } from "../../learning/evaluation/Scoring.ts"
import { type Calibrator, calibrate, fitCalibrator } from "../../learning/ScoreCalibrator.ts"
import type { Steps } from "../../learning/steps.ts"
import { labelOf } from "../../market/Label.ts"

/** A forecast and what came of it. */
export const Forecast = Schema.Struct({
  score: Schema.Finite,
  /** log(band / sigma) of the question. */
  logBandRatio: Schema.Finite,
  /** 0 sell, 1 hold, 2 buy. */
  label: Schema.Finite,
  /** Realised log return over the sigma known as-of. */
  z: Schema.Finite
})
export type Forecast = typeof Forecast.Type

const sides = ["sell", "hold", "buy"] as const
/** Share of the forecasts that the calibrator is judged on before it is fitted to all of them. */
const heldOutShare = 1 / 3

export const forecastOf = (score: number, logReturn: number, sigma: number, band: number): Forecast => ({
  score,
  logBandRatio: Math.log(band / sigma),
  label: sides.indexOf(labelOf(logReturn, band)),
  z: logReturn / sigma
})

const columnsOf = (forecasts: ReadonlyArray<Forecast>) => ({
  score: Float64Array.from(forecasts, ({ score }) => score),
  logBandRatio: Float64Array.from(forecasts, ({ logBandRatio }) => logBandRatio),
  label: Uint8Array.from(forecasts, ({ label }) => label),
  z: Float64Array.from(forecasts, ({ z }) => z)
})

export interface Judged {
  /** Fitted to all forecasts. */
  readonly calibrator: Calibrator
  /** Mean log loss on the latest forecasts, of a calibrator and of base rates that had seen only those before. */
  readonly loss: number
  readonly baseLoss: number
  readonly heldOut: number
}

/**
 * Fits the calibrator, judged on the latest third first. Undefined while there are too few forecasts. The list must
 * not change between the steps.
 */
export function* judge(forecasts: ReadonlyArray<Forecast>): Steps<Judged | undefined> {
  const heldOut = Math.floor(forecasts.length * heldOutShare)
  const seen = forecasts.slice(0, forecasts.length - heldOut)
  const early = yield* fitCalibrator(columnsOf(seen))
  yield
  const calibrator = yield* fitCalibrator(columnsOf(forecasts))
  if (Either.isLeft(early) || Either.isLeft(calibrator) || heldOut === 0) return undefined
  const counts = [1, 1, 1]
  for (const { label } of seen) counts[label] = (counts[label] as number) + 1
  const base = counts.map((count) => count / (seen.length + 3))
  let loss = 0
  let baseLoss = 0
  for (const { label, logBandRatio, score } of forecasts.slice(-heldOut)) {
    const { buy, hold, sell } = calibrate(early.right, score, logBandRatio)
    loss += logLoss([sell, hold, buy], label) / heldOut
    baseLoss += logLoss(base, label) / heldOut
  }
  return { calibrator: calibrator.right, loss, baseLoss, heldOut }
}

export const metricsOf = ({ baseLoss, heldOut, loss }: Judged) => [
  { name: "log-loss", value: loss },
  { name: "base-log-loss", value: baseLoss },
  { name: "held-out", value: heldOut }
]

export const describeLoss = ({ baseLoss, loss }: Judged): string =>
  `log loss ${loss.toFixed(4)} against ${baseLoss.toFixed(4)} of the base rate`
