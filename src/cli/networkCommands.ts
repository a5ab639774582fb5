/** The commands about networks: `train`, `predict`, `evaluate`. They work on files and need nothing that runs. */
import { Command, Options } from "@effect/cli"
import { Effect, Option } from "effect"
import type { Settings } from "../agents/Settings.ts"
import { modelNames } from "../agents/training/NetworkChoice.ts"
import type { ParsedArguments } from "./arguments.ts"
import { evaluate, predict } from "./askModel.ts"
import { type LoadedSettings, loadSettings } from "./settings.ts"
import { train } from "./train.ts"

const json = Options.boolean("json").pipe(
  Options.withDescription("the result as JSON on standard output, and nothing else")
)
const dataFile = Options.text("data").pipe(
  Options.withDescription("a file of bars, CSV or gzip; --symbol, --last and --time-frame choose from it")
)
const modelFile = Options.text("model").pipe(Options.withDescription("an ONNX file that gives opinions"))

const whole = (name: string, description: string) =>
  Options.integer(name).pipe(Options.optional, Options.withDescription(description))

/** What is given, by name; what is not is left out. */
const given = <A extends Readonly<Record<string, Option.Option<unknown>>>>(options: A) =>
  Object.fromEntries(
    Object.entries(options).flatMap(([name, value]) => (Option.isSome(value) ? [[name, value.value]] : []))
  ) as { readonly [K in keyof A]?: Option.Option.Value<A[K]> }

const timeFrameFlag = "--market-data.time-frame"

export const networkCommands = (args: ParsedArguments) => {
  const loaded = <A, E, R>(
    run: (
      loaded: LoadedSettings,
      own: { readonly timeFrame?: Settings["marketData"]["timeFrame"] }
    ) => Effect.Effect<A, E, R>
  ) =>
    Effect.flatMap(loadSettings(args), (settings) => {
      // The configured one is that of the simulator: a file has its own unless this command says otherwise.
      const isGiven = args.flags.some(([flag]) => flag === timeFrameFlag)
      return run(settings, isGiven ? { timeFrame: settings.value.marketData.timeFrame } : {})
    })

  const trainCommand = Command.make(
    "train",
    {
      model: Options.choice("model", modelNames).pipe(Options.withDescription("which network")),
      data: dataFile,
      horizon: whole("horizon", "bars to look ahead; orchestrator.horizonBars unless given"),
      output: Options.text("output").pipe(
        Options.optional,
        Options.withDescription("the artefact; named by network, instrument and time frame unless given")
      ),
      epochs: whole("epochs", "at most so many; 50 unless given"),
      patience: whole("patience", "epochs without a better validation before it ends; 5 unless given"),
      batch: whole("batch", "rows of a batch; models.trainingBatchSize unless given"),
      rate: Options.float("rate").pipe(
        Options.optional,
        Options.withDescription("learning rate; models.trainingLearningRate unless given")
      ),
      length: whole("length", "bars of a sequence; 60 unless given, 100 for cnn"),
      layers: whole("layers", "3 for lstm and gru unless given, 4 for transformer, 2 for cnn and mlp"),
      width: whole("width", "units of a layer, filters, width of a transformer; as configured unless given"),
      json
    },
    ({ batch, data, epochs, horizon, json, layers, length, model, output, patience, rate, width }) =>
      loaded((settings, own) =>
        train(settings, {
          model,
          data,
          json,
          ...own,
          ...given({ batchRows: batch, epochs, horizon, layers, length, output, patience, rate, width })
        })
      )
  ).pipe(
    Command.withDescription(
      "Trains a network on a file of bars, judges it on the last 15% of it, and writes an ONNX file that gives opinions, with a report beside it. --seed seeds it."
    )
  )
  const predictCommand = Command.make(
    "predict",
    {
      model: modelFile,
      input: Options.text("input").pipe(
        Options.withDescription("a CSV of the model's features, sigma and band, or a file of bars")
      ),
      output: Options.text("output").pipe(
        Options.withDescription("a CSV, written when all rows are answered")
      ),
      json
    },
    (options) => loaded((settings, own) => predict(settings, { ...options, ...own }))
  ).pipe(Command.withDescription("What a model says of every row of a file."))
  const evaluateCommand = Command.make("evaluate", { model: modelFile, data: dataFile, json }, (options) =>
    loaded((settings, own) => evaluate(settings, { ...options, ...own }))
  ).pipe(
    Command.withDescription("Judges a model on bars that it has not learned from, beside the base rate.")
  )
  return [trainCommand, predictCommand, evaluateCommand] as const
}
