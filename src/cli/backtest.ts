/**
 * `conclave backtest`: the whole committee over bar files, judged. With `--rerun` it does again what a run card says,
 * and tells whether the same came out.
 */
import { readFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { Command, Options } from "@effect/cli"
import { Clock, Effect, Option, Schema } from "effect"
import { type Backtest, backtest } from "../agents/backtest/backtest.ts"
import { differencesOf, RunCard } from "../agents/backtest/RunCard.ts"
import { appendTrial, readTrials } from "../agents/backtest/TrialLedger.ts"
import { trialFolder } from "../agents/training/trainingTrial.ts"
import { writeWhole } from "../agents/training-host/wholeFile.ts"
import { monotonicMs } from "../runtime/MonotonicClock.ts"
import type { ParsedArguments } from "./arguments.ts"
import { curveRows, measureRows, verdictsOf } from "./backtestFigures.ts"
import { UsageError } from "./errors.ts"
import { money } from "./format.ts"
import { note, table, writeJson, writeLine } from "./output.ts"
import { checkOutput } from "./outputFile.ts"
import { builtScripts } from "./processes.ts"
import { renderBacktestReport } from "./report/BacktestReport.ts"
import { loadSettings, projectRoot } from "./settings.ts"

interface BacktestArguments {
  readonly data: ReadonlyArray<string>
  readonly report: Option.Option<string>
  readonly card: Option.Option<string>
  readonly rerun: Option.Option<string>
  readonly json: boolean
}

const cardBytesMax = 2_000_000
const chartLibraryPath = [
  "node_modules",
  "lightweight-charts",
  "dist",
  "lightweight-charts.standalone.production.js"
]

const readCard = (path: string) =>
  Effect.gen(function* () {
    const refuse = (reason: string) => new UsageError({ reason: `${path} is no run card: ${reason}` })
    const text = yield* Effect.try({
      try: () => readFileSync(path, "utf8"),
      catch: (cause) => new UsageError({ reason: `${path} cannot be read: ${(cause as Error).message}` })
    })
    if (text.length > cardBytesMax) return yield* refuse(`it is longer than ${cardBytesMax} characters.`)
    return yield* Effect.mapError(Schema.decodeUnknown(Schema.parseJson(RunCard))(text), ({ message }) =>
      refuse(`${message.split("\n").slice(0, 4).join(" ").replace(/\s+/g, " ")}.`)
    )
  })

/** The configuration of the run, and the card that it is to come out like. */
const prepare = (args: ParsedArguments, { data, rerun }: BacktestArguments) =>
  Effect.gen(function* () {
    if (Option.isSome(rerun)) {
      if (data.length > 0 || args.flags.length > 0) {
        return yield* new UsageError({
          reason: "--rerun takes everything from the card: leave the rest out."
        })
      }
      const card = yield* readCard(rerun.value)
      const loaded = yield* loadSettings(args, { name: rerun.value, text: card.settings })
      return { loaded, card }
    }
    if (data.length === 0 && !args.flags.some(([flag]) => flag === "--market-data.paths")) {
      return yield* new UsageError({ reason: "Say which bars by --data FILE." })
    }
    const paths = data.map((path): readonly [string, string] => ["--market-data.paths", path])
    const loaded = yield* loadSettings({ ...args, flags: [...args.flags, ...paths] })
    return { loaded, card: undefined }
  })

const cardRows = (card: RunCard): ReadonlyArray<readonly [string, string]> => [
  ["run", card.run],
  ["bundles, SHA-256", card.program.bundles],
  ["lock file, SHA-256", card.program.lock],
  [
    "machine",
    `${card.machine.processor}, ${card.machine.platform} ${card.machine.architecture}, Node ${card.machine.node}`
  ],
  ...card.files.map(({ digest, path }) => [`${path}, SHA-256`, digest] as const),
  ["seed", String(card.seed)],
  ["as-ofs", `${card.asOfs.warmUp} of warm-up, ${card.asOfs.traded} traded`],
  ["decisions, SHA-256", card.results.decisions],
  ["ledger, SHA-256", card.results.ledger],
  ["model versions", String(card.models.length)],
  ["configuration", card.settings]
]

const reportOf = ({ card, performance, result }: Backtest) =>
  Effect.map(
    Effect.sync(() => readFileSync(join(projectRoot(), ...chartLibraryPath), "utf8")),
    (chartLibrary) =>
      renderBacktestReport({
        title: `Backtest of ${result.instruments.map(({ instrument }) => instrument).join(", ")}`,
        verdicts: verdictsOf(performance),
        tables: [measureRows(performance), curveRows(performance)],
        result,
        card: cardRows(card),
        chartLibrary
      })
  )

const show = (done: Backtest, seconds: number) =>
  Effect.gen(function* () {
    const { card, counts, performance } = done
    yield* writeLine(verdictsOf(performance).join("\n"))
    yield* writeLine(`\n${table(measureRows(performance))}\n\n${table(curveRows(performance))}`)
    yield* writeLine(
      `\n${counts.decisions} decisions (${counts.degraded} degraded, ${counts.abstentions} abstentions), ${counts.fills} fills, turnover ${money(counts.turnover)}, fees ${money(counts.fees)}, ${seconds.toFixed(1)} s`
    )
    yield* writeLine(
      `run ${card.run}, decisions ${card.results.decisions.slice(0, 16)}, ledger ${card.results.ledger.slice(0, 16)}`
    )
  })

const outputsOf = ({ card, report }: BacktestArguments, read: ReadonlyArray<string>) =>
  Effect.forEach([card, report], (output) =>
    Option.isSome(output) ? checkOutput(output.value, read) : Effect.void
  )

const write = (path: Option.Option<string>, text: Effect.Effect<string>) =>
  Option.isNone(path)
    ? Effect.void
    : Effect.flatMap(text, (content) => writeWhole(resolve(path.value), [Buffer.from(content)], 0o644))

const run = (args: ParsedArguments, options: BacktestArguments) =>
  Effect.gen(function* () {
    const now = yield* monotonicMs
    const startedAt = now()
    const { card, loaded } = yield* prepare(args, options)
    yield* outputsOf(options, loaded.value.marketData.paths)
    const trials = yield* readTrials(trialFolder(loaded.value))
    const isKept = args.flags.some(([flag]) => flag === "--node.data-directory")
    const done = yield* backtest({
      settings: loaded.value,
      programs: { root: projectRoot(), ...(yield* builtScripts) },
      dataDirectory: isKept ? loaded.value.node.dataDirectory : undefined,
      trials,
      at: yield* Clock.currentTimeMillis,
      tell: (text) => note(`conclave: ${text}`)
    })
    // Entered before anyone sees it. Run again, it is the trial that it was.
    if (card === undefined && !trials.some(({ id }) => id === done.trial.id)) {
      yield* appendTrial(trialFolder(loaded.value), done.trial)
    }
    yield* write(options.report, reportOf(done))
    yield* write(options.card, Effect.succeed(`${JSON.stringify(done.card, null, 2)}\n`))
    const differences = card === undefined ? [] : differencesOf(card, done.card)
    if (options.json) {
      const { counts, performance } = done
      yield* writeJson({
        type: "backtest",
        counts,
        performance,
        card: done.card,
        ...(card === undefined ? {} : { rerun: { same: differences.length === 0, differences } }),
        wallTimeMs: Math.round(now() - startedAt)
      })
    } else yield* show(done, (now() - startedAt) / 1_000)
    if (card === undefined) return
    if (differences.length > 0) {
      return yield* new UsageError({
        reason: `It is not the same as on the card: ${differences.join(", ")}.`
      })
    }
    yield* note("conclave: the same as on the card, to the last byte")
  })

export const backtestCommand = (args: ParsedArguments) =>
  Command.make(
    "backtest",
    {
      data: Options.text("data").pipe(
        Options.repeated,
        Options.withDescription("a bar file; given several times, several")
      ),
      report: Options.text("report").pipe(
        Options.optional,
        Options.withDescription("where to write the report, one HTML file")
      ),
      card: Options.text("card").pipe(
        Options.optional,
        Options.withDescription("where to write the run card: everything it takes to run it again")
      ),
      rerun: Options.text("rerun").pipe(
        Options.optional,
        Options.withDescription("a run card to run again; exit code 1 if something else comes out")
      ),
      json: Options.boolean("json").pipe(Options.withDescription("the result as JSON on standard output"))
    },
    (options) => run(args, options)
  ).pipe(
    Command.withDescription(
      "Runs the whole committee over bar files in lock-step and judges what it made, beside plain rules and at other costs; --from and --to say which part is traded."
    )
  )
