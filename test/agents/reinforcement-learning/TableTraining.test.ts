import { describe, expect, it } from "@effect/vitest"
import { tableCourse } from "../../../src/agents/reinforcement-learning/TableTraining.ts"
import { runThrough } from "../../../src/learning/steps.ts"
import { closeTimeOf, dayMs, sessionOn } from "../../../src/market/time/Calendar.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"
import { settingsWith } from "../settings.ts"

const { costs } = settingsWith()

describe("the course of a table", () => {
  it("is charged for holding from when its bars begin, however early they close by their calendar", () => {
    const firstDay = Date.UTC(2018, 8, 3) / dayMs
    const days = Array.from({ length: 200 }, (_, i) => firstDay + i)
    const openTimes = days.filter((day) => sessionOn("nyse", day) !== undefined).map((day) => day * dayMs)
    const asOfs = openTimes.map((openTime) => closeTimeOf("nyse", dayMs, openTime))
    // In winter, in summer, and on the day after Thanksgiving.
    const hours = new Set(asOfs.map((asOf, i) => (asOf - (openTimes[i] as number)) / 3_600_000))
    expect([...hours].sort()).toEqual([18, 20, 21])
    const random = keyedRandom("closes")
    const closes = openTimes.map((_, i) => 100 + i + random.next())
    const bars = { openTimes, asOfs, opens: closes, closes, closeOnly: false }
    const split = 100
    const course = runThrough(tableCourse("spot", bars, split, costs))
    expect(course?.market.holding?.openTime).toEqual(Float64Array.from(openTimes.slice(0, split)))
    expect(course?.bars.asOfs).toBe(asOfs)
  })
})
