/**
 * A data set of the forecasting papers as a file, and which of their protocols it is judged by.
 *
 * The ETT sets have a row an hour or a row a quarter of an hour, and are parted by months: their dates say which. A table
 * of exchange rates has a row a day.
 *
 * What can go wrong: a file that is no such table, or whose rows are not as far apart as the data set's (InputTableUnfit).
 */
import { Effect, Either } from "effect"
import { parseForecastTable } from "../../learning/evaluation/ForecastTable.ts"
import type { Series } from "../../learning/evaluation/Windows.ts"
import { sha256 } from "../../protocols/wire/Json.ts"
import { stepwise } from "../../runtime/breathe.ts"
import { InputTableUnfit } from "./errors.ts"
import { readTableText } from "./InputTable.ts"

export const forecastDatasets = ["exchange_rate", "ett"] as const
export type ForecastDataset = (typeof forecastDatasets)[number]

export interface ForecastFile {
  readonly path: string
  /** SHA-256 of the unpacked text. */
  readonly digest: string
  readonly series: Series
  /** Of the columns. */
  readonly names: ReadonlyArray<string>
  /** The name that the protocol knows its parts by. */
  readonly protocol: string
  /** Rows of what may repeat itself: a day of ETT, a week of trading days. */
  readonly seasonRows: number
}

const minuteMs = 60_000
const dayMs = 24 * 60 * minuteMs
const tradingDays = 5

/** Between the dates of the first two rows; undefined where there are none. */
const stepMsOf = (text: string): number | undefined => {
  const [header = "", ...rows] = text.slice(0, 65_536).split("\n", 3)
  if (header.split(",")[0]?.trim().toLowerCase() !== "date") return undefined
  const [first, second] = rows.map((row) => Date.parse(`${row.split(",")[0]?.trim().replace(" ", "T")}Z`))
  return (second ?? Number.NaN) - (first ?? Number.NaN)
}

const apart = (stepMs: number): string => `its rows are ${stepMs / minuteMs} minutes apart`

/** The left says what is wrong, as the end of a sentence. */
const protocolOf = (
  dataset: ForecastDataset,
  stepMs: number | undefined
): Either.Either<Pick<ForecastFile, "protocol" | "seasonRows">, string> => {
  const isDated = stepMs !== undefined && Number.isFinite(stepMs)
  if (dataset === "exchange_rate") {
    return isDated && stepMs < dayMs
      ? Either.left(`${apart(stepMs)}, those of exchange_rate are days`)
      : Either.right({ protocol: dataset, seasonRows: tradingDays })
  }
  if (!isDated) return Either.left("its rows have no dates, and those of ETT have")
  // The first of each kind stands for the others: they are parted alike.
  if (stepMs === 60 * minuteMs) return Either.right({ protocol: "ETTh1", seasonRows: 24 })
  if (stepMs === 15 * minuteMs) return Either.right({ protocol: "ETTm1", seasonRows: 96 })
  return Either.left(`${apart(stepMs)}, those of ETT are 60 or 15`)
}

export const readForecastFile = (
  path: string,
  dataset: ForecastDataset
): Effect.Effect<ForecastFile, InputTableUnfit> =>
  Effect.gen(function* () {
    const unfit = (reason: string) => new InputTableUnfit({ path, reason })
    const text = yield* readTableText(path)
    const parsed = yield* stepwise(parseForecastTable(text))
    if (Either.isLeft(parsed)) return yield* unfit(`line ${parsed.left.line}: ${parsed.left.reason}`)
    const protocol = protocolOf(dataset, stepMsOf(text))
    if (Either.isLeft(protocol)) return yield* unfit(protocol.left)
    return { path, digest: sha256(Buffer.from(text)), ...parsed.right, ...protocol.right }
  })
