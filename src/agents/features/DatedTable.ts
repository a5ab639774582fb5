/**
 * Tables of numbers by date, as CSV: a column `date` and others, in any order, a row a date. Empty cells are numbers that
 * are not there (NaN).
 *
 * What can go wrong: columns that are missing or twice there, rows of another length than the header, what is no date and
 * comes twice, what is no number or is negative: the first of them is told with its line, and nothing of the table is used.
 * Invariant: each date has one row.
 */
import { Either } from "effect"
import type { Steps } from "../../learning/steps.ts"
import { delimiterOf, splitLine } from "../../market/CsvLine.ts"
import { isDateOnly, parseTimestamp } from "../../market/Timestamp.ts"
import { dayOf } from "../../market/time/Calendar.ts"
import { InputTableUnfit } from "../training/errors.ts"
import { numberPattern } from "../training/InputTable.ts"

export interface DatedTable {
  readonly path: string
  /** Those that were wanted, in that order. */
  readonly columns: ReadonlyArray<string>
  /** By day since 1970-01-01. */
  readonly rows: ReadonlyMap<number, DatedRow>
  /** First and last day. */
  readonly first: number
  readonly last: number
}

export interface DatedRow {
  readonly line: number
  /** [columns] */
  readonly values: Float64Array
}

const dateColumn = "date"
const rowsPerStep = 10
const saidCharsMax = 40

/** @param wanted the columns that are read; all but the date unless given */
export function* parseDatedTable(
  path: string,
  text: string,
  wanted?: ReadonlyArray<string>
): Steps<Either.Either<DatedTable, InputTableUnfit>> {
  const unfit = (reason: string) => Either.left(new InputTableUnfit({ path, reason }))
  const lines = text.replace(/^\ufeff/, "").split(/\r?\n/)
  const [head = ""] = lines
  const delimiter = delimiterOf(head)
  const header = splitLine(head, delimiter)?.map((name) => name.trim()) ?? []
  const columns = wanted ?? header.filter((name) => name !== dateColumn)
  const needed = [dateColumn, ...columns]
  const missing = needed.find((name) => !header.includes(name))
  if (missing !== undefined) return unfit(`it has no column ${missing}`)
  const twice = needed.find((name) => header.indexOf(name) !== header.lastIndexOf(name))
  if (twice !== undefined) return unfit(`it has the column ${twice} twice`)
  if (columns.length === 0) return unfit(`it has no columns beside ${dateColumn}`)
  const [datePlace, ...places] = needed.map((name) => header.indexOf(name)) as [number, ...Array<number>]

  const rows = new Map<number, DatedRow>()
  let first = Number.POSITIVE_INFINITY
  let last = Number.NEGATIVE_INFINITY
  for (const [i, content] of lines.entries()) {
    if (i === 0 || content.trim() === "") continue
    if (i % rowsPerStep === 0) yield
    const line = i + 1
    const fields = splitLine(content, delimiter)
    if (fields?.length !== header.length) {
      return unfit(`line ${line} has ${fields?.length ?? "no whole"} fields, the header ${header.length}`)
    }
    const date = (fields[datePlace] as string).trim()
    const time = isDateOnly(date) ? parseTimestamp(date) : Number.NaN
    if (!Number.isFinite(time)) return unfit(`line ${line} has the date "${date.slice(0, saidCharsMax)}"`)
    const day = dayOf(time)
    const before = rows.get(day)
    if (before !== undefined) return unfit(`lines ${before.line} and ${line} have the same date, ${date}`)
    const values = new Float64Array(columns.length)
    for (const [column, place] of places.entries()) {
      const field = (fields[place] as string).trim()
      const value = numberPattern.test(field) ? Number(field) : Number.NaN
      if (field !== "" && !(value >= 0 && value < Number.POSITIVE_INFINITY)) {
        const said = field.slice(0, saidCharsMax)
        return unfit(`line ${line} has the ${columns[column]} "${said}", which is no number from 0 on`)
      }
      values[column] = value
    }
    rows.set(day, { line, values })
    first = Math.min(first, day)
    last = Math.max(last, day)
  }
  if (rows.size === 0) return unfit("it has a header and no rows")
  return Either.right({ path, columns, rows, first, last })
}
