/**
 * The published tables of multivariate forecasting, recomputed: every data set of the reference data that the results
 * file has rows of, by the papers' own protocol.
 *
 * - repeat-last, to the last digit that is printed, as published (last partial batch dropped) and over all windows;
 * - the closed forms of the linear forecasters, to the three digits of the recomputed rows;
 * - the linear forecasters with the ridge that validation takes, no worse than those rows, and told in a table.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { setImmediate } from "node:timers/promises"
import { gunzipSync } from "node:zlib"
import { afterAll, describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import * as Baselines from "../../src/learning/evaluation/Baselines.ts"
import {
  compareModels,
  type Judged,
  renderComparison
} from "../../src/learning/evaluation/ComparisonTable.ts"
import {
  evaluateForecaster,
  type ForecastScores,
  type ProtocolWindows,
  publishedBatch,
  publishedWindows
} from "../../src/learning/evaluation/ForecastProtocol.ts"
import { parseForecastTable } from "../../src/learning/evaluation/ForecastTable.ts"
import {
  fitLinearForecast,
  linearForecaster,
  ridgesDefault
} from "../../src/learning/evaluation/LinearForecast.ts"
import { type Forecaster, type Series, wholeBatches } from "../../src/learning/evaluation/Windows.ts"
import { runThrough, type Steps } from "../../src/learning/steps.ts"
import { root } from "./referenceFiles.ts"

const folder = join(root, "forecast")
const resultsFile = "published_results.csv"
const names = existsSync(folder) ? readdirSync(folder).sort() : []
const tables = names.filter((name) => /\.csv(\.gz)?$/.test(name) && name !== resultsFile)
const skipped = tables.length === 0 || !names.includes(resultsFile)
const title = skipped
  ? `forecasting tables (skipped: no data sets with ${resultsFile} in ${folder}; set CONCLAVE_DATA to a folder that has them)`
  : `forecasting tables of ${folder}`

const textOf = (name: string): string => {
  const bytes = readFileSync(join(folder, name))
  return (name.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8")
}

interface Row {
  readonly dataset: string
  readonly method: string
  readonly source: string
  readonly inputLength: number | "any"
  readonly horizon: number
  /** As printed: how many digits there are counts. */
  readonly mse: string
  readonly mae: string
}

/** dataset,method,source,input_length,horizon,mse,mae; the method may be quoted for its comma. */
const rowsOf = (text: string): ReadonlyArray<Row> =>
  text
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => {
      const fields = [...line.trim().matchAll(/"([^"]*)"|([^,"]+)/g)].map(
        ([, quoted, plain]) => quoted ?? plain ?? ""
      )
      expect(fields, line).toHaveLength(7)
      const [dataset, method, source, inputLength, horizon, mse, mae] = fields as [
        string,
        string,
        string,
        string,
        string,
        string,
        string
      ]
      const length = inputLength === "any" ? "any" : Number(inputLength)
      return { dataset, method, source, inputLength: length, horizon: Number(horizon), mse, mae }
    })

const rows = skipped ? [] : rowsOf(textOf(resultsFile))

const sliceMs = 50

/** All steps, and between them the event loop: the runner is told how tests go in minutes of arithmetic. */
const run = async <A>(steps: Steps<A>): Promise<A> => {
  for (let since = performance.now(); ; ) {
    const step = steps.next()
    if (step.done === true) return step.value
    if (performance.now() - since > sliceMs) {
      await setImmediate()
      since = performance.now()
    }
  }
}

const seriesByName = new Map<string, Series>()
const seriesOf = (file: string): Series => {
  const found =
    seriesByName.get(file) ?? Either.getOrThrow(runThrough(parseForecastTable(textOf(file)))).series
  seriesByName.set(file, found)
  return found
}

const windowsOf = (file: string, inputLength: number, horizon: number): ProtocolWindows =>
  Either.getOrThrow(
    publishedWindows(file.replace(/\.csv(\.gz)?$/, ""), seriesOf(file), { inputLength, horizon })
  )

/** Half a unit of the last digit that is printed: what rounding leaves open. */
const halfUnit = (printed: string): number => 0.5 * 10 ** -(printed.split(".")[1]?.length ?? 0) + 1e-12

/** The published tables have three digits, trailing zeros left out. */
const toThree = (printed: string): string =>
  Number(printed).toFixed(Math.max(3, printed.split(".")[1]?.length ?? 0))

const expectPrinted = (scores: ForecastScores, row: Row) => {
  for (const metric of ["mse", "mae"] as const) {
    const printed = toThree(row[metric])
    const gap = Math.abs(scores[metric] - Number(printed))
    expect(gap, `${metric} ${scores[metric]}, printed ${printed}`).toBeLessThanOrEqual(halfUnit(printed))
  }
}

