/**
 * Every row of every file of market features of the reference data is met to 1e-7 of its value, from the prices and
 * volumes that lie beside it in `equities`. The columns there are found by what they hold; the features of the file are
 * those that bear the names of ours, and there have to be nine of them.
 */
import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { runThrough } from "../../src/learning/steps.ts"
import { marketFeatureMatrix } from "../../src/market/features/FeatureMatrix.ts"
import {
  type MarketSession,
  makeMarketFeatures,
  marketFeatureSchema
} from "../../src/market/features/MarketFeatures.ts"
import { nyseSessionOn } from "../../src/market/time/NyseSessions.ts"
import { root } from "./referenceFiles.ts"
import { readTable, type Table } from "./talibFiles.ts"

const relativeErrorMax = 1e-7
const dayMs = 86_400_000

const tablesIn = (folder: string): ReadonlyArray<{ readonly name: string; readonly table: Table }> => {
  const path = join(root, folder)
  const names = existsSync(path) ? readdirSync(path).sort() : []
  return names
    .filter((name) => /\.csv(\.gz)?$/.test(name))
    .map((name) => ({ name, table: readTable(join(path, name)) }))
}

const featureTables = tablesIn("features").filter(({ table }) => table.header.includes("vix_level"))
const equities = featureTables.length === 0 ? [] : tablesIn("equities")
const tableOf = (what: RegExp): Table | undefined => equities.find(({ name }) => what.test(name))?.table

const sources = {
  vix: tableOf(/^vix_/),
  index: tableOf(/^sp500_/),
  putCall: tableOf(/put_call/),
  adjustedClose: tableOf(/^panel_adj_close/),
  close: tableOf(/^panel_close/),
  volume: tableOf(/^panel_volume/),
  sectors: tableOf(/^panel_sectors/)
}
const missing = Object.entries(sources).flatMap(([name, table]) => (table === undefined ? [name] : []))

const byDate = (table: Table, column: string): ReadonlyMap<string, number> => {
  const numbers = table.numbers(column)
  return new Map(table.column("date").map((date, i) => [date, numbers[i] as number]))
}

const sessionsOf = (): ReadonlyArray<MarketSession> => {
  const { adjustedClose, close, index, putCall, vix, volume } = sources as Record<keyof typeof sources, Table>
  const vixByDate = byDate(vix, "close")
  const indexByDate = byDate(index, "close")
  const putCallByDate = byDate(putCall, "put_call_ratio")
  const row = (table: Table, i: number) =>
    Float64Array.from((table.rows[i] as ReadonlyArray<string>).slice(1), Number)
  return adjustedClose.column("date").map((date, i) => ({
    asOf: nyseSessionOn(Date.parse(date) / dayMs)?.closesAt ?? Number.NaN,
    vix: vixByDate.get(date) ?? null,
    index: indexByDate.get(date) ?? null,
    putCallRatio: putCallByDate.get(date) ?? null,
    panel: { adjustedClose: row(adjustedClose, i), close: row(close, i), volume: row(volume, i) },
    outcomes: null
  }))
}

const sectorsOf = (): ReadonlyArray<string> => {
  const { adjustedClose, sectors } = sources as Record<keyof typeof sources, Table>
  const names = sectors.column("sector")
  const sectorByTicker = new Map(sectors.column("ticker").map((ticker, i) => [ticker, names[i] as string]))
  return adjustedClose.header.slice(1).map((ticker) => sectorByTicker.get(ticker) as string)
}

const skipped = featureTables.length === 0 || missing.length > 0

describe.skipIf(skipped)(
  skipped
    ? `market features (skipped: no features/*.csv with vix_level, or no ${missing.join(", ")} in ${root})`
    : "market features",
  () => {
    describe.each((skipped ? [] : featureTables).map(({ name, table }) => [name, table] as const))(
      "%s",
      (_, table) => {
        const sessions = sessionsOf()
        const sectors = sectorsOf()
        const features = makeMarketFeatures({ sectors })
        const vectors = new Map(
          sessions.map((session) => [
            new Date(session.asOf).toISOString().slice(0, 10),
            features.push(session).values
          ])
        )
        const names = marketFeatureSchema.names.filter((name) => table.header.includes(name))

        it("has nine of the ten features, and rows", () => {
          expect(names).toEqual(marketFeatureSchema.names.slice(0, 9))
          expect(table.rows.length).toBeGreaterThan(0)
        })

        it.each(names)("%s", (name) => {
          const column = marketFeatureSchema.names.indexOf(name)
          const dates = table.column("date")
          for (const [row, expected] of table.numbers(name).entries()) {
            const value = vectors.get(dates[row] as string)?.[column]
            const error = typeof value === "number" ? Math.abs(value - expected) / Math.abs(expected) : 1
            if (!(error <= relativeErrorMax)) expect([dates[row], value]).toEqual([dates[row], expected])
          }
        })

        it("begins with the first session that has them all", () => {
          const matrix = runThrough(marketFeatureMatrix(sessions, { sectors }))
          const date = new Date(matrix.asOf[matrix.validFrom] as number).toISOString().slice(0, 10)
          expect(date).toBe(table.column("date")[0])
        })
      }
    )
  }
)
