import { describe, expect, it } from "@effect/vitest"
import { Effect, Either } from "effect"
import type { ForecastFile } from "../../../src/agents/training/forecastFile.ts"
import {
  checkForecast,
  type ForecastOptions,
  forecastNetworks,
  judgeForecasts
} from "../../../src/agents/training/judgeForecasts.ts"
import { openWithOnnxruntime } from "../../../src/agents/training-host/onnxruntime.ts"
import { publishedBatch, publishedWindows } from "../../../src/learning/evaluation/ForecastProtocol.ts"
import { type ForecastEntry, forecastBenchmark } from "../../../src/learning/training/ForecastBenchmark.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"
import { bundled } from "../../support/bundle.ts"

const columns = 2

/** Two columns that swing with a period of five rows, in noise. */
const fileOf = (rows: number): ForecastFile => {
  const random = keyedRandom("forecasts", rows)
  const values = Float64Array.from({ length: rows * columns }, (_, i) => {
    const swing = Math.sin((2 * Math.PI * Math.floor(i / columns)) / 5 + (i % columns))
    return 100 + 20 * swing + random.normal()
  })
  return {
    path: "table.csv",
    digest: "0".repeat(64),
    series: { values, rows, columns },
    names: ["a", "b"],
    protocol: "exchange_rate",
    seasonRows: 5
  }
}

const fileOfSize = (rows: number): ForecastFile => ({
  ...file,
  series: { values: new Float64Array(rows), rows, columns: 1 }
})

const horizon = 4
const file = fileOf(1_000)
const small = (entry: ForecastEntry): ForecastEntry => ({ ...entry, epochsMax: 1, batchRows: 128 })
const entryOf = (name: string) => small(forecastNetworks(file).get(name) as ForecastEntry)

const judged = (entries: ReadonlyArray<ForecastEntry>, more: Partial<ForecastOptions> = {}) =>
  Effect.flatMap(bundled("src/agents/model-host/main.ts"), (script) =>
    judgeForecasts(file, { horizon, entries, seed: 1, script, tell: () => Effect.void, ...more })
  )

describe("forecasts that are judged as the papers do", () => {
  it.scopedLive(
    "are those of the benchmark, to the last bit, though another process computes them",
    () =>
      Effect.gen(function* () {
        const entries = [entryOf("dlinear"), entryOf("cnn")]
        const told: Array<string> = []
        const report = yield* judged(entries, {
          tell: ({ event, model }) =>
            Effect.sync(() => void (event.type === "epoch" ? told.push(model) : undefined))
        })
        expect(told).toEqual(["DLinear", "CNN"])
        const names = report.rows.map(({ model }) => model)
        expect(names).toEqual([
          ...["repeat-last", "seasonal 5", "linear", "linear on differences"],
          ...["DLinear", "CNN"]
        ])
        expect(report.comparison.rows.map(({ model }) => model)).toEqual(names)

        const direct = yield* Effect.promise(async () => {
          const { protocol: dataset, series } = file
          const running = forecastBenchmark({
            dataset,
            series,
            horizon,
            entries,
            open: openWithOnnxruntime,
            seed: 1
          })
          for (;;) {
            const { done, value } = await running.next()
            if (done === true) return value
          }
        })
        for (const row of direct) expect(report.rows).toContainEqual(row)
        expect(direct).toHaveLength(4)
      }),
    60_000
  )

  it.scopedLive("see what repeats itself, and say which difference is one", () =>
    Effect.gen(function* () {
      const { comparison, parts, rows, scaling } = yield* judged([])
      const verdicts = new Map(comparison.rows.map(({ model, verdict }) => [model, verdict]))
      expect(verdicts.get("seasonal 5")).toBe("beats the baseline")
      expect(verdicts.get("linear")).toBe("beats the baseline")
      expect(parts).toEqual({
        train: { first: 0, end: 700 },
        validation: { first: 700, end: 800 },
        test: { first: 800, end: 1_000 }
      })
      expect(scaling.means.every((mean) => Math.abs(mean - 100) < 1)).toBe(true)
      const [last] = rows
      expect(last?.scores.windows).toBe(200 - horizon + 1)
      expect(last?.published.windows).toBe(192)
      expect(yield* judged([])).toEqual({ comparison, parts, rows, scaling })
    })
  )

  it("are refused where there are too few rows, and else have a whole batch of windows", () => {
    for (let steps = 1; steps <= 100; steps++) {
      for (let rows = 500; rows <= 1_500; rows += 10) {
        const made = fileOfSize(rows)
        if (Either.isLeft(checkForecast(made, steps))) continue
        const windows = publishedWindows(made.protocol, made.series, { inputLength: 336, horizon: steps })
        expect(Either.getOrThrow(windows).test.count).toBeGreaterThanOrEqual(publishedBatch)
      }
    }
    const reason = (rows: number, steps = horizon) =>
      Either.match(checkForecast(fileOf(rows), steps), {
        onLeft: ({ message }) => message,
        onRight: () => ""
      })
    expect(reason(1_000)).toBe("")
    expect(reason(300)).toContain("its 300 rows do not do for a horizon of 4")
    expect(reason(1_000, 90)).toBe("")
    expect(reason(1_000, 101)).toContain("the part has 100 rows: 101 are needed")
    const short = { ...fileOf(2_000), protocol: "ETTh1" }
    expect(Either.isLeft(checkForecast(short, horizon))).toBe(true)
  })

  it.scopedLive("say what the process that computes them died of", () =>
    Effect.gen(function* () {
      const failed = yield* Effect.flip(judged([], { script: "/nowhere/host.js" }))
      expect(failed.message).toMatch(/^The child process "model-host" failed: it ended with 1/)
    })
  )
})
