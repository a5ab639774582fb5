/**
 * The sectors of tickers, as CSV: the columns `ticker` and `sector`, a row a ticker; others are passed over.
 *
 * What can go wrong: columns that are missing, a row without a ticker or its sector, a ticker that comes again: the first of
 * them is told with its line, and nothing of the table is used.
 */
import { Either } from "effect"
import type { Steps } from "../../learning/steps.ts"
import { delimiterOf, splitLine } from "../../market/CsvLine.ts"
import { InputTableUnfit } from "../training/errors.ts"

const rowsPerStep = 100

/** The sector of each ticker. */
export function* parseSectors(
  path: string,
  text: string
): Steps<Either.Either<ReadonlyMap<string, string>, InputTableUnfit>> {
  const unfit = (reason: string) => Either.left(new InputTableUnfit({ path, reason }))
  const lines = text.replace(/^\ufeff/, "").split(/\r?\n/)
  const [head = ""] = lines
  const delimiter = delimiterOf(head)
  const header = splitLine(head, delimiter)?.map((name) => name.trim()) ?? []
  const missing = ["ticker", "sector"].find((name) => !header.includes(name))
  if (missing !== undefined) return unfit(`it has no column ${missing}`)
  const [tickerPlace, sectorPlace] = [header.indexOf("ticker"), header.indexOf("sector")]
  const sectors = new Map<string, string>()
  for (const [i, content] of lines.entries()) {
    if (i === 0 || content.trim() === "") continue
    if (i % rowsPerStep === 0) yield
    const fields = splitLine(content, delimiter)?.map((field) => field.trim())
    const [ticker = "", sector = ""] = [fields?.[tickerPlace], fields?.[sectorPlace]]
    if (fields?.length !== header.length || ticker === "" || sector === "") {
      return unfit(`line ${i + 1} does not name a ticker and its sector`)
    }
    if (sectors.has(ticker)) return unfit(`line ${i + 1} names ${ticker} again`)
    sectors.set(ticker, sector)
  }
  return Either.right(sectors)
}
