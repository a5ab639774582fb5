import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import fc from "fast-check"
import { runThrough } from "../../../src/learning/steps.ts"
import { type AsOf, makeAsOfSchedule } from "../../../src/market/AsOfSchedule.ts"
import type { BarSeries } from "../../../src/market/BarSeries.ts"
import { featureMatrix } from "../../../src/market/features/FeatureMatrix.ts"
import { instrumentLookBack } from "../../../src/market/features/InstrumentFeatures.ts"
import { makeInstrumentWindows } from "../../../src/market/features/InstrumentWindows.ts"
import { InstrumentId } from "../../../src/protocols/Instrument.ts"
import { simulatedSeries } from "../../agents/training/bars.ts"

const series = simulatedSeries({ bars: 80, instruments: 3, world: "market" }) as [
  BarSeries,
  BarSeries,
  BarSeries
]
const ids = series.map(({ instrument }) => instrument.id)
const schedule: ReadonlyArray<AsOf> = [...Either.getOrThrow(makeAsOfSchedule(series))]
const matrices = Either.getOrThrow(runThrough(featureMatrix(series)))

const taken = (from: number, count: number, length: number) => {
  const windows = makeInstrumentWindows(ids, length)
  for (const { asOf, bars } of schedule.slice(from, from + count)) windows.push(asOf, bars)
  return windows
}
const asOfAt = (index: number): number => schedule[index]?.asOf ?? Number.NaN

describe("the latest feature vectors", () => {
  it("are the rows of the whole history, to the last bit, wherever the following began", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.nat(40), fc.nat(5), (length, from, more) => {
        const count = instrumentLookBack + length + more
        const windows = taken(from, count, length)
        const last = from + count - 1
        ids.forEach((id, i) => {
          const { matrix, names } = matrices[i] as (typeof matrices)[number]
          expect(windows.at(id, asOfAt(last))).toEqual(
            matrix.slice((last + 1 - length) * names.length, (last + 1) * names.length)
          )
        })
      })
    )
  })

  it("are there once as many bars have been taken as they follow from, at the as-of of the last", () => {
    const [id] = ids as [InstrumentId]
    const needed = instrumentLookBack + 4
    expect(taken(0, needed - 1, 4).at(id, asOfAt(needed - 2))).toBeUndefined()
    expect(taken(0, needed, 4).at(id, asOfAt(needed - 1))).toBeDefined()
    expect(taken(0, needed, 4).at(id, asOfAt(needed - 2))).toBeUndefined()
    expect(taken(0, needed, 4).at(id, asOfAt(needed))).toBeUndefined()
    expect(taken(0, needed, 4).at(InstrumentId.make("csv:OTHER:spot"), asOfAt(needed - 1))).toBeUndefined()
  })

  it("that were given are not changed by what comes", () => {
    const [id] = ids as [InstrumentId]
    const windows = taken(0, 40, 3)
    const given = windows.at(id, asOfAt(39))
    const copy = given?.slice()
    for (const { asOf, bars } of schedule.slice(40)) windows.push(asOf, bars)
    expect(given).toEqual(copy)
  })
})
