/**
 * The forecasting tables of the papers, horizon 96: closed forms and our networks on every data set of
 * $CONCLAVE_DATA/forecast, by the papers' own protocol.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { gunzipSync } from "node:zlib"
import { Either } from "effect"
import { openWithOnnxruntime } from "../src/agents/training-host/onnxruntime.ts"
import { parseForecastTable } from "../src/learning/evaluation/ForecastTable.ts"
import { runThrough } from "../src/learning/steps.ts"
import { forecastBenchmark, forecastEntries } from "../src/learning/training/ForecastBenchmark.ts"
import { type Bench, line, print } from "./support/report.ts"

const horizon = 96

export const forecast: Bench = {
  name: "forecast",
  run: async ({ root, smoke }) => {
    const folder = join(process.env.CONCLAVE_DATA ?? join(root, "..", "shared", "data"), "forecast")
    const files = existsSync(folder)
      ? readdirSync(folder).filter((name) => /\.csv(\.gz)?$/.test(name) && name !== "published_results.csv")
      : []
    print(`forecast: horizon ${horizon}, mean squared and absolute error on standardised values`)
    if (files.length === 0) return print(`  skipped: no data sets in ${folder}; set CONCLAVE_DATA`)
    for (const file of files.sort()) {
      const dataset = file.replace(/\.csv(\.gz)?$/, "")
      const bytes = readFileSync(join(folder, file))
      const text = (file.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8")
      const { series } = Either.getOrThrow(runThrough(parseForecastTable(text)))
      const entries = forecastEntries(dataset).map((entry) => (smoke ? { ...entry, epochsMax: 1 } : entry))
      const running = forecastBenchmark({
        dataset,
        series,
        horizon,
        entries: smoke ? entries.slice(0, 1) : entries,
        open: openWithOnnxruntime,
        seed: 1
      })
      let step = await running.next()
      for (; step.done !== true; step = await running.next()) {
        const { event, model } = step.value
        if (event.type === "epoch" && process.env.CONCLAVE_VERBOSE !== undefined) {
          process.stderr.write(
            `${model} epoch ${event.epoch}: ${event.trainingLoss.toFixed(4)} ${event.validationLoss.toFixed(4)}\n`
          )
        }
      }
      print(` ${dataset}, ${series.rows} x ${series.columns}`)
      for (const { inputLength, model, published, scores } of step.value) {
        const figure = `${published.mse.toFixed(3)} / ${published.mae.toFixed(3)}`
        line(
          `${model}, input ${inputLength}`,
          figure,
          `all windows ${scores.mse.toFixed(4)} / ${scores.mae.toFixed(4)}`
        )
      }
    }
  }
}
