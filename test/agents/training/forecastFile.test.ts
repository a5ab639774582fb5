import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { type ForecastDataset, readForecastFile } from "../../../src/agents/training/forecastFile.ts"
import { sha256 } from "../../../src/protocols/wire/Json.ts"
import { temporaryDirectory } from "../../support/directory.ts"

const read = (
  text: string,
  dataset: ForecastDataset,
  pack: (text: Buffer) => Uint8Array = (plain) => plain
) =>
  Effect.flatMap(temporaryDirectory, (folder) => {
    const path = join(folder, "table.csv")
    writeFileSync(path, pack(Buffer.from(text)))
    return readForecastFile(path, dataset)
  })
const refusal = (...args: Parameters<typeof read>) =>
  Effect.map(Effect.flip(read(...args)), ({ message }) => message)

const hours = "date,OT,HUFL\n2016-07-01 00:00:00,1,2\n2016-07-01 01:00:00,3,4\n2016-07-01 02:00:00,5,6\n"

describe("a data set of the forecasting papers", () => {
  it.scoped("of days needs no dates, and is the same packed", () =>
    Effect.gen(function* () {
      const text = "1,2\n3,4\n5,6\n"
      const file = yield* read(text, "exchange_rate")
      expect(file).toMatchObject({
        protocol: "exchange_rate",
        seasonRows: 5,
        digest: sha256(Buffer.from(text)),
        names: ["column 1", "column 2"]
      })
      expect(file.series).toEqual({ values: Float64Array.of(1, 2, 3, 4, 5, 6), rows: 3, columns: 2 })
      expect(yield* read(text, "exchange_rate", gzipSync)).toMatchObject({
        digest: file.digest,
        series: file.series
      })
      const dated = "date,OT\n2016-07-01,1\n2016-07-04,2\n"
      expect(yield* read(dated, "exchange_rate")).toMatchObject({ names: ["OT"] })
    })
  )

  it.scoped("of ETT is parted by the time between its rows", () =>
    Effect.gen(function* () {
      expect(yield* read(hours, "ett")).toMatchObject({ protocol: "ETTh1", seasonRows: 24 })
      const quarters = hours.replace("01:00:00", "00:15:00").replace("02:00:00", "00:30:00")
      expect(yield* read(quarters, "ett")).toMatchObject({ protocol: "ETTm1", seasonRows: 96 })
    })
  )

  it.scoped("is refused where it is another, or no table", () =>
    Effect.gen(function* () {
      expect(yield* refusal(hours, "exchange_rate")).toContain(
        "its rows are 60 minutes apart, those of exchange_rate are days"
      )
      expect(yield* refusal("1,2\n3,4\n", "ett")).toContain("its rows have no dates, and those of ETT have")
      expect(yield* refusal(hours.replaceAll("01:00:00", "00:20:00"), "ett")).toContain(
        "its rows are 20 minutes apart, those of ETT are 60 or 15"
      )
      expect(yield* refusal("1,2\n3\n", "exchange_rate")).toContain("line 2: it has 1 fields, not 2")
      expect(yield* refusal("1,2\n3,NaN\n", "exchange_rate")).toContain('line 2: "NaN" is no finite number')
      expect(yield* refusal("", "exchange_rate")).toContain("line 1: there is none")
    })
  )
})
