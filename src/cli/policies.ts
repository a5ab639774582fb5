/** `conclave policies`: what the running reinforcement-learning agent has, says and learns. */
import { Args, Command, Options } from "@effect/cli"
import { Effect, Either, Option, Schema, Stream } from "effect"
import { callAgent } from "../agents/NodeContext.ts"
import { symbolOf } from "../protocols/Instrument.ts"
import type { Estimate } from "../protocols/Performance.ts"
import {
  policyStepsMax,
  ReinforcementLearningControlRpcs,
  ReinforcementLearningRpcs
} from "../protocols/rpc/ReinforcementLearningRpcs.ts"
import {
  MarketConditions,
  PolicyAlgorithm,
  type PolicyEvaluation,
  type PolicyMetrics,
  type PolicyStanding,
  type PolicyTrainingEvent,
  type Strategy,
  StrategyAlgorithm
} from "../protocols/Strategy.ts"
import { TimeFrame } from "../protocols/TimeFrame.ts"
import { Digest } from "../protocols/wire/Ids.ts"
import * as BusRpcClient from "../runtime/BusRpcClient.ts"
import type { ParsedArguments } from "./arguments.ts"
import { againstRunning } from "./connection.ts"
import { UsageError } from "./errors.ts"
import { duration, instant, probabilities, progressBar, signedPercent } from "./format.ts"
import { note, table, writeJson, writeLine } from "./output.ts"

const agent = "reinforcement-learning"
const barWidth = 24
/** A policy may have to be loaded first; an evaluation reads bars and draws resamples in a process of its own. */
const strategyDeadlineMs = 30_000
const evaluateDeadlineMs = 180_000
/** No instrument has a longer name. */
const symbolCharsMax = 128

const metricOf = ({ metrics }: Pick<PolicyStanding, "metrics">, name: string): string =>
  metrics.find((metric) => metric.name === name)?.value.toFixed(4) ?? "-"

const orDash = (value: number | null, digits = 4): string => value?.toFixed(digits) ?? "-"

const list = ({ json }: { readonly json: boolean }) =>
  Effect.gen(function* () {
    const policies = yield* (yield* callAgent(ReinforcementLearningRpcs, agent)).Policies({})
    if (json) return yield* writeJson({ type: "policies", policies })
    if (policies.length === 0) return yield* writeLine("no policy has been trained yet: the Q-table votes")
    const rows = policies.map((policy) => [
      `${policy.isServing ? "*" : " "} ${policy.algorithm}`,
      policy.timeFrame,
      policy.version.slice(0, 12),
      instant(policy.since),
      metricOf(policy, "log-loss"),
      metricOf(policy, "base-log-loss"),
      metricOf(policy, "q-table-log-loss"),
      policy.reason
    ])
    const header = [
      "  policy",
      "bars",
      "version",
      "since",
      "log loss",
      "base rate",
      "Q-table",
      "how it stands"
    ]
    const isServing = policies.some((policy) => policy.isServing)
    const verdict = isServing
      ? "The policy that is marked votes."
      : "No policy has been shown to beat the Q-table here: it votes."
    yield* writeLine(`${table([header, ...rows])}\n\n${verdict}`)
  })

const draw = (text: string) =>
  Effect.sync(
    () => void process.stderr.write(process.stderr.isTTY === true ? `\r\u001b[2K${text}` : `${text}\n`)
  )

