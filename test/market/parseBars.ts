/** Parses a text as a bar file, the way an adapter pushes it: line by line. */
import { Either } from "effect"
import { type BarFileOptions, BarFileParser, type ParsedBars } from "../../src/market/BarFile.ts"
import type { BarSeries } from "../../src/market/BarSeries.ts"
import type { BarFileError } from "../../src/market/errors.ts"

export const tryParse = (
  path: string,
  text: string,
  options: Omit<BarFileOptions, "path"> = {}
): Either.Either<ParsedBars, BarFileError> => {
  const parser = new BarFileParser({ path, ...options })
  for (const line of text.split("\n")) if (!parser.push(line)) break
  return parser.finish()
}

export const parse = (path: string, text: string, options: Omit<BarFileOptions, "path"> = {}): ParsedBars =>
  Either.getOrThrowWith(
    tryParse(path, text, options),
    (error) => new Error(`${error._tag}: ${error.message}`)
  )

export const refusalOf = (
  path: string,
  text: string,
  options: Omit<BarFileOptions, "path"> = {}
): BarFileError => {
  const parsed = tryParse(path, text, options)
  if (Either.isRight(parsed)) throw new Error(`${path} was parsed and should have been refused`)
  return parsed.left
}

export const only = (parsed: ParsedBars): BarSeries => {
  const [series, ...others] = parsed.series
  if (series === undefined || others.length > 0)
    throw new Error(`${parsed.series.length} series instead of one`)
  return series
}

/** The columns as rows of numbers: time, open, high, low, close, volume. */
export const rowsOf = (series: BarSeries): ReadonlyArray<ReadonlyArray<number | null>> =>
  Array.from(series.openTime, (time, i) => [
    time,
    series.open[i] as number,
    series.high[i] as number,
    series.low[i] as number,
    series.close[i] as number,
    series.volume === null ? null : (series.volume[i] as number)
  ])
