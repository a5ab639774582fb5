/**
 * `conclave features --schema market`, by its own function, over the files in `equities`: the nine features of every file
 * of market features of the reference data to 1e-7 of their value, read back from what it writes.
 */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { marketFeatureTable } from "../../src/agents/features/marketFeatureFiles.ts"
import { marketFeatureSchema } from "../../src/market/features/MarketFeatures.ts"
import { filesIn, root } from "./referenceFiles.ts"
import { readTable } from "./talibFiles.ts"

const relativeErrorMax = 1e-7

const tables = filesIn("features")
  .map((path) => ({ path, table: readTable(path) }))
  .filter(({ table }) => table.header.includes("vix_level"))
const equities = filesIn("equities")
const pathOf = (what: RegExp) => equities.find((path) => what.test(path))

const [vix, index, putCall, adjusted, close, volume, sectors] = [
  /\/vix_/,
  /\/sp500_/,
  /put_call/,
  /\/panel_adj_close/,
  /\/panel_close/,
  /\/panel_volume/,
  /\/panel_sectors/
].map(pathOf)
const isThere =
  tables.length > 0 &&
  [vix, index, putCall].every((path) => path !== undefined) &&
  adjusted !== undefined &&
  close !== undefined &&
  volume !== undefined &&
  sectors !== undefined

describe.skipIf(!isThere)(
  isThere
    ? "market features written to a file"
    : `market features written to a file (skipped: no features/*.csv with vix_level, or not all of its sources, in ${root})`,
  () => {
    it.effect("are those of the reference files, at the closes of their sessions", () =>
      Effect.gen(function* () {
        if (adjusted === undefined || close === undefined || volume === undefined || sectors === undefined)
          return
        const panel = { adjusted, close, volume, sectors }
        const { absent, parts } = yield* marketFeatureTable({ vix, index, putCall, panel })
        const [header = [], ...lines] = Buffer.concat(parts)
          .toString()
          .trimEnd()
          .split("\n")
          .map((line) => line.split(","))
        const byDate = new Map(lines.map((cells) => [cells[0]?.slice(0, 10), cells]))
        let compared = 0
        for (const { table } of tables) {
          const names = marketFeatureSchema.names.filter((name) => table.header.includes(name))
          expect(names).toEqual(marketFeatureSchema.names.slice(0, 9))
          const dates = table.column("date")
          for (const name of names) {
            for (const [row, expected] of table.numbers(name).entries()) {
              const cell = byDate.get(dates[row])?.[header.indexOf(name)] ?? ""
              const value = cell === "" ? Number.NaN : Number(cell)
              const error = Math.abs(value - expected) / Math.abs(expected)
              if (!(error <= relativeErrorMax))
                expect([name, dates[row], value]).toEqual([name, dates[row], expected])
              compared++
            }
          }
          // Before its first row something was warming up, from it on all nine are there.
          const rows = lines.map((cells) => [cells[0]?.slice(0, 10), cells.at(-1)])
          const whole = rows.findIndex(([, why]) => why === "signal_quality no-source")
          expect(rows[whole]?.[0]).toBe(dates[0])
          expect(rows.slice(whole).every(([, why]) => why === "signal_quality no-source")).toBe(true)
        }
        expect(compared).toBeGreaterThan(8_000)
        expect(absent.find(({ feature }) => feature === "signal_quality")?.rows).toBe(lines.length)
        expect(byDate.get("2018-11-23")?.[0]).toBe("2018-11-23T18:00:00.000Z")
      })
    )
  }
)
