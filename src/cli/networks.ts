/** `conclave networks`: what the running deep-learning agent has, says and learns. */
import { Args, Command, Options } from "@effect/cli"
import { Effect, Option, Stream } from "effect"
import { callAgent } from "../agents/NodeContext.ts"
import { symbolOf } from "../protocols/Instrument.ts"
import {
  type ModelStanding,
  ModelType,
  NetworkModel,
  type Prediction,
  type PredictionSummary,
  type TrainingEvent
} from "../protocols/Prediction.ts"
import {
  DeepLearningControlRpcs,
  DeepLearningRpcs,
  predictionEveryMs
} from "../protocols/rpc/DeepLearningRpcs.ts"
import { TimeFrame } from "../protocols/TimeFrame.ts"
import * as BusRpcClient from "../runtime/BusRpcClient.ts"
import type { ParsedArguments } from "./arguments.ts"
import { againstRunning } from "./connection.ts"
import { UsageError } from "./errors.ts"
import { duration, instant, probabilities, progressBar } from "./format.ts"
import { note, table, writeJson, writeLine } from "./output.ts"

const agent = "deep-learning"
const barWidth = 24
/** Of questions about many instruments and a network that has to be loaded first. */
const predictDeadlineMs = 30_000

const metricOf = ({ metrics }: Pick<ModelStanding, "metrics">, name: string): string =>
  metrics.find((metric) => metric.name === name)?.value.toFixed(4) ?? "-"

/** Log loss less that of the linear forecaster, with its 95% interval. */
const besideLinear = ({ metrics }: ModelStanding): string => {
  const of = (name: string) => metrics.find((metric) => metric.name === `linear-difference${name}`)?.value
  const [mean, low, high] = [of(""), of("-low"), of("-high")]
  return mean === undefined || low === undefined || high === undefined
    ? "-"
    : `${mean.toFixed(4)} (${low.toFixed(4)} to ${high.toFixed(4)})`
}

const list = ({ json }: { readonly json: boolean }) =>
  Effect.gen(function* () {
    const standings = yield* (yield* callAgent(DeepLearningRpcs, agent)).Standings({})
    if (json) return yield* writeJson({ type: "networks", models: standings })
    if (standings.length === 0) return yield* writeLine("no model has been made yet")
    const rows = standings.map((standing) => [
      `${standing.isServing ? "*" : " "} ${standing.model}`,
      standing.timeFrame,
      standing.version.slice(0, 12),
      standing.since === 0 ? "shipped" : instant(standing.since),
      metricOf(standing, "log-loss"),
      metricOf(standing, "base-log-loss"),
      besideLinear(standing)
    ])
    const header = [
      "  model",
      "bars",
      "version",
      "since",
      "log loss",
      "base rate",
      "less the linear one (95%)"
    ]
    const network = standings.find(({ isServing, model }) => isServing && model !== "linear")
    const verdict =
      network === undefined
        ? "No network has been shown to beat the linear forecaster here: it votes."
        : `The ${network.model} votes: ${network.reason}.`
    yield* writeLine(`${table([header, ...rows])}\n\n${verdict}`)
  })

const predictionRow = ({ answer, asOf, classes, timeFrame }: Prediction): ReadonlyArray<string> => {
  const at = [symbolOf(answer.instrument), timeFrame, instant(asOf)]
  if (answer._tag === "Abstention") return [...at, "abstains", answer.reason]
  const seen = classes === null ? "" : `; ${classes.top} ${Math.round(100 * classes.confidence)}%`
  const standIn = answer.standIn === "none" ? "" : ` (${answer.standIn} model)`
  return [...at, probabilities(answer.probabilities), `${answer.reason}${standIn}${seen}`]
}

const summaryRow = ({ confidence, instrument, matured, predictions, sides }: PredictionSummary) => [
  symbolOf(instrument),
  `${predictions} predictions`,
  `sell ${sides.sell}, hold ${sides.hold}, buy ${sides.buy}`,
  `confidence ${confidence?.toFixed(2) ?? "-"}`,
  `${matured.right} of ${matured.outcomes} matured were right, log loss ${matured.logLoss?.toFixed(4) ?? "-"}`
]

interface PredictOptions {
  readonly symbols: ReadonlyArray<string>
  readonly model: ModelType
  readonly timeFrame: Option.Option<TimeFrame>
  readonly asOf: Option.Option<string>
  readonly every: Option.Option<number>
  readonly summary: boolean
  readonly json: boolean
}

const epochMsOf = (text: string): number => (/^\d+$/.test(text) ? Number(text) : Date.parse(text))

const show = (predictions: ReadonlyArray<Prediction>, json: boolean) =>
  json
    ? Effect.forEach(predictions, (prediction) => writeJson({ type: "prediction", ...prediction }), {
        discard: true
      })
    : writeLine(table(predictions.map(predictionRow)))

