import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import fc from "fast-check"
import { parseDatedSeries } from "../../../src/market/streams/DatedSeries.ts"
import { realWagesAt, type WagesSeries, wagesColumns } from "../../../src/market/streams/realWages.ts"
import { drained } from "./series.ts"

const day = 86_400_000
const monthAt = (month: number) => Date.UTC(2020, month, 1)
const seriesOf = (rows: ReadonlyArray<string>): WagesSeries =>
  Either.getOrThrow(
    drained(
      parseDatedSeries(["date,wage_index,price_index,known_at", ...rows].join("\n"), {
        name: "wages.csv",
        columns: wagesColumns,
        labelColumn: null,
        lagMs: 45 * day
      })
    )
  )
const dateOf = (time: number) => new Date(time).toISOString().slice(0, 10)
/** Wages that grow by 5% a year, prices by 3%, each month known 45 days after its date. */
const steady = seriesOf(
  Array.from(
    { length: 40 },
    (_, i) => `${dateOf(monthAt(i))},${100 * 1.05 ** (i / 12)},${100 * 1.03 ** (i / 12)},`
  )
)

describe("the growth of real wages", () => {
  it("is the log change over twelve months of wages less that of prices", () => {
    const reading = realWagesAt(steady, monthAt(20) + 45 * day)
    expect(reading).toMatchObject({
      status: "available",
      observedAt: monthAt(20),
      publishedAt: monthAt(20) + 45 * day
    })
    if (reading.status === "unavailable") return
    expect(reading.wageGrowth).toBeCloseTo(Math.log(1.05), 12)
    expect(reading.priceGrowth).toBeCloseTo(Math.log(1.03), 12)
    expect(reading.realGrowth).toBeCloseTo(Math.log(1.05 / 1.03), 12)
  })

  it("knows a month from when it was published, not from its date", () => {
    expect(realWagesAt(steady, monthAt(20) + 45 * day - 1)).toMatchObject({ observedAt: monthAt(19) })
  })

  it("goes by figures as they were known then, and by corrections from when they came", () => {
    const rows = [
      "2020-01-01,100,100,2020-02-15",
      "2021-01-01,110,100,2021-02-15",
      "2021-01-01,108,100,2021-06-15",
      "2020-01-01,101,100,2021-07-15"
    ]
    const growthAt = (asOf: string) => {
      const reading = realWagesAt(seriesOf(rows), Date.parse(asOf))
      return reading.status === "available" ? reading.realGrowth : undefined
    }
    expect(growthAt("2021-02-14")).toBeUndefined()
    expect(growthAt("2021-03-01")).toBeCloseTo(Math.log(1.1), 12)
    expect(growthAt("2021-06-15")).toBeCloseTo(Math.log(1.08), 12)
    expect(growthAt("2021-07-15")).toBeCloseTo(Math.log(108 / 101), 12)
  })

  it("is unavailable without a source, without the year before, and when it is too old", () => {
    expect(realWagesAt("no file is configured", 0)).toEqual({
      status: "unavailable",
      reason: "no file is configured"
    })
    expect(realWagesAt(steady, monthAt(5) + 60 * day)).toMatchObject({ status: "unavailable" })
    expect(realWagesAt(steady, monthAt(39) + 401 * day)).toMatchObject({ status: "unavailable" })
    expect(realWagesAt(steady, monthAt(39) + 4_000 * day)).toMatchObject({ status: "unavailable" })
    expect(realWagesAt(seriesOf([]), monthAt(39))).toMatchObject({ status: "unavailable" })
  })

  it("of figures that were cut off at an as-of is that of all", () => {
    fc.assert(
      fc.property(fc.nat(1_500), (days) => {
        const asOf = monthAt(0) + days * day
        const cut = { ...steady, rows: steady.rows.filter(({ knownAt }) => knownAt <= asOf) }
        expect(realWagesAt(steady, asOf)).toEqual(realWagesAt(cut, asOf))
      })
    )
  })
})
