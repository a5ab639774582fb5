import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import fc from "fast-check"
import { closedBy } from "../../../src/agents/backtest/featurePeeks.ts"
import { instrumentFeatureTable } from "../../../src/agents/features/instrumentFeatureTable.ts"
import { runThrough } from "../../../src/learning/steps.ts"
import { type BarSeries, closeTimeAt } from "../../../src/market/BarSeries.ts"
import { featureMatrix } from "../../../src/market/features/FeatureMatrix.ts"
import { cut, simulatedSeries } from "../training/bars.ts"

const [alpha, bravo] = simulatedSeries({ bars: 80, instruments: 2 }) as readonly [BarSeries, BarSeries]
const series = [alpha, { ...cut(bravo, 60), volume: null }] as const

const tableOf = (of: readonly [BarSeries, ...ReadonlyArray<BarSeries>]) =>
  Either.getOrThrow(runThrough(instrumentFeatureTable(of)))
const linesOf = (of: readonly [BarSeries, ...ReadonlyArray<BarSeries>]) =>
  Buffer.concat(tableOf(of).parts).toString().trimEnd().split("\n")

describe("the features of instruments, of bars", () => {
  it("are a row for each bar, as-of by as-of, and those of the matrix", () => {
    const [header = "", ...lines] = linesOf(series)
    const matrices = Either.getOrThrow(runThrough(featureMatrix(series)))
    expect(lines.length).toBe(140)
    const rows = lines.map((line) => line.split(","))
    expect([...rows].sort((a, b) => ((a[0] as string) < (b[0] as string) ? -1 : 1))).toEqual(rows)
    const names = header.split(",").slice(2, -1)
    series.forEach(({ instrument, openTime }, i) => {
      const own = rows.filter(([, id]) => id === instrument.id)
      expect(own.length).toBe(openTime.length)
      const { asOf, matrix } = matrices[i] as (typeof matrices)[number]
      own.forEach(([time, , ...cells], bar) => {
        expect(Date.parse(time as string)).toBe(asOf[bar])
        names.forEach((_, k) => {
          const cell = cells[k] as string
          expect(cell === "" ? Number.NaN : Math.fround(Number(cell))).toEqual(matrix[bar * names.length + k])
        })
      })
    })
    expect(rows.at(-1)?.at(-1)).toBe("correlation_24 undefined")
  })

  it("of a truncated history are the first rows of the whole one", () => {
    const whole = linesOf(series)
    const at = (bar: number) => closeTimeAt(alpha, bar)
    fc.assert(
      fc.property(fc.integer({ min: at(0), max: at(79) }), (instant) => {
        const [first, ...others] = series.map((one) => closedBy(one, instant)) as [
          BarSeries,
          ...Array<BarSeries>
        ]
        const lines = linesOf([first, ...others])
        expect(lines).toEqual(whole.slice(0, lines.length))
      }),
      { numRuns: 15 }
    )
  })

  it("are refused for one instrument twice", () => {
    const refusal = Either.getOrThrow(Either.flip(runThrough(instrumentFeatureTable([alpha, alpha]))))
    expect(refusal._tag).toBe("DuplicateInstrument")
  })
})
