/**
 * The `conclave` command. A mistake of the user's is one line and exit code 1; a failure of the program is one line,
 * the details in the log, and exit code 70, upon which the launcher starts a node again.
 */
import { Socket } from "node:net"
import { stripVTControlCharacters } from "node:util"
import { Args, CliConfig, Command, HelpDoc, Options, Span, ValidationError } from "@effect/cli"
import { NodeContext as NodePlatform } from "@effect/platform-node"
import { Cause, Console, Effect, Either, Exit, Fiber, Layer, Logger, LogLevel, Option } from "effect"
import * as Configuration from "../runtime/Configuration.ts"
import { exitGivenUp, launchedVariable } from "../runtime/launcher.ts"
import { keys, type ParsedArguments, parseArguments, shortNames } from "./arguments.ts"
import { backtestCommand } from "./backtest.ts"
import * as commands from "./commands.ts"
import { againstRunning } from "./connection.ts"
import { featuresCommand } from "./features.ts"
import { lookaheadCommand } from "./lookahead.ts"
import { networkCommands } from "./networkCommands.ts"
import { networksCommand } from "./networks.ts"
import { endWithReader, write, writeLine } from "./output.ts"
import { policiesCommand } from "./policies.ts"
import { sentimentCommand } from "./sentiment.ts"
import { defaultsName, loadSettings } from "./settings.ts"
import { simulateCommand } from "./simulate.ts"
import { streamsCommand } from "./streams.ts"
import { sweepCommand } from "./sweep.ts"
import { up } from "./up.ts"

const version = "0.1.0"

const json = Options.boolean("json").pipe(
  Options.withDescription("results as JSON on standard output, and nothing else")
)

/** What can be said of every command about the configuration. */
const configurationHelp = [
  "Every key of the configuration is a flag as well, like --deep-learning.lags 12; `conclave config print` lists them.",
  "Short names:",
  ...shortNames.map(([short, path]) => `  ${short.padEnd(18)} ${path}`)
].join("\n")

const build = (args: ParsedArguments) => {
  const against = againstRunning(args)
  const upCommand = Command.make("up", { json }, (options) =>
    Effect.flatMap(loadSettings(args), (loaded) => up(loaded, options))
  ).pipe(
    Command.withDescription(
      HelpDoc.blocks([
        HelpDoc.p("Starts a node with all agents, or those named by --agents, and shows what it does."),
        HelpDoc.p(configurationHelp)
      ])
    )
  )
  const statusCommand = Command.make("status", { json }, (options) => against(commands.status(options))).pipe(
    Command.withDescription("What runs, how the feed, the committee and the account stand.")
  )
  const agentsCommand = Command.make("agents", { json }, (options) => against(commands.agents(options))).pipe(
    Command.withDescription("The supervision tree of every node.")
  )
  const decideCommand = Command.make(
    "decide",
    {
      symbol: Args.text({ name: "symbol" }).pipe(Args.withDescription("a symbol, or an instrument id")),
      asOf: Options.text("as-of").pipe(
        Options.optional,
        Options.withDescription("ISO 8601, or epoch milliseconds")
      ),
      horizon: Options.integer("horizon").pipe(
        Options.optional,
        Options.withDescription("a what-if: bars to look ahead")
      ),
      band: Options.float("band").pipe(
        Options.optional,
        Options.withDescription("a what-if: half the hold zone")
      ),
      json
    },
    ({ symbol, ...options }) => against(commands.decide(symbol, options))
  ).pipe(Command.withDescription("The decision on an instrument, now or at an as-of."))
  const decisionsCommand = Command.make(
    "decisions",
    {
      symbol: Args.text({ name: "symbol" }).pipe(Args.optional),
      follow: Options.boolean("follow").pipe(Options.withDescription("go on with those to come")),
      latest: Options.integer("latest").pipe(
        Options.withDefault(20),
        Options.withDescription("how many of the past first")
      ),
      json
    },
    (options) => against(commands.decisions(options))
  ).pipe(Command.withDescription("The latest decisions, and those to come."))
  const stopCommand = Command.make(
    "stop",
    {
      emergency: Options.boolean("emergency").pipe(
        Options.withDescription("stop trading: cancel, flatten, stay stopped")
      ),
      release: Options.boolean("release").pipe(Options.withDescription("let trading go on")),
      reason: Options.text("reason").pipe(Options.withDefault("the operator asked for it")),
      json
    },
    ({ emergency, ...options }) =>
      emergency === options.release
        ? Effect.fail({ message: "Say what to stop: --emergency stops trading, --release lets it go on." })
        : against(commands.stop(options))
  ).pipe(Command.withDescription("The kill switch."))
  const replayCommand = Command.make(
    "replay",
    {
      decision: Args.text({ name: "decision" }).pipe(
        Args.withDescription("its id, or the first eight digits or more")
      ),
      deep: Options.boolean("deep").pipe(Options.withDescription("ask the recorded model versions again")),
      json
    },
    ({ decision, ...options }) => against(commands.replay(decision, options))
  ).pipe(Command.withDescription("Recomputes a decision from its record."))
  const configPrint = Command.make("print", {}, () =>
    Effect.flatMap(loadSettings(args), (loaded) => write(Configuration.print(loaded, defaultsName)))
  ).pipe(Command.withDescription("The configuration in force, and where it came from."))
  const configCheck = Command.make("check", {}, () =>
    Effect.flatMap(loadSettings(args), () => writeLine(`the configuration is valid (${keys.length} keys)`))
  ).pipe(Command.withDescription("Whether the configuration is valid; exit code 1 if not."))
  const configCommand = Command.make("config").pipe(
    Command.withDescription("The configuration."),
    Command.withSubcommands([configPrint, configCheck])
  )
  return Command.make("conclave").pipe(
    Command.withDescription("Supervised agents that reach trading decisions together."),
    Command.withSubcommands([
      upCommand,
      statusCommand,
      agentsCommand,
      decideCommand,
      decisionsCommand,
      stopCommand,
      replayCommand,
      configCommand,
      networksCommand(args),
      policiesCommand(args),
      streamsCommand(args),
      backtestCommand(args),
      sweepCommand(args),
      lookaheadCommand(args),
      sentimentCommand(args),
      simulateCommand(args),
      featuresCommand(args),
      ...networkCommands(args)
    ])
  )
}

