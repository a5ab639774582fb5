import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import { commonRows } from "../../../src/agents/training/commonRows.ts"
import { pickRows, type QuestionRows, questionRows } from "../../../src/agents/training/QuestionRows.ts"
import { runThrough } from "../../../src/learning/steps.ts"
import type { BarSeries } from "../../../src/market/BarSeries.ts"
import { simulated } from "../feedEvents.ts"
import { settingsWith } from "../settings.ts"
import { panelOf } from "./policies/panels.ts"

const { costs } = settingsWith()
const panel = panelOf(simulated({ seed: 5, count: 100, instruments: 3 }))
const rowsOf = (series: ReadonlyArray<BarSeries>) =>
  runThrough(questionRows(series, { barsBefore: 64, horizonBars: 4, costs, matured: true }))

/** What a row is about, and what came of it. */
const aboutOf = ({ asOf, instrument, instruments, label, rows, z }: QuestionRows) =>
  Array.from({ length: rows }, (_, i) =>
    [instruments[instrument[i] as number]?.instrument.id, asOf[i], z[i], label[i]].join(" ")
  )

describe("the rows that two panels have in common", () => {
  it("are all that both have, each once, side by side, in whatever order they look at instruments", () => {
    const some = fc.tuple(
      fc.shuffledSubarray([0, 1, 2], { minLength: 1 }),
      fc.array(fc.nat(80), { maxLength: 40 })
    )
    fc.assert(
      fc.property(some, some, (...both) => {
        const [one, other] = both.map(([which, without]) => {
          const all = rowsOf(which.map((i) => panel[i] as BarSeries))
          const kept = [...all.asOf.keys()].filter((row) => !without.includes(row))
          return pickRows(all, Uint32Array.from(kept))
        }) as [QuestionRows, QuestionRows]
        const common = runThrough(commonRows(one, other))
        expect(aboutOf(common.one)).toEqual(aboutOf(common.other))
        const ofOther = new Set(aboutOf(other))
        expect(aboutOf(common.one)).toEqual(aboutOf(one).filter((about) => ofOther.has(about)))
      }),
      { numRuns: 30 }
    )
  })
})
