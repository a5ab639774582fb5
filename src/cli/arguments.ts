/**
 * The command line's own reading of its arguments: every key of the configuration is a flag
 * (`--deep-learning.lags 12`), and some have short names. What is left is for the commands.
 */
import { Either } from "effect"
import { Settings } from "../agents/Settings.ts"
import { type Key, keysOf } from "../runtime/Configuration.ts"
import { UsageError } from "./errors.ts"

export const keys: ReadonlyArray<Key> = keysOf(Settings)

/** Short names, by the path of the key they stand for. */
export const shortNames: ReadonlyArray<readonly [short: string, path: string]> = [
  ["--source", "marketData.source"],
  ["--path", "marketData.paths"],
  ["--symbol", "marketData.symbols"],
  ["--speed", "marketData.speed"],
  ["--world", "marketData.world"],
  ["--instruments", "marketData.instruments"],
  ["--instruments-max", "marketData.instrumentsMax"],
  ["--time-frame", "marketData.timeFrame"],
  ["--as-ofs", "marketData.asOfs"],
  ["--last", "marketData.lastAsOfs"],
  ["--from", "marketData.from"],
  ["--to", "marketData.to"],
  ["--seed", "run.seed"],
  ["--run", "run.name"],
  ["--resume", "run.resume"],
  ["--agents", "node.agents"],
  ["--name", "node.name"],
  ["--data-directory", "node.dataDirectory"],
  ["--nats", "bus.url"],
  ["--transport", "bus.transport"],
  ["--log-level", "telemetry.logLevel"]
]

export interface ParsedArguments {
  /** Flags of the configuration, by the name of the key. */
  readonly flags: ReadonlyArray<readonly [flag: string, value: string]>
  readonly configFile: string | undefined
  /** What is left, in order. */
  readonly rest: ReadonlyArray<string>
}

/** Takes the configuration's flags out of the arguments: `--flag value`, `--flag=value`, and bare booleans. */
export const parseArguments = (args: ReadonlyArray<string>): Either.Either<ParsedArguments, UsageError> => {
  const byFlag = new Map(keys.flatMap((key) => [[key.flag, key] as const, [`--${key.path}`, key] as const]))
  const byPath = new Map(keys.map((key) => [key.path, key]))
  for (const [short, path] of shortNames) byFlag.set(short, byPath.get(path) as Key)
  const flags: Array<readonly [string, string]> = []
  const rest: Array<string> = []
  let configFile: string | undefined
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] as string
    if (arg === "--") {
      rest.push(...args.slice(i + 1))
      break
    }
    const equals = arg.startsWith("--") ? arg.indexOf("=") : -1
    const name = equals < 0 ? arg : arg.slice(0, equals)
    const inline = equals < 0 ? undefined : arg.slice(equals + 1)
    const key = byFlag.get(name)
    const takesValue = key !== undefined || name === "--config"
    if (!takesValue) {
      if (name.startsWith("--") && name.includes(".")) {
        return Either.left(
          new UsageError({ reason: `There is no key ${name}; \`conclave config print\` lists them.` })
        )
      }
      rest.push(arg)
      continue
    }
    const next = args[i + 1]
    let value = inline
    if (value === undefined && key?.kind === "boolean" && next !== "true" && next !== "false") value = "true"
    if (value === undefined) {
      if (next === undefined || next.startsWith("--")) {
        return Either.left(new UsageError({ reason: `${name} needs a value.` }))
      }
      value = next
      i++
    }
    if (name === "--config") configFile = value
    else flags.push([(key as Key).flag, value])
  }
  return Either.right({ flags, configFile, rest })
}