const showTraining = (event: PolicyTrainingEvent): Effect.Effect<void> => {
  switch (event._tag) {
    case "Prepared":
      return note(
        `conclave: ${event.algorithm} on ${event.instruments.length} instruments, ${event.trainingRows} rows to learn from, ${event.validationRows} to calibrate on, ${event.heldOutRows} held out`
      )
    case "Progress": {
      const bar = progressBar(Math.min(1, event.steps / event.stepsMax), barWidth)
      const left = event.secondsLeft === null ? "" : `, ${duration(event.secondsLeft)} left`
      const figures = `reward ${orDash(event.meanReward)}, success ${orDash(event.successRate, 2)}, exploration ${orDash(event.exploration, 3)}`
      return draw(
        `step ${event.steps}/${event.stepsMax} ${bar} ${event.episodes} episodes, ${figures}, ${event.updatesPerSecond.toFixed(0)} updates/s${left}`
      )
    }
    case "Trained": {
      const { isDeployed, isServing, reason, version } = event
      const place = isServing
        ? "it votes now"
        : isDeployed
          ? "it can be asked by its name"
          : "it was not deployed"
      const ended = process.stderr.isTTY === true ? note("") : Effect.void
      return Effect.zipRight(ended, writeLine(`version ${version.slice(0, 12)}: ${reason}; ${place}`))
    }
  }
}

/** What the agent would refuse to decode is refused here, in the words of the command line. */
const whole = (name: string, value: number, least: number, most: number) =>
  value >= least && value <= most
    ? Effect.succeed(value)
    : new UsageError({ reason: `${name} ${value} is not between ${least} and ${most}.` })

const frameOf = (timeFrame: Option.Option<TimeFrame>) =>
  Option.isSome(timeFrame) ? { timeFrame: timeFrame.value } : {}

const train = (options: {
  readonly algorithm: PolicyAlgorithm
  readonly symbols: ReadonlyArray<string>
  readonly steps: Option.Option<number>
  readonly policySeed: Option.Option<number>
  readonly timeFrame: Option.Option<TimeFrame>
  readonly json: boolean
}) =>
  Effect.gen(function* () {
    const { algorithm, json, policySeed, steps, symbols, timeFrame } = options
    const given = {
      ...(Option.isSome(steps) ? { steps: yield* whole("--steps", steps.value, 1, policyStepsMax) } : {}),
      ...(Option.isSome(policySeed)
        ? { seed: yield* whole("--policy-seed", policySeed.value, 0, Number.MAX_SAFE_INTEGER) }
        : {})
    }
    const client = yield* callAgent(ReinforcementLearningControlRpcs, agent, "control")
    const instruments = symbols.map((symbol) => symbol.slice(0, symbolCharsMax))
    const events = client.Train({ algorithm, instruments, ...given, ...frameOf(timeFrame) })
    yield* Stream.runForEach(events, (event) =>
      json ? writeJson({ type: "training", ...event }) : showTraining(event)
    )
  })

const strategyText = (strategy: Strategy): string => {
  const { algorithm, answer, asOf, conditions, reason, targetExposure, timeFrame } = strategy
  const { allowShort, exposure, roundTripBps, volatilityScale } = conditions
  const said =
    answer._tag === "Abstention"
      ? `  abstains: ${answer.reason}`
      : `  ${probabilities(answer.probabilities)} sell/hold/buy %, ${answer.reason}`
  const target =
    targetExposure === null ? [] : [`  hold ${signedPercent(targetExposure, 0)} of the equity: ${reason}`]
  return [
    `${symbolOf(answer.instrument)}  ${algorithm}  ${timeFrame}  ${instant(asOf)}`,
    said,
    ...target,
    `  supposed: moves ${volatilityScale} times as far, ${roundTripBps.toFixed(1)} bp for a round trip, ${allowShort ? "with" : "without"} shorting, ${signedPercent(exposure, 0)} held`
  ].join("\n")
}

const decodeConditions = Schema.decodeUnknownEither(MarketConditions)

