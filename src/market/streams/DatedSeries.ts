/**
 * Series from outside, one row a date: wages, inequality, surveys, implied volatilities. A row says what was measured
 * for its date, and when that could be known: by a column `known_at`, or a stated lag after the date. The same date may
 * come again with a later `known_at`: a correction, which replaces the row from then on and not before.
 *
 * What can go wrong: a row that does not read refuses the series, with its line (SeriesRefused).
 * Invariants: rows are in the order in which they became known; every value lies within the bounds of its column.
 */
import { Either } from "effect"
import { delimiterOf, splitLine } from "../CsvLine.ts"
import { parseTimestamp } from "../Timestamp.ts"
import { SeriesRefused } from "./errors.ts"

export const seriesLimits = {
  rowsMax: 5_000,
  lineCharsMax: 1_000,
  labelCharsMax: 128,
  fieldsMax: 64
} as const
const rowsPerStep = 500

export interface DatedRow<Column extends string> {
  /** The date, epoch milliseconds UTC. */
  readonly at: number
  readonly knownAt: number
  /** Of the label column; empty where the series has none. */
  readonly label: string
  readonly values: Readonly<Record<Column, number>>
}

export interface DatedSeries<Column extends string> {
  /** Where it came from. */
  readonly name: string
  readonly rows: ReadonlyArray<DatedRow<Column>>
  /** What tells rows of one date apart, beside the label. */
  readonly keyColumns: ReadonlyArray<Column>
}

export interface SeriesLayout<Column extends string> {
  readonly name: string
  /** Names and bounds of the columns; others are passed over. */
  readonly columns: Readonly<Record<Column, { readonly min: number; readonly max: number }>>
  /** A column of text, and what may stand in it (anything where that is not said); null where there is none. */
  readonly labelColumn: string | null
  readonly labels?: ReadonlyArray<string>
  readonly keyColumns?: ReadonlyArray<NoInfer<Column>>
  /** From a date until its row can be known, where the row does not say it itself; null where every row has to. */
  readonly lagMs: number | null
}

const dateColumn = "date"
const knownAtColumn = "known_at"

/**
 * Reads a series from the text of a CSV file with a header, in steps of a few hundred rows.
 */
export function* parseDatedSeries<Column extends string>(
  text: string,
  layout: SeriesLayout<Column>
): Generator<void, Either.Either<DatedSeries<Column>, SeriesRefused>> {
  const { columns, keyColumns = [], labelColumn, labels, lagMs, name } = layout
  const refused = (line: number, reason: string) =>
    Either.left(new SeriesRefused({ series: name, line, reason }))
  const lines = text.split(/\r?\n/)
  const header = (lines[0] ?? "").replace(/^\uFEFF/, "")
  if (header.length > seriesLimits.lineCharsMax) return refused(1, "is no header: it is too long")
  const delimiter = delimiterOf(header)
  const names = (splitLine(header, delimiter) ?? []).map((field) => field.trim().toLowerCase())
  if (names.length > seriesLimits.fieldsMax)
    return refused(1, `has more than ${seriesLimits.fieldsMax} columns`)
  const wanted = Object.keys(columns) as Array<Column>
  const needed = [
    dateColumn,
    ...(lagMs === null ? [knownAtColumn] : []),
    ...wanted,
    ...(labelColumn === null ? [] : [labelColumn])
  ]
  const missing = needed.filter((column) => !names.includes(column))
  if (missing.length > 0) return refused(1, `has no column ${missing.join(", ")}`)
  const twice = needed.find((column) => names.indexOf(column) !== names.lastIndexOf(column))
  if (twice !== undefined) return refused(1, `has the column ${twice} twice`)
  const placeOf = (column: string) => names.indexOf(column)
  const knownAtPlace = placeOf(knownAtColumn)

  const rows: Array<DatedRow<Column>> = []
  for (let i = 1; i < lines.length; i++) {
    if (i % rowsPerStep === 0) yield
    const line = lines[i] as string
    if (line.trim() === "") continue
    const at = i + 1
    if (rows.length === seriesLimits.rowsMax)
      return refused(at, `is beyond the ${seriesLimits.rowsMax} rows allowed`)
    if (line.length > seriesLimits.lineCharsMax) return refused(at, "is too long")
    const fields = splitLine(line, delimiter)
    if (fields === undefined || fields.length !== names.length) {
      return refused(at, `does not have the ${names.length} fields of the header`)
    }
    const field = (place: number) => (fields[place] as string).trim()
    const date = parseTimestamp(field(placeOf(dateColumn)))
    if (!Number.isFinite(date))
      return refused(at, `has a date that does not read: "${field(placeOf(dateColumn))}"`)
    const knownText = knownAtPlace < 0 ? "" : field(knownAtPlace)
    const knownAt = knownText === "" && lagMs !== null ? date + lagMs : parseTimestamp(knownText)
    if (!Number.isFinite(knownAt)) return refused(at, `has a known_at that does not read: "${knownText}"`)
    if (knownAt < date) return refused(at, "was known before its date")
    const values = {} as Record<Column, number>
    for (const column of wanted) {
      const content = field(placeOf(column))
      const value = content === "" ? Number.NaN : Number(content)
      const { max, min } = columns[column]
      if (!(value >= min && value <= max)) {
        return refused(at, `has a ${column} that is no number from ${min} to ${max}: "${content}"`)
      }
      values[column] = value
    }
    const label = labelColumn === null ? "" : field(placeOf(labelColumn))
    if (label.length > seriesLimits.labelCharsMax) return refused(at, `has a ${labelColumn} that is too long`)
    if (labels !== undefined && !labels.includes(label)) {
      return refused(at, `has a ${labelColumn} that is none of ${labels.join(", ")}: "${label}"`)
    }
    rows.push({ at: date, knownAt, label, values })
  }
  yield
  // A sort keeps the order of the file among rows that became known together.
  rows.sort((a, b) => a.knownAt - b.knownAt)
  return Either.right({ name, rows, keyColumns })
}

/**
 * The rows of dates from `from` on, as they were known at an as-of, in the order of their dates: of several about the same
 * the latest known.
 */
export const rowsKnownAt = <Column extends string>(
  { keyColumns, rows }: DatedSeries<Column>,
  from: number,
  asOf: number
): ReadonlyArray<DatedRow<Column>> => {
  const latest = new Map<number | string, DatedRow<Column>>()
  const keyOf = ({ at, label, values }: DatedRow<Column>) =>
    label === "" && keyColumns.length === 0
      ? at
      : [at, label, ...keyColumns.map((column) => values[column])].join("|")
  for (const row of rows) {
    if (row.knownAt > asOf) break
    if (row.at >= from) latest.set(keyOf(row), row)
  }
  return [...latest.values()].sort((a, b) => a.at - b.at)
}