const exitUsage = 1

/** Errors that somebody has to do something about, as opposed to failures of the program. */
const failuresOfTheProgram = new Set(["RestartBudgetSpent", "JournalUnavailable", "StoreFailed"])

const hasMessage = (error: unknown): error is { readonly _tag?: string; readonly message: string } =>
  typeof error === "object" && error !== null && typeof (error as { message?: unknown }).message === "string"

const main = Effect.gen(function* () {
  const parsed = parseArguments(process.argv.slice(2))
  if (Either.isLeft(parsed)) return yield* parsed.left
  const run = Command.run(build(parsed.right), {
    name: "conclave",
    version,
    summary: Span.text("trading decisions by committee")
  })
  const defaults = yield* Effect.console
  const inOneLine: Console.Console = {
    ...defaults,
    // What the library has to say about arguments, said as everything else is.
    error: (text) => defaults.error(`conclave: ${stripVTControlCharacters(String(text)).trim()}`)
  }
  yield* Effect.withConsole(run(["node", "conclave", ...parsed.right.rest]), inOneLine)
})

const report = (cause: Cause.Cause<unknown>): Effect.Effect<number> => {
  const failure = Option.getOrUndefined(Cause.failureOption(cause))
  // The library has shown its own message already.
  if (ValidationError.isValidationError(failure)) return Effect.succeed(exitUsage)
  if (failure !== undefined && hasMessage(failure)) {
    const code = failuresOfTheProgram.has(failure._tag ?? "") ? exitGivenUp : exitUsage
    return Effect.as(Console.error(`conclave: ${failure.message}`), code)
  }
  if (Cause.isInterruptedOnly(cause)) return Effect.succeed(0)
  const defect = Cause.squash(cause)
  const text = defect instanceof Error ? `${defect.name}: ${defect.message}` : String(defect)
  const detail = process.env.CONCLAVE_DEBUG === undefined ? "" : `\n${Cause.pretty(cause)}`
  return Effect.as(
    Console.error(`conclave: this is a bug: ${text} (CONCLAVE_DEBUG=1 shows more)${detail}`),
    exitGivenUp
  )
}

endWithReader()
const quiet = Layer.merge(Logger.remove(Logger.defaultLogger), Logger.minimumLogLevel(LogLevel.Info))
const fiber = Effect.runFork(
  main.pipe(
    Effect.matchCauseEffect({ onFailure: report, onSuccess: () => Effect.succeed(0) }),
    Effect.provide(Layer.mergeAll(NodePlatform.layer, CliConfig.layer({ showBuiltIns: false }), quiet))
  )
)

let isEnding = false
const end = () => {
  // Asked a second time, it ends at once.
  if (isEnding) process.exit(130)
  isEnding = true
  Effect.runFork(Fiber.interruptFork(fiber))
}
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, end)
if (process.env[launchedVariable] === "1") {
  // The other end is the launcher's: it ends with it, and so does this node.
  const pipe = new Socket({ fd: 3, readable: true, writable: false })
  pipe.on("close", () => (isEnding ? undefined : end())).on("error", () => undefined)
  pipe.resume()
  pipe.unref()
}
fiber.addObserver((exit) => {
  const code = Exit.isSuccess(exit) ? exit.value : 0
  process.exit(code)
})