const strategy = (options: {
  readonly symbol: string
  readonly algorithm: StrategyAlgorithm
  readonly volatility: Option.Option<number>
  readonly costs: Option.Option<number>
  readonly short: Option.Option<"yes" | "no">
  readonly exposure: Option.Option<number>
  readonly timeFrame: Option.Option<TimeFrame>
  readonly json: boolean
}) =>
  Effect.gen(function* () {
    const { algorithm, costs, exposure, json, short, symbol, timeFrame, volatility } = options
    const conditions = decodeConditions({
      ...(Option.isSome(volatility) ? { volatilityScale: volatility.value } : {}),
      ...(Option.isSome(costs) ? { roundTripBps: costs.value } : {}),
      ...(Option.isSome(short) ? { allowShort: short.value === "yes" } : {}),
      ...(Option.isSome(exposure) ? { exposure: exposure.value } : {})
    })
    if (Either.isLeft(conditions)) {
      return yield* new UsageError({
        reason:
          "Such conditions cannot be: --volatility is 0.1 to 10 times, --costs 0 to 1000 basis points, --exposure -2 to 2."
      })
    }
    const client = yield* callAgent(ReinforcementLearningRpcs, agent)
    const instrument = symbol.slice(0, symbolCharsMax)
    const made = yield* client
      .GenerateStrategy({ instrument, algorithm, conditions: conditions.right, ...frameOf(timeFrame) })
      .pipe(BusRpcClient.withDeadline(strategyDeadlineMs))
    yield* json ? writeJson({ type: "strategy", ...made }) : writeLine(strategyText(made))
  })

const estimateText = ({ high, low, value }: Estimate, digits = 4): string =>
  value === null
    ? "-"
    : low === null || high === null
      ? value.toFixed(digits)
      : `${value.toFixed(digits)} (${low.toFixed(digits)} to ${high.toFixed(digits)})`

const evaluationText = (evaluation: PolicyEvaluation): string => {
  const { algorithm, instrument, learnedTo, logWealth, performance, timeFrame, version } = evaluation
  const { annualTurnover, baselines, bars, costs, from, maximumDrawdown, sharpe, to, trades } = performance
  const rows = [
    ["log wealth", estimateText(logWealth)],
    ["Sharpe ratio, a year", estimateText(sharpe, 2)],
    ["maximum drawdown", estimateText(maximumDrawdown)],
    ["turnover, a year", annualTurnover === null ? "-" : `${annualTurnover.toFixed(1)} times the equity`],
    ["closed trades", String(trades.count)],
    ...costs.map(({ multiple, totalReturn }) => [`return at ${multiple}x costs`, signedPercent(totalReturn)]),
    ...baselines.map(({ name, returnDifference, totalReturn }) => [
      `${name}: ${signedPercent(totalReturn)}`,
      `less it, a year: ${estimateText(returnDifference, 3)}`
    ])
  ]
  return [
    `${symbolOf(instrument)}  ${algorithm} ${version.slice(0, 12)}  ${timeFrame}: ${bars} bars, ${instant(from)} to ${instant(to)}; it had learned up to ${instant(learnedTo)}`,
    table(rows),
    "In brackets 95% intervals, by the block bootstrap."
  ].join("\n")
}

const evaluate = (options: {
  readonly symbol: string
  readonly policy: string
  readonly timeFrame: Option.Option<TimeFrame>
  readonly json: boolean
}) =>
  Effect.gen(function* () {
    const { json, symbol, timeFrame } = options
    const policy = Schema.decodeUnknownEither(Schema.Union(PolicyAlgorithm, Digest))(options.policy)
    if (Either.isLeft(policy)) {
      const reason = `"${options.policy.slice(0, 100)}" is no policy: give ${PolicyAlgorithm.literals.join(", ")}, or the 64 digits of a version.`
      return yield* new UsageError({ reason })
    }
    const client = yield* callAgent(ReinforcementLearningRpcs, agent)
    const evaluation = yield* client
      .Evaluate({
        instrument: symbol.slice(0, symbolCharsMax),
        policy: policy.right,
        ...frameOf(timeFrame)
      })
      .pipe(BusRpcClient.withDeadline(evaluateDeadlineMs))
    yield* json ? writeJson({ type: "evaluation", ...evaluation }) : writeLine(evaluationText(evaluation))
  })

const metricsRow = (metrics: PolicyMetrics): ReadonlyArray<string> => [
  metrics.algorithm,
  metrics.timeFrame,
  metrics.state,
  String(metrics.steps),
  String(metrics.episodes),
  orDash(metrics.meanReward),
  orDash(metrics.successRate, 2),
  orDash(metrics.exploration, 3),
  metrics.reason
]

