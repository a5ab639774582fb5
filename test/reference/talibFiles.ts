/** The files with values of TA-Lib that the reference tests take: every one of its kind, never a list of names. */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { gunzipSync } from "node:zlib"
import { root } from "./referenceFiles.ts"

const folder = join(root, "talib")
const names = existsSync(folder) ? readdirSync(folder).sort() : []

const named = (kind: "indicators" | "candles"): ReadonlyMap<string, string> =>
  new Map(
    names.flatMap((name) => {
      const [, series] = new RegExp(`^(.+)_${kind}\\.csv(\\.gz)?$`).exec(name) ?? []
      return series === undefined ? [] : [[series, join(folder, name)] as const]
    })
  )

/** Paths by the name of their series. */
export const indicatorFiles = named("indicators")
export const candleFiles = named("candles")

/** Why a suite of that name is skipped, if it is. */
export const skippedTitle = (suite: string, kind: string): string =>
  `${suite} (skipped: no *_${kind}.csv in ${folder}; set CONCLAVE_DATA to a folder whose talib has them)`

export interface Table {
  readonly header: ReadonlyArray<string>
  readonly rows: ReadonlyArray<ReadonlyArray<string>>
  /** The cells of a column; one that is not there fails the test. */
  readonly column: (name: string) => ReadonlyArray<string>
  /** The same as numbers, empty cells as NaN. */
  readonly numbers: (name: string) => Float64Array
}

export const readTable = (path: string): Table => {
  const bytes = readFileSync(path)
  const lines = (path.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8").trimEnd().split("\n")
  const [header = [], ...rows] = lines.map((line) => line.trimEnd().split(","))
  const column = (name: string) => {
    const at = header.indexOf(name)
    if (at < 0) throw new Error(`${path} has no column ${name}`)
    return rows.map((row) => row[at] as string)
  }
  const number = (cell: string) => (cell === "" ? Number.NaN : Number(cell))
  return { header, rows, column, numbers: (name) => Float64Array.from(column(name), number) }
}
