/**
 * What the classes of a classifier are, and of which class each row of questions is.
 *
 * - `candles`: the candle pattern that ends at the bar of the as-of (CandleLabel.ts). It is known at the as-of;
 * - `strategies`: the strategy profile that turns out to have been the best over the horizon, after costs
 *   (market/strategies). It is known once the horizon is over.
 *
 * What can go wrong: a series of closes alone has no candles; rows whose horizon is not over have no best strategy, which
 * only a wrong program asks for (RangeError).
 */
import { Either } from "effect"
import { TrainingRefused } from "../../learning/errors.ts"
import type { Steps } from "../../learning/steps.ts"
import type { BarSeries } from "../../market/BarSeries.ts"
import { type Costs, roundTrip } from "../../market/Costs.ts"
import { candleClassColumn, candleClasses } from "../../market/candles/CandleLabel.ts"
import { strategyNames, strategyPositions } from "../../market/strategies/StrategyProfiles.ts"
import { bestPosition } from "../../market/strategies/StrategyUtility.ts"
import type { QuestionRows } from "./QuestionRows.ts"

export const classKinds = ["candles", "strategies"] as const
export type ClassKind = (typeof classKinds)[number]

const rowsPerStep = 500

/** In the order of the classifier's outputs. */
export const classNames = (kind: ClassKind): ReadonlyArray<string> =>
  kind === "candles" ? candleClasses : strategyNames

const candleLabels = function* (rows: QuestionRows): Steps<Uint8Array> {
  const columns: Array<Uint8Array> = []
  for (const series of rows.instruments) {
    columns.push(candleClassColumn(series))
    yield
  }
  return Uint8Array.from(rows.bar, (bar, i) => columns[rows.instrument[i] as number]?.[bar] as number)
}

const strategyLabels = function* (rows: QuestionRows, costs: Costs): Steps<Uint8Array> {
  const roundTripCost = roundTrip(costs)
  const labels = new Uint8Array(rows.rows)
  for (let row = 0; row < rows.rows; row++) {
    if (row % rowsPerStep === 0) yield
    const sigma = rows.sigma[row] as number
    const logReturn = (rows.z[row] as number) * sigma
    if (!Number.isFinite(logReturn)) throw new RangeError(`the horizon of row ${row} is not over`)
    const series = rows.instruments[rows.instrument[row] as number] as BarSeries
    const positions = strategyPositions(series, rows.bar[row] as number)
    labels[row] = bestPosition(positions, { logReturn, sigma, roundTripCost })
  }
  return labels
}

/** The index of each row's class. */
export function* classLabels(
  kind: ClassKind,
  rows: QuestionRows,
  costs: Costs
): Steps<Either.Either<Uint8Array, TrainingRefused>> {
  if (kind === "strategies") return Either.right(yield* strategyLabels(rows, costs))
  const flat = rows.instruments.find(({ closeOnly }) => closeOnly)
  if (flat !== undefined) {
    const reason = `${flat.instrument.symbol} has closes alone, and every bar without a body is a doji`
    return Either.left(new TrainingRefused({ network: "cnn", reason }))
  }
  return Either.right(yield* candleLabels(rows))
}
