/**
 * The commands about models: `train`, `predict`, `evaluate`, `quantize`, `model import`. They work on files and need nothing
 * that runs.
 */
import { Args, Command, Options } from "@effect/cli"
import { Effect, Option } from "effect"
import { forecastDatasets } from "../agents/training/forecastFile.ts"
import { featureChoices, modelNames } from "../agents/training/NetworkChoice.ts"
import { quantisationKinds } from "../agents/training/quantiseModelFile.ts"
import type { TimeFrame } from "../protocols/TimeFrame.ts"
import type { ParsedArguments } from "./arguments.ts"
import { evaluate, predict } from "./askModel.ts"
import { forecastBenchmark } from "./benchmark.ts"
import { UsageError } from "./errors.ts"
import { evaluateRl, evaluateRlCommand } from "./evaluateRl.ts"
import { given } from "./given.ts"
import { importXgboost } from "./importModel.ts"
import { quantize } from "./quantize.ts"
import { type LoadedSettings, loadSettings, namedTimeFrame } from "./settings.ts"
import { train } from "./train.ts"
import { sentimentDefaults, trainSentiment } from "./trainSentiment.ts"

const json = Options.boolean("json").pipe(
  Options.withDescription("the result as JSON on standard output, and nothing else")
)
const dataFile = Options.text("data").pipe(
  Options.withDescription("a file of bars, CSV or gzip; --symbol, --last and --time-frame choose from it")
)
const modelFile = Options.text("model").pipe(Options.withDescription("an ONNX file that gives opinions"))

const whole = (name: string, description: string) =>
  Options.integer(name).pipe(Options.optional, Options.withDescription(description))

/** The horizon that all papers have, and the network that takes a minute. */
const forecastDefaults = { horizon: 96, networks: "dlinear" } as const
const accuracyLossMaxDefault = 0.005

