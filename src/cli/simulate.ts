/** `conclave simulate`: bars of the simulator as a file that every other command reads. */
import { resolve } from "node:path"
import { Command, Options } from "@effect/cli"
import { Effect } from "effect"
import { openSimulatorFeed } from "../agents/market-data/SimulatorFeed.ts"
import { writeWhole } from "../agents/training-host/wholeFile.ts"
import { symbolOf } from "../protocols/Instrument.ts"
import { breathe } from "../runtime/breathe.ts"
import type { ParsedArguments } from "./arguments.ts"
import { UsageError } from "./errors.ts"
import { writeJson, writeLine } from "./output.ts"
import { checkOutput } from "./outputFile.ts"
import { type LoadedSettings, loadSettings } from "./settings.ts"

const barsMax = 5_000_000
/** As-ofs that are made at a time. */
const asOfsAtOnce = 200
const header = "timestamp,ticker,open,high,low,close,volume\n"

const simulate = (
  { value }: LoadedSettings,
  { json, output }: { readonly json: boolean; readonly output: string }
) =>
  Effect.gen(function* () {
    const { asOfs, instruments } = value.marketData
    if (asOfs === 0) return yield* new UsageError({ reason: "Say how many bars by --as-ofs N." })
    if (asOfs * instruments > barsMax) {
      const reason = `${asOfs} bars of ${instruments} instruments are more than ${barsMax}: --as-ofs or --instruments less.`
      return yield* new UsageError({ reason })
    }
    yield* checkOutput(output, [])
    const feed = yield* openSimulatorFeed(value.marketData, value.run.seed)
    const next = yield* feed.from({ index: 0, asOf: null, active: null })
    const parts = [Buffer.from(header)]
    for (let made = 0; made < asOfs; ) {
      const lines: Array<string> = []
      for (let i = 0; i < asOfsAtOnce && made < asOfs; i++, made++) {
        for (const { close, high, instrument, low, open, openTime, volume } of (yield* next)?.bars ?? []) {
          const time = new Date(openTime).toISOString()
          lines.push(`${[time, symbolOf(instrument), open, high, low, close, volume].join(",")}\n`)
        }
      }
      parts.push(Buffer.from(lines.join("")))
      yield* breathe
    }
    yield* writeWhole(resolve(output), parts, 0o644)
    const rows = asOfs * instruments
    if (json)
      return yield* writeJson({ type: "simulation", output: resolve(output), source: feed.source, rows })
    yield* writeLine(`${rows} bars in ${output} (${feed.source})`)
  })

export const simulateCommand = (args: ParsedArguments) =>
  Command.make(
    "simulate",
    {
      output: Options.text("output").pipe(Options.withDescription("a CSV, written when all bars are made")),
      json: Options.boolean("json").pipe(Options.withDescription("the result as JSON on standard output"))
    },
    (options) => Effect.flatMap(loadSettings(args), (loaded) => simulate(loaded, options))
  ).pipe(
    Command.withDescription(
      "Writes bars of the simulator to a file: --as-ofs, --world, --instruments, --time-frame and --seed say which."
    )
  )
