/**
 * The text of a forecasting data set: CSV, one row per time step, in time order. Two layouts are published,
 *
 * - without a header: every field is a number (the sets of Lai et al., 2018, such as exchange_rate);
 * - with a header whose first column is `date`: an ISO date or time, then numbers (ETT and its kin).
 *
 * What can go wrong: another layout, a field that is no finite number, rows of unequal length, dates that fall, more
 * than the limits (ForecastTableUnreadable, with the line). There is no filling in: a table with a hole is refused.
 */
import { Either } from "effect"
import type { Steps } from "../steps.ts"
import { ForecastTableUnreadable } from "./errors.ts"
import type { Series } from "./Windows.ts"

export interface ForecastTable {
  /** Of the columns; `column 1` and so on where the table does not say. */
  readonly names: ReadonlyArray<string>
  readonly series: Series
}

export const columnsMax = 10_000
/** Rows times columns: 0.5 GB. */
export const numbersMax = 2 ** 26

const numbersPerStep = 2_000
const numeral = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i
const isoTime = /^\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d)?)?$/

export function* parseForecastTable(
  text: string
): Steps<Either.Either<ForecastTable, ForecastTableUnreadable>> {
  const unreadable = (line: number, reason: string) =>
    Either.left(new ForecastTableUnreadable({ line, reason }))
  let from = text.startsWith("\uFEFF") ? 1 : 0
  let line = 0
  /** Undefined at the end of the text. */
  const nextLine = (): Array<string> | undefined => {
    if (from >= text.length) return undefined
    const end = text.indexOf("\n", from)
    const upTo = end === -1 ? text.length : end
    const fields = text.slice(from, upTo).trimEnd().split(",")
    from = upTo + 1
    line++
    return fields.map((field) => field.trim())
  }

  const first = nextLine()
  if (first === undefined) return unreadable(1, "there is none")
  const dated = first[0]?.toLowerCase() === "date"
  if (!dated && !first.every((field) => numeral.test(field))) {
    return unreadable(1, "it holds neither numbers alone nor a header that begins with date")
  }
  const offset = dated ? 1 : 0
  const columns = first.length - offset
  if (columns < 1 || columns > columnsMax) return unreadable(1, `it has ${columns} columns of numbers`)
  const names = dated ? first.slice(1) : first.map((_, i) => `column ${i + 1}`)

  let values = new Float64Array(columns * 1_024)
  let rows = 0
  let dateBefore = ""
  let sinceYield = 0
  for (let fields = dated ? nextLine() : first; fields !== undefined; fields = nextLine()) {
    if (fields.length === 1 && fields[0] === "") {
      if (text.slice(from).trim() === "") break
      return unreadable(line, "it is empty")
    }
    if (fields.length !== columns + offset) {
      return unreadable(line, `it has ${fields.length} fields, not ${columns + offset}`)
    }
    if (dated) {
      const date = fields[0] as string
      if (!isoTime.test(date)) return unreadable(line, `"${date.slice(0, 40)}" is no ISO date`)
      if (date < dateBefore) return unreadable(line, `${date} stands after ${dateBefore}`)
      dateBefore = date
    }
    if ((rows + 1) * columns > numbersMax)
      return unreadable(line, `there are more than ${numbersMax} numbers`)
    if ((rows + 1) * columns > values.length) {
      const larger = new Float64Array(values.length * 2)
      larger.set(values)
      values = larger
    }
    for (let i = 0; i < columns; i++) {
      const field = fields[i + offset] as string
      const value = numeral.test(field) ? Number(field) : Number.NaN
      if (!Number.isFinite(value)) return unreadable(line, `"${field.slice(0, 40)}" is no finite number`)
      values[rows * columns + i] = value
    }
    rows++
    sinceYield += columns
    if (sinceYield >= numbersPerStep) {
      sinceYield = 0
      yield
    }
  }
  if (rows === 0) return unreadable(line + 1, "there are no rows")
  return Either.right({ names, series: { values: values.slice(0, rows * columns), rows, columns } })
}
