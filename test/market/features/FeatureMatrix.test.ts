import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import fc from "fast-check"
import { runThrough } from "../../../src/learning/steps.ts"
import { makeAsOfSchedule } from "../../../src/market/AsOfSchedule.ts"
import type { BarSeries } from "../../../src/market/BarSeries.ts"
import {
  type FeatureMatrix,
  featureMatrix,
  marketFeatureMatrix,
  rowsAt
} from "../../../src/market/features/FeatureMatrix.ts"
import { asNumber } from "../../../src/market/features/FeatureValue.ts"
import {
  instrumentFeatureSchema,
  makeInstrumentFeatures
} from "../../../src/market/features/InstrumentFeatures.ts"
import { only, parse } from "../parseBars.ts"
import { hourMs, midnight } from "../time/bars.ts"

const series = (symbol: string, places: ReadonlyArray<number>): BarSeries => {
  const rows = places.map((place) => {
    const close = 100 + ((place * 37 * symbol.charCodeAt(0)) % 23)
    const time = new Date(midnight + place * hourMs).toISOString()
    return [time, close, close + 2, close - 2, close + 1, 1 + (place % 5)].join(",")
  })
  return only(parse(`${symbol}_1h.csv`, ["timestamp,open,high,low,close,volume", ...rows].join("\n")))
}
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i)

const matricesOf = (first: BarSeries, ...others: ReadonlyArray<BarSeries>) =>
  Either.getOrThrow(runThrough(featureMatrix([first, ...others])))

const rowOf = ({ matrix, names }: FeatureMatrix, row: number) => [
  ...matrix.subarray(row * names.length, (row + 1) * names.length)
]

describe("a feature matrix", () => {
  const a = series("A", upTo(60))
  const b = series(
    "B",
    upTo(60).filter((place) => place % 7 !== 3)
  )

  it("has a row for each bar of each series, with what the incremental form gives", () => {
    const matrices = matricesOf(a, b)
    expect(matrices.map(({ asOf }) => asOf.length)).toEqual([a.close.length, b.close.length])
    const features = makeInstrumentFeatures([a.instrument.id, b.instrument.id])
    const next = [0, 0]
    for (const { asOf, bars } of Either.getOrThrow(makeAsOfSchedule([a, b]))) {
      features.push(asOf, bars).forEach((vector, i) => {
        const k = bars[i]?.instrument === a.instrument.id ? 0 : 1
        const matrix = matrices[k] as FeatureMatrix
        const row = (next[k] as number)++
        expect(matrix.asOf[row]).toBe(asOf)
        expect(rowOf(matrix, row)).toEqual(vector.values.map((value) => Math.fround(asNumber(value))))
      })
    }
  })

  it("says from which row on nothing is warming up", () => {
    const [matrix] = matricesOf(a)
    expect(matrix?.names).toEqual(instrumentFeatureSchema.names)
    expect(matrix?.validFrom).toBe(24)
    expect(rowOf(matrix as FeatureMatrix, 23).filter(Number.isNaN).length).toBeGreaterThan(1)
    // A single instrument has no correlation, ever.
    expect(
      rowOf(matrix as FeatureMatrix, 24)
        .map(Number.isNaN)
        .indexOf(true)
    ).toBe(7)
    expect(matricesOf(series("A", upTo(10)))[0]?.validFrom).toBe(10)
  })

  it("of a truncated history is the same, row by row", () => {
    const whole = matricesOf(a, b)
    fc.assert(
      fc.property(fc.integer({ min: 4, max: 60 }), (count) => {
        const cut = matricesOf(
          series("A", upTo(count)),
          series(
            "B",
            upTo(count).filter((place) => place % 7 !== 3)
          )
        )
        for (const [k, { matrix }] of cut.entries()) {
          expect(matrix).toEqual(whole[k]?.matrix.subarray(0, matrix.length))
        }
      }),
      { numRuns: 20 }
    )
  })

  it("comes in steps", () => {
    const steps = featureMatrix([series("A", upTo(1_000))])
    let count = 0
    while (steps.next().done !== true) count++
    expect(count).toBeGreaterThan(5)
  })

  it("is refused for one instrument twice", () => {
    expect(Either.isLeft(runThrough(featureMatrix([a, a])))).toBe(true)
  })

  it("of the market is never through with warming up where there are too few outcomes", () => {
    const sessions = upTo(40).map((i) => ({
      asOf: i,
      vix: 1,
      index: 1,
      putCallRatio: 1,
      panel: null,
      outcomes: []
    }))
    expect(runThrough(marketFeatureMatrix(sessions, { sectors: [] })).validFrom).toBe(40)
    const alone = sessions.map((session) => ({ ...session, outcomes: null }))
    expect(runThrough(marketFeatureMatrix(alone, { sectors: [] })).validFrom).toBe(20)
  })
})

describe("the rows at other as-ofs", () => {
  const features: FeatureMatrix = {
    schema: { version: 1, names: ["x"] },
    names: ["x"],
    asOf: Float64Array.of(10, 20, 30),
    matrix: Float32Array.of(1, 2, 3),
    validFrom: 1
  }

  it("are the latest that were known, and nothing where these are too old", () => {
    const joined = rowsAt(features, Float64Array.of(5, 10, 19, 20, 29, 30, 35, 36), 5)
    expect([...joined.matrix]).toEqual([Number.NaN, 1, Number.NaN, 2, Number.NaN, 3, 3, Number.NaN])
    expect(joined.validFrom).toBe(3)
    expect(rowsAt(features, Float64Array.of(1, 2), 5).validFrom).toBe(2)
  })
})