/**
 * The ridge behind the recomputed rows is not told. This one gives all of them to the last digit; 1 and 100 miss one
 * here and there, by 0.0001 at the most.
 */
const recomputedRidge = 30

const told: Array<string> = []

describe.skipIf(skipped)(title, () => {
  afterAll(() => {
    if (told.length > 0) process.stdout.write(`${told.join("\n")}\n`)
  })

  it("are there", () => {
    expect(tables.length).toBeGreaterThan(0)
    expect(rows.length).toBeGreaterThan(0)
  })

  for (const file of tables) {
    const dataset = file.replace(/\.csv(\.gz)?$/, "")
    const own = rows.filter((row) => row.dataset === dataset)

    describe(dataset, () => {
      it("parses whole", () => {
        const { columns, rows: count, values } = seriesOf(file)
        const lines = textOf(file).trimEnd().split("\n")
        expect(columns * count).toBe(values.length)
        expect(lines.length - count).toBe(lines[0]?.toLowerCase().startsWith("date") ? 1 : 0)
      })

      const repeated = own.filter(({ method }) => method.includes("repeat-last"))
      it.each(repeated.map((row) => [row.method, row.source, row.horizon, row] as const))(
        "%s (%s), horizon %d",
        async (_, __, ___, row) => {
          const { test } = windowsOf(file, 96, row.horizon)
          const forecaster = Either.getOrThrow(await run(Baselines.repeatLast.fit(test, test)))
          const judged = row.source === "all windows" ? test : wholeBatches(test, publishedBatch)
          expectPrinted(Either.getOrThrow(await run(evaluateForecaster(judged, forecaster))), row)
        }
      )

      const linear = own.filter(({ method }) => method.startsWith("computed: ridge linear"))
      it.each(linear.map((row) => [row.method, row.inputLength, row.horizon, row] as const))(
        "%s, input %d, horizon %d",
        async (_, inputLength, horizon, row) => {
          const windows = windowsOf(file, inputLength as number, horizon)
          const fit = fitLinearForecast(windows.train, windows.validation, {
            differences: row.method.includes("minus last value"),
            perColumn: false,
            ridges: [recomputedRidge]
          })
          const forecaster = linearForecaster(Either.getOrThrow(await run(fit)))
          expectPrinted(Either.getOrThrow(await run(evaluateForecaster(windows.test, forecaster))), row)
        }
      )

      it("takes a ridge by validation that does no worse than next to none, and nobody does far better", async () => {
        const inputLength = 336
        const horizon = 96
        const windows = windowsOf(file, inputLength, horizon)
        const judge = (model: string, scores: ForecastScores): Judged => ({
          model,
          metrics: [
            { name: "mse", value: scores.mse },
            { name: "mae", value: scores.mae }
          ],
          losses: scores.squaredErrors
        })
        const evaluate = async (forecaster: Forecaster) =>
          Either.getOrThrow(await run(evaluateForecaster(windows.test, forecaster)))
        const repeatLast = Either.getOrThrow(
          await run(Baselines.repeatLast.fit(windows.train, windows.validation))
        )
        const baseline = judge("repeat-last", await evaluate(repeatLast))
        const models: Array<Judged> = []
        for (const differences of [true, false]) {
          for (const perColumn of [false, true]) {
            const options = { differences, perColumn, ridges: ridgesDefault }
            const fit = await run(fitLinearForecast(windows.train, windows.validation, options))
            const model = Either.getOrThrow(fit)
            const scores = await evaluate(linearForecaster(model))
            const kind = `${differences ? "differences" : "levels"}, ${perColumn ? "per column" : "shared"}`
            models.push(judge(`${kind}, ridge ${model.ridge}`, scores))
            if (!differences || perColumn) continue
            const recomputed = own.find(
              (row) =>
                row.method.includes("minus last value") &&
                row.inputLength === inputLength &&
                row.horizon === horizon
            )
            if (recomputed === undefined) continue
            expect(scores.mse).toBeLessThanOrEqual(Number(recomputed.mse) + halfUnit("0.000"))
            expect(scores.mae).toBeLessThanOrEqual(Number(recomputed.mae) + halfUnit("0.000"))
          }
        }
        const table = await run(
          compareModels(baseline, models, { overlap: horizon, key: ["forecastFiles", dataset] })
        )
        told.push(dataset, renderComparison(table))
        const printed = own.filter((row) => row.horizon === horizon).map(({ mse }) => Number(mse))
        // Far below all that was ever published would be a leak.
        const least = printed.length === 0 ? 0 : 0.95 * Math.min(...printed)
        for (const { metrics } of table.rows) expect(metrics[0]?.value).toBeGreaterThan(least)
      })
    })
  }
})
