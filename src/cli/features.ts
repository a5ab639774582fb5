/**
 * `conclave features`: feature vectors from files to a CSV. Of a bar file those of instruments that are followed together;
 * of tables by date those of the equity market.
 */
import { resolve } from "node:path"
import { Command, Options } from "@effect/cli"
import { Effect, Option } from "effect"
import type { FeatureTable } from "../agents/features/FeatureTable.ts"
import { instrumentFeatureTable } from "../agents/features/instrumentFeatureTable.ts"
import { marketFeatureTable, type PanelFiles } from "../agents/features/marketFeatureFiles.ts"
import { readBars } from "../agents/training/readBars.ts"
import { writeWhole } from "../agents/training-host/wholeFile.ts"
import { stepwise } from "../runtime/breathe.ts"
import type { ParsedArguments } from "./arguments.ts"
import { UsageError } from "./errors.ts"
import { instant } from "./format.ts"
import { given } from "./given.ts"
import { table, writeJson, writeLine } from "./output.ts"
import { checkOutput } from "./outputFile.ts"
import { loadSettings, namedTimeFrame } from "./settings.ts"

/** About 400 MB of text. */
const rowsMax = 2_000_000

const file = (name: string, description: string) =>
  Options.text(name).pipe(Options.optional, Options.withDescription(description))

/** The files of the market, by their options. */
const marketFiles = {
  vix: file("vix", "market: volatility index, with the columns date and close"),
  index: file("index", "market: share index, with the columns date and close"),
  putCall: file("put-call", "market: puts over calls traded, with the columns date and put_call_ratio"),
  close: file("close", "market: closes of a panel of shares, a column a ticker"),
  adjusted: file("adjusted", "market: the same, adjusted for dividends too"),
  volume: file("volume", "market: shares traded, of the same tickers"),
  sectors: file("sectors", "market: their sectors, with the columns ticker and sector")
}

type Given = { readonly [name in keyof typeof marketFiles]?: string }

const flagOf = (name: keyof Given): string => (name === "putCall" ? "--put-call" : `--${name}`)

/** The four files of a panel, or none of them. */
const panelOf = ({
  adjusted,
  close,
  sectors,
  volume
}: Given): Effect.Effect<PanelFiles | undefined, UsageError> => {
  if (adjusted !== undefined && close !== undefined && sectors !== undefined && volume !== undefined) {
    return Effect.succeed({ adjusted, close, sectors, volume })
  }
  return [adjusted, close, sectors, volume].every((path) => path === undefined)
    ? Effect.succeed(undefined)
    : new UsageError({ reason: "A panel takes --close, --adjusted, --volume and --sectors together." })
}

const ofMarket = (files: Given) =>
  Effect.gen(function* () {
    const panel = yield* panelOf(files)
    const { index, putCall, vix } = files
    if (Object.keys(files).length === 0) {
      const flags = (Object.keys(marketFiles) as ReadonlyArray<keyof Given>).map(flagOf)
      const reason = `--schema market needs some of ${flags.join(", ")}.`
      return yield* new UsageError({ reason })
    }
    return yield* marketFeatureTable({ vix, index, putCall, panel })
  })

const ofInstruments = (args: ParsedArguments, data: string) =>
  Effect.gen(function* () {
    const loaded = yield* loadSettings(args)
    const { instruments } = yield* readBars(data, loaded.value, namedTimeFrame(args, loaded))
    const rows = instruments.reduce((sum, { close }) => sum + close.length, 0)
    const [first, ...others] = instruments
    if (first === undefined || rows > rowsMax) {
      const reason = `${data} has ${rows} bars, up to ${rowsMax} can be written: --last or --symbol chooses from them.`
      return yield* new UsageError({ reason })
    }
    return yield* yield* stepwise(instrumentFeatureTable([first, ...others]))
  })

interface FeaturesOptions {
  readonly schema: "market" | "instrument"
  readonly data: string | undefined
  readonly files: Given
  readonly output: string
  readonly json: boolean
}

const madeOf = (args: ParsedArguments, { data, files, schema }: FeaturesOptions) =>
  Effect.gen(function* () {
    const [stray] = Object.keys(files) as ReadonlyArray<keyof Given>
    if (schema === "market") {
      if (data !== undefined) {
        return yield* new UsageError({ reason: "--data goes with --schema instrument, not with market." })
      }
      return yield* ofMarket(files)
    }
    if (stray !== undefined) {
      return yield* new UsageError({
        reason: `${flagOf(stray)} goes with --schema market, not with instrument.`
      })
    }
    if (data === undefined) {
      return yield* new UsageError({ reason: "--schema instrument needs a file of bars by --data." })
    }
    return yield* ofInstruments(args, data)
  })

const show = ({ absent, from, rows, to }: FeatureTable, output: string) => {
  const range = from === null || to === null ? "" : ` (${instant(from)} to ${instant(to)})`
  const lines = [`${rows} rows in ${output}${range}`]
  if (absent.length > 0) {
    const listed = absent.map(({ feature, reason, rows: count }) => [`  ${feature}`, reason, `${count}`])
    lines.push("absent:", table([["  feature", "reason", "rows"], ...listed]))
  }
  return writeLine(lines.join("\n"))
}

const features = (args: ParsedArguments, options: FeaturesOptions) =>
  Effect.gen(function* () {
    const { data, files, json, output, schema } = options
    yield* checkOutput(output, [...(data === undefined ? [] : [data]), ...Object.values(files)])
    const made = yield* madeOf(args, options)
    yield* writeWhole(resolve(output), made.parts, 0o644)
    if (!json) return yield* show(made, output)
    const { absent, from, rows, schema: described, to } = made
    const { names, version } = described
    yield* writeJson({
      type: "features",
      schema,
      version,
      features: names,
      output: resolve(output),
      rows,
      asOfs: { from, to },
      absent
    })
  })

export const featuresCommand = (args: ParsedArguments) =>
  Command.make(
    "features",
    {
      schema: Options.choice("schema", ["market", "instrument"]).pipe(
        Options.withDescription(
          "the ten of the equity market, at the close of each session of New York; or the ten of instruments that are followed together, at each of their bars"
        )
      ),
      data: file("data", "instrument: a file of bars; --symbol, --last and --time-frame choose from it"),
      ...marketFiles,
      output: Options.text("output").pipe(Options.withDescription("a CSV, written when all rows are made")),
      json: Options.boolean("json").pipe(
        Options.withDescription("the result as JSON on standard output, and nothing else")
      )
    },
    ({ data, json, output, schema, ...files }) =>
      features(args, {
        schema,
        data: Option.getOrUndefined(data),
        files: given(files),
        output,
        json
      })
  ).pipe(
    Command.withDescription(
      "Writes feature vectors to a CSV: a row an as-of (and instrument), empty cells where a feature is absent, and why in the last column."
    )
  )