export const networkCommands = (args: ParsedArguments) => {
  const loaded = <A, E, R>(
    run: (loaded: LoadedSettings, own: { readonly timeFrame?: TimeFrame }) => Effect.Effect<A, E, R>
  ) =>
    Effect.flatMap(loadSettings(args), (settings) => {
      const timeFrame = namedTimeFrame(args, settings)
      return run(settings, timeFrame === undefined ? {} : { timeFrame })
    })

  const trainCommand = Command.make(
    "train",
    {
      model: Options.choice("model", [...modelNames, "sentiment"]).pipe(
        Options.withDescription("which network; sentiment for a classifier of sentences")
      ),
      data: Options.text("data").pipe(
        Options.withDescription(
          "a file of bars, CSV or gzip, of which --symbol, --last and --time-frame choose; for sentiment one of sentences with the columns sentence, label (negative, neutral or positive) and, if known, agreement"
        )
      ),
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
      features: Options.choice("features", featureChoices).pipe(
        Options.optional,
        Options.withDescription(
          "the ten features of a bar: of its instrument by itself (bars), or of all instruments of the file together (instruments); bars unless given"
        )
      ),
      length: whole("length", "bars of a sequence; 60 unless given, 100 for cnn"),
      layers: whole("layers", "3 for lstm and gru unless given, 4 for transformer, 2 for cnn and mlp"),
      width: whole("width", "units of a layer, filters, width of a transformer; as configured unless given"),
      folds: whole("folds", `sentiment: of the cross-validation; ${sentimentDefaults.folds} unless given`),
      repeats: whole(
        "repeats",
        `sentiment: cross-validations, each with a seed of its own; ${sentimentDefaults.repeats} unless given`
      ),
      json
    },
    ({ batch, data, folds, json, model, output, repeats, ...network }) =>
      loaded((settings, own) =>
        Effect.gen(function* () {
          const ofNetwork = given({ batch, ...network })
          const ofSentiment = given({ folds, repeats })
          const [stray] = Object.keys(model === "sentiment" ? ofNetwork : ofSentiment)
          if (stray !== undefined) {
            return yield* new UsageError({ reason: `--${stray} does not go with --model ${model}.` })
          }
          if (model === "sentiment") {
            return yield* trainSentiment(settings, { data, json, ...ofSentiment, ...given({ output }) })
          }
          const choice = given({ batchRows: batch, ...network, output })
          return yield* train(settings, { model, data, json, ...own, ...choice })
        })
      )
  ).pipe(
    Command.withDescription(
      "Trains a network on a file of bars, judges it on the last 15% of it, and writes an ONNX file that gives opinions, with a report beside it; or a classifier of sentences on labelled ones. --seed seeds it."
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
  const evaluateCommand = Command.make(
    "evaluate",
    {
      model: Options.optional(modelFile),
      benchmark: Options.choice("benchmark", ["forecast"]).pipe(
        Options.optional,
        Options.withDescription("instead of a model: the forecasting table of the papers")
      ),
      data: Options.text("data").pipe(
        // Without it `evaluate rl` can be asked.
        Options.optional,
        Options.withDescription("bars, as for train; for a benchmark the CSV of its data set, plain or gzip")
      ),
      dataset: Options.choice("dataset", forecastDatasets).pipe(
        Options.optional,
        Options.withDescription("of the benchmark: which data set the file is, and so how it is parted")
      ),
      horizon: whole(
        "horizon",
        `of the benchmark: rows to look ahead; ${forecastDefaults.horizon} unless given`
      ),
      networks: Options.text("networks").pipe(
        Options.optional,
        Options.withDescription(
          `of the benchmark: which networks are trained beside the closed forms, of dlinear,lstm,cnn,transformer, or all, or none; ${forecastDefaults.networks} unless given`
        )
      ),
      json
    },
    ({ benchmark, data: file, dataset, horizon, json, model, networks }) =>
      loaded((settings, own) =>
        Effect.gen(function* () {
          const refuse = (reason: string) => new UsageError({ reason })
          if (Option.isNone(file)) return yield* refuse("Expected to find option: '--data'")
          const data = file.value
          const ofBenchmark = given({ dataset, horizon, networks })
          if (Option.isSome(model)) {
            const [stray] = Object.keys(ofBenchmark)
            if (Option.isSome(benchmark))
              return yield* refuse("Either --model FILE or --benchmark forecast, not both.")
            if (stray !== undefined)
              return yield* refuse(`--${stray} goes with --benchmark, not with --model.`)
            return yield* evaluate(settings, { model: model.value, data, json, ...own })
          }
          if (Option.isNone(benchmark))
            return yield* refuse("Say what to judge: a model by --model FILE, or --benchmark forecast.")
          if (Option.isNone(dataset))
            return yield* refuse(
              `--benchmark forecast needs --dataset, one of ${forecastDatasets.join(", ")}.`
            )
          return yield* forecastBenchmark(settings, {
            ...forecastDefaults,
            ...given({ horizon, networks }),
            dataset: dataset.value,
            data,
            json
          })
        })
      )
  ).pipe(
    Command.withDescription(
      "Judges a model on bars that it has not learned from, beside the base rate; or, by --benchmark, closed forms and networks as the papers on forecasting do."
    ),
    Command.withSubcommands([
      evaluateRlCommand((options) => loaded((settings) => evaluateRl(settings, options)))
    ])
  )
  const quantizeCommand = Command.make(
    "quantize",
    {
      model: Options.text("model").pipe(
        Options.withDescription("an ONNX file that `conclave train` has written")
      ),
      data: dataFile,
      output: Options.text("output").pipe(Options.withDescription("the smaller model, an ONNX file")),
      kind: Options.choice("kind", quantisationKinds).pipe(
        Options.withDefault("static" as const),
        Options.withDescription(
          "static: activations are coded by ranges taken from training rows; dynamic: by those of each batch. static unless given"
        )
      ),
      accuracyLossMax: Options.float("accuracy-loss-max").pipe(
        Options.withDefault(accuracyLossMaxDefault),
        Options.withDescription(
          `how much the log loss on held-out rows may grow; ${accuracyLossMaxDefault} unless given`
        )
      ),
      json
    },
    (options) => loaded((settings, own) => quantize(settings, { ...options, ...own }))
  ).pipe(
    Command.withDescription(
      "Makes a trained model smaller: its matrices as eight bits. Shows size, latency and log loss before and after, and writes nothing where the log loss grows by more than it may."
    )
  )
  const importCommand = Command.make("import").pipe(
    Command.withDescription("Turns the file of another program's model into ONNX."),
    Command.withSubcommands([
      Command.make(
        "xgboost",
        {
          file: Args.text({ name: "file" }).pipe(
            Args.withDescription("a model that XGBoost has saved, JSON or UBJSON")
          ),
          output: Options.text("output").pipe(
            Options.withDescription("an ONNX file; its checksum is put beside it")
          ),
          json
        },
        (options) => loaded((settings) => importXgboost(settings, options))
      ).pipe(
        Command.withDescription(
          "Trees that XGBoost has grown, as a plain ONNX tree ensemble: onnxruntime is asked first whether it says what the trees say."
        )
      )
    ])
  )
  const modelCommand = Command.make("model").pipe(
    Command.withDescription("Models that were made elsewhere."),
    Command.withSubcommands([importCommand])
  )
  return [trainCommand, predictCommand, evaluateCommand, quantizeCommand, modelCommand] as const
}
