/** `conclave predict` and `conclave evaluate`: a model that is a file, asked about a file. */
import { resolve } from "node:path"
import { Effect } from "effect"
import { evaluateModel } from "../agents/training/evaluateModel.ts"
import { readModelFile } from "../agents/training/ModelFile.ts"
import { predict as predictFile } from "../agents/training/predictions.ts"
import { readBars } from "../agents/training/readBars.ts"
import { writeWhole } from "../agents/training-host/wholeFile.ts"
import type { TimeFrame } from "../protocols/TimeFrame.ts"
import { note, writeJson, writeLine } from "./output.ts"
import { checkOutput } from "./outputFile.ts"
import { builtScripts, modelHostOptions } from "./processes.ts"
import { renderHeldOut, verdictsOf } from "./report/comparisons.ts"
import type { LoadedSettings } from "./settings.ts"

export interface PredictOptions {
  readonly model: string
  readonly input: string
  readonly output: string
  readonly timeFrame?: TimeFrame
  readonly json: boolean
}

export const predict = ({ value: settings }: LoadedSettings, options: PredictOptions) =>
  Effect.gen(function* () {
    yield* checkOutput(options.output, [options.input, options.model])
    const model = yield* readModelFile(options.model)
    const scripts = yield* builtScripts
    const { lines } = yield* predictFile(
      model,
      options.input,
      {
        settings,
        modelHost: modelHostOptions(settings, scripts),
        horizonBars: settings.orchestrator.horizonBars
      },
      options.timeFrame
    )
    yield* writeWhole(resolve(options.output), [Buffer.from(`${lines.join("\n")}\n`)], 0o644)
    const rows = lines.length - 1
    const { digest } = model
    if (options.json)
      return yield* writeJson({ type: "predictions", output: resolve(options.output), rows, digest })
    yield* writeLine(`${rows} rows in ${options.output}`)
  })

export interface EvaluateOptions {
  readonly model: string
  readonly data: string
  readonly timeFrame?: TimeFrame
  readonly json: boolean
}

export const evaluate = ({ value: settings }: LoadedSettings, options: EvaluateOptions) =>
  Effect.gen(function* () {
    const model = yield* readModelFile(options.model)
    const scripts = yield* builtScripts
    const bars = yield* readBars(options.data, settings, options.timeFrame ?? model.trained?.timeFrame)
    const { report, seen } = yield* evaluateModel(model, bars, {
      horizonBars: settings.orchestrator.horizonBars,
      settings,
      modelHost: modelHostOptions(settings, scripts)
    })
    if (options.json) {
      return yield* writeJson({
        type: "evaluation",
        model: options.model,
        digest: model.digest,
        data: options.data,
        rows: report.rows,
        seen,
        heldOut: report,
        verdicts: verdictsOf(report)
      })
    }
    if (seen > 0) yield* note(`conclave: ${seen} rows are left out: the model has learned from their time`)
    yield* writeLine(renderHeldOut(report))
  })