const predict = ({ asOf, every, json, model, summary, symbols, timeFrame }: PredictOptions) =>
  Effect.gen(function* () {
    const client = yield* callAgent(DeepLearningRpcs, agent)
    if (summary) {
      const summaries = yield* client.PredictionSummaries({ instruments: symbols })
      if (json) return yield* writeJson({ type: "summaries", summaries })
      return yield* writeLine(table(summaries.map(summaryRow)))
    }
    const frame = Option.getOrUndefined(timeFrame)
    const asked = { instruments: symbols, model, ...(frame === undefined ? {} : { timeFrame: frame }) }
    if (Option.isSome(every)) {
      const everyMs = every.value * 1_000
      const { least, most } = predictionEveryMs
      if (everyMs < least || everyMs > most) {
        return yield* new UsageError({
          reason: `--every ${every.value} is not between ${least / 1_000} and ${most / 1_000} seconds.`
        })
      }
      return yield* Stream.runForEach(client.Predictions({ ...asked, everyMs }), (some) => show(some, json))
    }
    const at = Option.map(asOf, epochMsOf)
    if (Option.isSome(at) && !Number.isFinite(at.value)) {
      return yield* new UsageError({ reason: `--as-of ${Option.getOrElse(asOf, () => "")} is no instant.` })
    }
    const predictions = yield* client
      .Predict({ ...asked, ...(Option.isSome(at) ? { asOf: at.value } : {}) })
      .pipe(BusRpcClient.withDeadline(predictDeadlineMs))
    yield* show(predictions, json)
  })

const draw = (text: string) => {
  const isTerminal = process.stderr.isTTY === true
  return Effect.sync(() => void process.stderr.write(isTerminal ? `\r\u001b[2K${text}` : `${text}\n`))
}

const showTraining = (event: TrainingEvent): Effect.Effect<void> => {
  const isTerminal = process.stderr.isTTY === true
  switch (event._tag) {
    case "Prepared":
      return note(
        `conclave: ${event.parameters} parameters, ${event.trainingRows} rows to train on, ${event.validationRows} to validate on, ${event.heldOutRows} held out`
      )
    case "Progress": {
      if (!isTerminal) return Effect.void
      const bar = progressBar(event.epoch / event.epochs, barWidth)
      const left = event.secondsLeft === null ? "" : `, at most ${duration(event.secondsLeft)} left`
      return draw(`epoch ${event.epoch + 1}/${event.epochs} ${bar} loss ${event.loss.toFixed(4)}${left}`)
    }
    case "Epoch":
      return draw(
        `conclave: epoch ${event.epoch + 1}/${event.epochs}: loss ${event.trainingLoss.toFixed(4)}, validation ${event.validationLoss.toFixed(4)}${event.isBest ? " (the best)" : ""}`
      )
    case "Restarted":
      return note(`conclave: the process that trains has died (${event.reason}): restart ${event.restarts}`)
    case "Trained": {
      const { isDeployed, isServing, reason, version } = event
      const place = isServing
        ? "it votes now"
        : isDeployed
          ? "it can be asked by its name"
          : "it was not deployed"
      return Effect.zipRight(
        isTerminal ? note("") : Effect.void,
        writeLine(`version ${version.slice(0, 12)}: ${reason}; ${place}`)
      )
    }
  }
}

const train = (options: {
  readonly model: NetworkModel
  readonly timeFrame: Option.Option<TimeFrame>
  readonly json: boolean
}) =>
  Effect.gen(function* () {
    const client = yield* callAgent(DeepLearningControlRpcs, agent, "control")
    const timeFrame = Option.getOrUndefined(options.timeFrame)
    const events = client.Train({ model: options.model, ...(timeFrame === undefined ? {} : { timeFrame }) })
    yield* Stream.runForEach(events, (event) =>
      options.json ? writeJson({ type: "training", ...event }) : showTraining(event)
    )
  })

const json = Options.boolean("json").pipe(
  Options.withDescription("results as JSON on standard output, and nothing else")
)
const barsOption = Options.text("bars").pipe(
  Options.withSchema(TimeFrame),
  Options.optional,
  Options.withDescription("time frame of the bars; the feed's own unless given, a longer one is made of them")
)

export const networksCommand = (args: ParsedArguments) => {
  const against = againstRunning(args)
  const listCommand = Command.make("list", { json }, (options) => against(list(options))).pipe(
    Command.withDescription("The models that there are, how they were judged, and which one votes.")
  )
  const trainCommand = Command.make(
    "train",
    {
      model: Args.choice(
        NetworkModel.literals.map((model) => [model, model] as const),
        { name: "network" }
      ),
      timeFrame: barsOption,
      json
    },
    (options) => against(train(options))
  ).pipe(
    Command.withDescription(
      "Trains a network on the bars that the agent has seen, up to the latest; it votes only if it is shown to be better. Ends when interrupted."
    )
  )
  const predictCommand = Command.make(
    "predict",
    {
      symbols: Args.text({ name: "symbol" }).pipe(
        Args.repeated,
        Args.withDescription("symbols or instrument ids; all unless given")
      ),
      model: Options.choice("model", ModelType.literals).pipe(
        Options.withDefault("serving" as const),
        Options.withDescription("which model; what votes unless given")
      ),
      timeFrame: barsOption,
      asOf: Options.text("as-of").pipe(
        Options.optional,
        Options.withDescription("ISO 8601, or epoch milliseconds; the latest unless given")
      ),
      every: Options.integer("every").pipe(
        Options.optional,
        Options.withDescription("go on at an interval, 30 to 300 seconds")
      ),
      summary: Options.boolean("summary").pipe(
        Options.withDescription("how the predictions that are published at an interval have turned out")
      ),
      json
    },
    (options) => against(predict(options))
  ).pipe(Command.withDescription("What a model of the running agent says of its instruments."))
  return Command.make("networks").pipe(
    Command.withDescription("The models of the deep-learning agent that runs."),
    Command.withSubcommands([listCommand, trainCommand, predictCommand])
  )
}
