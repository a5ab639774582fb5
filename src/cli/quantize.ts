/**
 * `conclave quantize`: a trained model with its matrices as eight bits, written only where it is no worse on held-out bars
 * than it may be.
 */
import { resolve } from "node:path"
import { Effect } from "effect"
import { checksumPath, readModelFile, writeModelFile } from "../agents/training/ModelFile.ts"
import type { Quantiles } from "../agents/training/modelLatency.ts"
import {
  type QuantisationKind,
  type QuantisedModel,
  quantiseModelFile
} from "../agents/training/quantiseModelFile.ts"
import { readBars } from "../agents/training/readBars.ts"
import type { TimeFrame } from "../protocols/TimeFrame.ts"
import { UsageError } from "./errors.ts"
import { note, table, writeJson, writeLine } from "./output.ts"
import { checkOutput } from "./outputFile.ts"
import { builtScripts, modelHostOptions } from "./processes.ts"
import type { LoadedSettings } from "./settings.ts"

export interface QuantizeOptions {
  readonly model: string
  readonly data: string
  readonly output: string
  readonly timeFrame?: TimeFrame
  readonly kind: QuantisationKind
  readonly accuracyLossMax: number
  readonly json: boolean
}

const signed = (value: number, digits: number): string => `${value > 0 ? "+" : ""}${value.toFixed(digits)}`

const render = ({ from, judgement, latency, matrices, moved }: QuantisedModel): string => {
  const { after, before, interval, lossAfter, lossBefore, lossIncrease, rows } = judgement
  const times = (old: number, made: number) => `${(made / old).toFixed(2)}x`
  const timed = (what: string, of: (side: (typeof latency)["before"]) => Quantiles) => {
    const [old, made] = [of(latency.before), of(latency.after)]
    return [
      [
        `${what}, median ms`,
        old.medianMs.toFixed(3),
        made.medianMs.toFixed(3),
        times(old.medianMs, made.medianMs)
      ],
      [`${what}, p99 ms`, old.p99Ms.toFixed(3), made.p99Ms.toFixed(3), times(old.p99Ms, made.p99Ms)]
    ]
  }
  const count = (treatment: (typeof matrices)[number]["treatment"]) =>
    matrices.filter((one) => one.treatment === treatment).length
  const whole = count("whole product")
  const ranges =
    whole === 0
      ? "floats again from loading on, which takes as long as before"
      : from.calibration === null
        ? "ranges are those of each batch: an answer depends, by a rounding, on the rows beside it"
        : `ranges from ${from.calibration.rows} rows of the training time`
  // Where the outcomes of validation did not follow the score, calibration leaves nothing of it in the probabilities.
  const said =
    moved.probability === 0
      ? "its probabilities do not follow its score: the log loss says nothing of what was lost"
      : `probabilities by ${moved.probability.toPrecision(2)}`
  const between =
    interval === undefined ? "" : `, 95% interval ${signed(interval.low, 6)} to ${signed(interval.high, 6)}`
  return [
    table([
      ["", before.name, after.name, "change"],
      ["bytes", String(before.bytes), String(after.bytes), times(before.bytes, after.bytes)],
      ...timed("1 row", ({ rows1 }) => rows1),
      ...timed("64 rows", ({ rows64 }) => rows64),
      ["log loss", lossBefore.toFixed(6), lossAfter.toFixed(6), signed(lossIncrease, 6)]
    ]),
    "",
    `Log loss over ${rows} held-out rows${between}; it may grow by ${judgement.bounds.lossIncreaseMax}.`,
    `At most the score moves by ${moved.score.toPrecision(2)} sigmas, ${said}.`,
    `Latency from the question to the model host to its answer, ${latency.before.rows1.questions} and ${latency.before.rows64.questions} questions each, in turns.`,
    `Matrices: ${whole} multiplied as eight bits, ${count("stored as eight bits")} stored as eight bits, ${count("float")} left as they are; ${ranges}.`
  ].join("\n")
}

export const quantize = ({ value: settings }: LoadedSettings, options: QuantizeOptions) =>
  Effect.gen(function* () {
    const { accuracyLossMax, data, kind, output } = options
    if (!(accuracyLossMax >= 0 && accuracyLossMax <= 1)) {
      return yield* new UsageError({
        reason: `--accuracy-loss-max ${accuracyLossMax} is not between 0 and 1.`
      })
    }
    for (const path of [output, checksumPath(output)]) {
      yield* checkOutput(path, [options.model, checksumPath(options.model), data])
    }
    const model = yield* readModelFile(options.model)
    const scripts = yield* builtScripts
    const bars = yield* readBars(data, settings, options.timeFrame ?? model.trained?.timeFrame)
    const quantised = yield* quantiseModelFile(model, bars, {
      kind,
      lossIncreaseMax: accuracyLossMax,
      seed: settings.run.seed,
      modelHost: modelHostOptions(settings, scripts)
    }).pipe(Effect.onInterrupt(() => note("conclave: stopped; nothing is written")))
    const path = resolve(output)
    const digest = yield* writeModelFile(path, quantised.artefact)
    if (options.json) {
      const { from, judgement, latency, matrices, moved } = quantised
      const { interval, lossAfter, lossBefore, lossIncrease, rows } = judgement
      return yield* writeJson({
        type: "quantisation",
        model: options.model,
        output: path,
        digest,
        ...from,
        rows,
        bytes: { before: judgement.before.bytes, after: judgement.after.bytes },
        latency,
        logLoss: {
          before: lossBefore,
          after: lossAfter,
          increase: lossIncrease,
          increaseMax: accuracyLossMax,
          interval: interval ?? null
        },
        moved,
        matrices
      })
    }
    yield* writeLine(render(quantised))
    yield* writeLine(`\nmodel:   ${path}\nSHA-256: ${digest}, made of ${model.digest.slice(0, 12)}…`)
  })
