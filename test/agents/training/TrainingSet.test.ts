import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import { inputFeatures, inputFeaturesNames } from "../../../src/agents/training/InputFeatures.ts"
import { barsBeforeOf, type SequenceInput } from "../../../src/agents/training/ModelInput.ts"
import type { QuestionRows } from "../../../src/agents/training/QuestionRows.ts"
import { makeTrainingSet, type TrainingSet } from "../../../src/agents/training/TrainingSet.ts"
import { decodeTrainingData, encodeTrainingData } from "../../../src/agents/training-host/TrainingData.ts"
import { runThrough } from "../../../src/learning/steps.ts"
import type { BarSeries } from "../../../src/market/BarSeries.ts"
import { featureMatrix } from "../../../src/market/features/FeatureMatrix.ts"
import { sequenceFeatures } from "../../../src/market/SequenceFeatures.ts"
import { costs, cut, simulatedSeries } from "./bars.ts"

const input = { kind: "sequence", features: "bars", length: 12 } as const satisfies SequenceInput
const horizonBars = 4
const make = (series: ReadonlyArray<BarSeries>, of: SequenceInput = input) =>
  runThrough(makeTrainingSet(series, { path: "bars.csv", input: of, horizonBars, costs }))
const made = (series: ReadonlyArray<BarSeries>, of?: SequenceInput) => Either.getOrThrow(make(series, of))

const series = simulatedSeries({ bars: 700, instruments: 2 })
const [first, second] = series as readonly [BarSeries, BarSeries]
const set = made(series)

const latest = ({ labelEnd }: QuestionRows) => Math.max(...labelEnd)
const earliest = ({ asOf }: QuestionRows) => Math.min(...asOf)

