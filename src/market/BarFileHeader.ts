/**
 * What the first line and the name of a file tell about its layout. Three layouts are bar files:
 *
 * - one instrument: a time column and a close column, with open, high and low or without;
 * - long: the same with a column that names the instrument of the row;
 * - wide: no close column, but `close` in the file name: every column beside the time is an instrument.
 *
 * What can go wrong is taking one for another, and tickers are the trap: C, L, O, T, V, LOW, ALL are listed
 * companies and columns of wide files. So the layout is decided by the close column and the file name first,
 * long names are looked for only after that, and the one-letter names (t, o, h, l, c, v) count only in a
 * narrow header that has open, high, low and close or nothing else than bar columns.
 *
 * `adj_close` serves as close where there is no other: open, high and low are then in other units and are
 * left out. A file with a close and not all of open, high and low is read as close-only.
 */
import { Either } from "effect"
import { BadInstrumentName, BarFileTooLarge, NotABarFile } from "./errors.ts"
import { isSymbol } from "./InstrumentName.ts"

/** Rows of bars; column numbers from 0. */
export interface RowLayout {
  readonly _tag: "Rows"
  readonly columns: number
  readonly time: number
  readonly close: number
  /** Null for a close-only file. */
  readonly openHighLow: readonly [open: number, high: number, low: number] | null
  /** Null without volume, and for a close-only file. */
  readonly volume: number | null
  /** The column that names the instrument; null in a file of one. */
  readonly instrument: number | null
}

/** One row per time, one cell per instrument. */
export interface WideLayout {
  readonly _tag: "Wide"
  readonly columns: number
  readonly time: number
  readonly instruments: ReadonlyArray<{ readonly column: number; readonly symbol: string }>
}

export type BarFileLayout = RowLayout | WideLayout

/** Columns a header may have. */
export const columnsMax = 10_000
/** A header with more columns than this is of something else where its names have one letter. */
const narrowColumnsMax = 16
const columnsShownMax = 8

const names = {
  time: [
    "timestamp",
    "datetime",
    "date_time",
    "open_time",
    "opentime",
    "time",
    "date",
    "unix",
    "unix_time",
    "epoch",
    "ts"
  ],
  instrument: ["ticker", "symbol", "instrument", "asset", "pair", "security", "name"],
  open: ["open", "open_price", "opening_price"],
  high: ["high", "high_price"],
  low: ["low", "low_price"],
  close: ["close", "close_price", "closing_price"],
  adjustedClose: ["adj_close", "adjclose", "adjusted_close", "close_adj", "adj_close_price"],
  volume: ["volume", "vol", "base_volume", "volume_base"]
} as const
type Role = keyof typeof names

const shortNames: Partial<Record<Role, string>> = {
  time: "t",
  open: "o",
  high: "h",
  low: "l",
  close: "c",
  volume: "v"
}

const normalise = (name: string): string =>
  name
    .trim()
    .toLowerCase()
    .replace(/^<(.*)>$/, "$1")
    .replace(/[\s.-]+/g, "_")

/** Finds columns by what they are for; the first spelling that occurs wins. */
const finder = (columns: ReadonlyArray<string>, withShortNames: boolean) => {
  const first = new Map<string, number>()
  const repeated = new Set<string>()
  for (const [i, name] of columns.entries()) {
    if (first.has(name)) repeated.add(name)
    else first.set(name, i)
  }
  const taken: Array<string> = []
  const find = (role: Role): number | null => {
    const short = shortNames[role]
    const spellings: ReadonlyArray<string> =
      withShortNames && short !== undefined ? [...names[role], short] : names[role]
    for (const spelling of spellings) {
      const column = first.get(spelling)
      if (column !== undefined) {
        taken.push(spelling)
        return column
      }
    }
    return null
  }
  return { find, repeatedAmongTaken: () => taken.find((name) => repeated.has(name)) }
}

const shortNamesCount = (columns: ReadonlyArray<string>): boolean => {
  if (columns.length > narrowColumnsMax) return false
  if (["o", "h", "l", "c"].every((name) => columns.includes(name))) return true
  const known = new Set<string>([...Object.values(names).flat(), ...Object.values(shortNames)])
  return columns.includes("c") && columns.every((name) => known.has(name))
}

/** The first column where it has a name of time: a ticker further on may have one too. */
const timeColumn = (columns: ReadonlyArray<string>, found: number | null): number | null => {
  const times: ReadonlyArray<string> = names.time
  if (times.includes(columns[0] ?? "")) return 0
  // The index of a table of pandas is written as a first column without a name.
  return found ?? (columns[0] === "" ? 0 : null)
}

export const recogniseHeader = (
  path: string,
  fileName: string,
  header: ReadonlyArray<string>
): Either.Either<BarFileLayout, NotABarFile | BadInstrumentName | BarFileTooLarge> => {
  if (header.length > columnsMax) {
    return Either.left(new BarFileTooLarge({ path, what: "columns", limit: columnsMax }))
  }
  const columns = header.map(normalise)
  const refuse = (reason: string) =>
    Either.left(
      new NotABarFile({
        path,
        reason,
        columns: header.slice(0, columnsShownMax).map((name) => name.trim().slice(0, 40)),
        columnsTotal: header.length
      })
    )
  const nameHasClose = /close/i.test(fileName)
  const { find, repeatedAmongTaken } = finder(columns, !nameHasClose && shortNamesCount(columns))
  const time = timeColumn(columns, find("time"))
  const ownClose = find("close")
  const close = ownClose ?? find("adjustedClose")
  if (close === null && !nameHasClose) {
    const missing = time === null ? "neither a time nor a close column" : "no close column"
    return refuse(`it has ${missing}, and no "close" in its name that would make each column an instrument`)
  }
  if (time === null) return refuse("it has no time column (timestamp, date, time …)")
  if (close === null) return wideLayout(path, header, time, refuse)

  const open = find("open")
  const high = find("high")
  const low = find("low")
  const complete = ownClose !== null && open !== null && high !== null && low !== null
  const volume = find("volume")
  const instrument = find("instrument")
  const repeated = repeatedAmongTaken()
  if (repeated !== undefined) return refuse(`it has the column ${repeated} twice`)
  return Either.right({
    _tag: "Rows",
    columns: header.length,
    time,
    close,
    openHighLow: complete ? [open, high, low] : null,
    volume: complete ? volume : null,
    instrument
  })
}

const wideLayout = (
  path: string,
  header: ReadonlyArray<string>,
  time: number,
  refuse: (reason: string) => Either.Either<never, NotABarFile>
): Either.Either<BarFileLayout, NotABarFile | BadInstrumentName> => {
  const instruments: Array<{ column: number; symbol: string }> = []
  const seen = new Set<string>()
  for (const [column, name] of header.entries()) {
    const symbol = name.trim()
    // A column without a name is a row number that some program wrote along.
    if (column === time || symbol === "") continue
    if (!isSymbol(symbol)) {
      return Either.left(
        new BadInstrumentName({ where: `${path}, column ${column + 1}`, name: symbol.slice(0, 96) })
      )
    }
    if (seen.has(symbol)) return refuse(`it has the column ${symbol} twice`)
    seen.add(symbol)
    instruments.push({ column, symbol })
  }
  if (instruments.length === 0) return refuse("it has no column beside the time")
  return Either.right({ _tag: "Wide", columns: header.length, time, instruments })
}