const metrics = ({ json }: { readonly json: boolean }) =>
  Effect.gen(function* () {
    const all = yield* (yield* callAgent(ReinforcementLearningRpcs, agent)).Metrics({})
    if (json) return yield* writeJson({ type: "metrics", metrics: all })
    if (all.length === 0) return yield* writeLine("no policy has been trained in this life of the agent")
    const header = ["policy", "bars", "state", "steps", "episodes", "reward", "success", "exploration", ""]
    yield* writeLine(table([header, ...all.map(metricsRow)]))
  })

const json = Options.boolean("json").pipe(
  Options.withDescription("results as JSON on standard output, and nothing else")
)
const barsOption = Options.text("bars").pipe(
  Options.withSchema(TimeFrame),
  Options.optional,
  Options.withDescription("time frame of the bars; the feed's own unless given, a longer one is made of them")
)
const symbol = Args.text({ name: "symbol" }).pipe(Args.withDescription("a symbol, or an instrument id"))
const number = (name: string, description: string) =>
  Options.float(name).pipe(Options.optional, Options.withDescription(description))

export const policiesCommand = (args: ParsedArguments) => {
  const against = againstRunning(args)
  const listCommand = Command.make("list", { json }, (options) => against(list(options))).pipe(
    Command.withDescription("The deep policies that there are, how they were judged, and whether one votes.")
  )
  const trainCommand = Command.make(
    "train",
    {
      algorithm: Args.choice(
        PolicyAlgorithm.literals.map((algorithm) => [algorithm, algorithm] as const),
        { name: "algorithm" }
      ),
      symbols: Args.text({ name: "symbol" }).pipe(
        Args.repeated,
        Args.withDescription("what it learns of; all instruments unless given")
      ),
      steps: Options.integer("steps").pipe(
        Options.optional,
        Options.withDescription("of the environment; reinforcementLearning.policySteps unless given")
      ),
      policySeed: Options.integer("policy-seed").pipe(
        Options.optional,
        Options.withDescription("of this training; the run's unless given")
      ),
      timeFrame: barsOption,
      json
    },
    (options) => against(train(options))
  ).pipe(
    Command.withDescription(
      "Trains a policy on the bars that the agent has seen, up to the latest; it votes only if it is shown to be better than the Q-table. Ends when interrupted."
    )
  )
  const strategyCommand = Command.make(
    "strategy",
    {
      symbol,
      algorithm: Options.choice("algorithm", StrategyAlgorithm.literals).pipe(
        Options.withDefault("q-table" as const),
        Options.withDescription("whose strategy; the Q-table's unless given")
      ),
      volatility: number("volatility", "suppose that prices move so many times as far"),
      costs: number("costs", "suppose so many basis points for a round trip"),
      short: Options.choice("short", ["yes", "no"] as const).pipe(
        Options.optional,
        Options.withDescription("whether selling short is allowed; orchestrator.allowShort unless given")
      ),
      exposure: number("exposure", "suppose that this share of the equity is held; 0 unless given"),
      timeFrame: barsOption,
      json
    },
    (options) => against(strategy(options))
  ).pipe(
    Command.withDescription("The strategy of an algorithm for an instrument, under supposed conditions.")
  )
  const evaluateCommand = Command.make(
    "evaluate",
    {
      symbol,
      policy: Options.text("policy").pipe(
        Options.withDescription("an algorithm for its latest policy, or the digest of a version")
      ),
      timeFrame: barsOption,
      json
    },
    (options) => against(evaluate(options))
  ).pipe(
    Command.withDescription(
      "What a policy would have come to by itself on bars that it never learned from, beside holding and staying flat."
    )
  )
  const metricsCommand = Command.make("metrics", { json }, (options) => against(metrics(options))).pipe(
    Command.withDescription("How the last training of each algorithm has gone.")
  )
  return Command.make("policies").pipe(
    Command.withDescription("The deep policies of the reinforcement-learning agent that runs."),
    Command.withSubcommands([listCommand, trainCommand, strategyCommand, evaluateCommand, metricsCommand])
  )
}