describe("the set that a network learns from", () => {
  it("is parted by time, and no horizon reaches into the part that follows", () => {
    const { heldOut, training, validation } = set
    expect(latest(training)).toBeLessThan(earliest(validation))
    expect(latest(validation)).toBeLessThan(earliest(heldOut))
    const all = 2 * (700 - 64 - horizonBars)
    const kept = training.rows + validation.rows + heldOut.rows
    expect(kept).toBeLessThan(all)
    expect(kept).toBeGreaterThan(all - 8 * horizonBars)
    expect(training.rows / all).toBeCloseTo(0.7, 1)
  })

  it("gives each row the window that ends at its bar, normalised by what was seen in training", () => {
    const features = sequenceFeatures.bars
    const width = features.names.length
    const raw = new Float32Array(width)
    const { data, normalisation, training, validation } = set
    for (const [given, rows] of [
      [data.training, training],
      [data.validation, validation]
    ] as const) {
      expect(given.ends.length).toBe(rows.rows)
      expect([...given.targets]).toEqual([...rows.z].map(Math.fround))
      for (const i of [0, 1, 33, rows.rows - 1]) {
        for (const ago of [0, 5, input.length - 1]) {
          features.fill(
            series[rows.instrument[i] as number] as BarSeries,
            (rows.bar[i] as number) - ago,
            raw,
            0
          )
          const step = (given.ends[i] as number) - ago
          raw.forEach((value, k) => {
            const x = (value - (normalisation.means[k] as number)) / (normalisation.deviations[k] as number)
            const clipped = Math.max(-10, Math.min(10, x))
            expect(data.series[step * width + k]).toBe(Math.fround(clipped))
          })
        }
      }
    }
  })

  it.each(["bars", "instruments"] as const)(
    "holds nothing that came after the rows it is given for: %s",
    (features) => {
      const of = { ...input, features }
      const { data, heldOut, normalisation, scaling, training } = made(series, of)
      const change = (one: BarSeries, from: number): BarSeries => {
        const changed = (values: Float64Array) =>
          values.map((value, i) => ((one.openTime[i] as number) >= from ? value * 3 : value))
        return {
          ...one,
          open: changed(one.open),
          high: changed(one.high),
          low: changed(one.low),
          close: changed(one.close)
        }
      }
      // Held-out prices change nothing of what the training host is given.
      const later = made(
        series.map((one) => change(one, earliest(heldOut))),
        of
      )
      expect(later.data).toEqual(data)
      // Prices after the training rows change nothing of the normalisation.
      const after = made(
        series.map((one) => change(one, latest(training))),
        of
      )
      expect(after.normalisation).toEqual(normalisation)
      expect(after.scaling).toEqual(scaling)
      expect(after.data).not.toEqual(data)
    }
  )

  it("shows what instruments do together as it was over the training rows, and as usual what is absent", () => {
    // Nothing is known of volumes, and one by itself has no correlation.
    const alone = { ...first, volume: null }
    const of = { ...input, features: "instruments" } as const
    const { lookBack, names } = inputFeatures.instruments
    const width = names.length
    for (const instruments of [series, [alone]]) {
      const { data, scaling, training } = made(instruments, of)
      const matrices = Either.getOrThrow(
        runThrough(featureMatrix(instruments as [BarSeries, ...Array<BarSeries>]))
      )
      const seenTo = training.asOf.at(-1) as number
      const seen = matrices.flatMap(({ asOf, matrix }) =>
        [...asOf].flatMap((time, bar) =>
          time <= seenTo && bar >= lookBack ? [[...matrix.slice(bar * width, (bar + 1) * width)]] : []
        )
      )
      names.forEach((name, k) => {
        const values = seen.map((row) => row[k] as number).filter((value) => !Number.isNaN(value))
        const mean = values.reduce((sum, value) => sum + value, 0) / Math.max(values.length, 1)
        expect([name, scaling?.means[k]]).toEqual([name, expect.closeTo(mean, 10)])
      })
      const missing = instruments.length === 1 ? ["volume_ratio_24", "correlation_24"] : []
      for (const i of [0, 7, training.rows - 1]) {
        const matrix = matrices[training.instrument[i] as number]?.matrix as Float32Array
        for (const ago of [0, 11]) {
          const bar = (training.bar[i] as number) - ago
          const step = (data.training.ends[i] as number) - ago
          names.forEach((name, k) => {
            const [mean, deviation] = [scaling?.means[k] as number, scaling?.deviations[k] as number]
            const x = Math.max(-10, Math.min(10, ((matrix[bar * width + k] as number) - mean) / deviation))
            const expected = missing.includes(name) ? 0 : Math.fround(x)
            expect([name, data.series[step * width + k]]).toEqual([name, expected])
          })
        }
      }
    }
  })

  it("is what the training host takes, whatever the features are", () => {
    for (const features of inputFeaturesNames) {
      const { data } = Either.getOrThrow(make(series, { ...input, features }))
      const bytes = Buffer.concat(encodeTrainingData(data))
      expect(Either.getOrThrow(decodeTrainingData(bytes))).toEqual(data)
      expect(data.features).toBe(inputFeatures[features].names.length)
    }
  })

  it("is made of instruments that begin and end at other times", () => {
    const late = {
      ...second,
      ...Object.fromEntries(
        ["openTime", "open", "high", "low", "close", "volume"].map((name) => [
          name,
          second[name as "open"].slice(300)
        ])
      )
    } as BarSeries
    const mixed: TrainingSet = made([first, late])
    expect(new Set(mixed.heldOut.instrument)).toEqual(new Set([0, 1]))
    expect(mixed.training.instrument.filter((one) => one === 1).length).toBeGreaterThan(0)
    const short = made([first, cut(second, 100)])
    expect(new Set(short.heldOut.instrument)).toEqual(new Set([0]))
    expect(Either.isRight(make([first, cut(second, 10)]))).toBe(true)
  })

  it("is refused where the bars are too few, and says how many it takes", () => {
    const refusal = (bars: number) => Either.getOrThrow(Either.flip(make([cut(first, bars)]))).message
    expect(refusal(20)).toMatch(/^bars\.csv has too few bars: 20 where 69 are needed \(a sequence of 12 bars/)
    expect(refusal(300)).toMatch(/300 where \d+ are needed/)
    expect(barsBeforeOf(input)).toBe(20 + 12 - 1)
  })

  it("is refused where a feature is no number, and names it", () => {
    const open = first.open.slice()
    const close = first.close.slice()
    close[90] = 1e-320
    const refusal = Either.getOrThrow(Either.flip(make([{ ...first, open, close }])))
    expect(refusal).toMatchObject({ _tag: "FeatureNotFinite" })
    expect(refusal.message).toContain(
      "the bar of ALPHA at 2024-01-04T18:00:00.000Z: the feature ret_1 is -Infinity"
    )
  })
})
