/** `conclave lookahead`: whether a feature or an agent looks at what it cannot know. */
import { Command, Options } from "@effect/cli"
import { Effect } from "effect"
import { lookahead } from "../agents/backtest/lookahead.ts"
import { readBars } from "../agents/training/readBars.ts"
import type { ParsedArguments } from "./arguments.ts"
import { UsageError } from "./errors.ts"
import { instant } from "./format.ts"
import { note, writeJson, writeLine } from "./output.ts"
import { builtScripts } from "./processes.ts"
import { loadSettings, projectRoot } from "./settings.ts"

const cutsMax = 20

/** Found is a result, and for whoever checks by exit codes no success. */
class Peeks {
  readonly _tag = "Peeks"
  readonly message: string
  constructor(count: number) {
    this.message = `${count} ${count === 1 ? "thing looks" : "things look"} ahead.`
  }
}

const check = (
  args: ParsedArguments,
  { cuts, data, json }: { readonly cuts: number; readonly data: string; readonly json: boolean }
) =>
  Effect.gen(function* () {
    if (cuts < 1 || cuts > cutsMax) {
      return yield* new UsageError({ reason: `--cuts ${cuts} is not between 1 and ${cutsMax}.` })
    }
    const { value: settings } = yield* loadSettings({
      ...args,
      flags: [...args.flags, ["--market-data.paths", data], ["--market-data.source", "csv"]]
    })
    const { instruments } = yield* readBars(data, settings)
    const report = yield* lookahead({
      settings,
      programs: { root: projectRoot(), ...(yield* builtScripts) },
      series: instruments,
      cuts,
      tell: (text) => note(`conclave: ${text}`)
    })
    const { features, records } = report
    if (json) yield* writeJson({ type: "lookahead", data, ...report })
    else {
      yield* writeLine(
        `${report.asOfs} as-ofs and ${report.decisions} decisions, cut off at ${report.cuts.map(instant).join(", ")}`
      )
      for (const { asOf, column, cut, cutAt, instrument, set, whole } of features) {
        yield* writeLine(
          `PEEKS: feature ${column} of ${set}, ${instrument} at ${instant(asOf)}: ${whole} with what came after ${instant(cutAt)}, ${cut} without`
        )
      }
      for (const { agent, asOf, cutAt, field, instrument } of records) {
        yield* writeLine(
          `PEEKS: ${agent} (${field}), ${instrument} at ${instant(asOf)}: says something else where the history ends at ${instant(cutAt)}`
        )
      }
      if (features.length + records.length === 0) {
        yield* writeLine(
          `nothing looks ahead: ${report.columns} columns of features and every decision are the same without what came after`
        )
      }
    }
    if (features.length + records.length > 0)
      return yield* Effect.fail(new Peeks(features.length + records.length))
  })

export const lookaheadCommand = (args: ParsedArguments) =>
  Command.make(
    "lookahead",
    {
      data: Options.text("data").pipe(Options.withDescription("a bar file")),
      cuts: Options.integer("cuts").pipe(
        Options.withDefault(3),
        Options.withDescription("how often the history is cut off")
      ),
      json: Options.boolean("json").pipe(Options.withDescription("the result as JSON on standard output"))
    },
    (options) => check(args, options)
  ).pipe(
    Command.withDescription(
      "Runs the committee and computes every feature with and without what came after, and names what differs; exit code 1 if anything does."
    )
  )
