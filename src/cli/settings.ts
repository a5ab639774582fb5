/** The configuration in force: defaults, what a resumed run was begun with, a file, the environment, flags. */
import { existsSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { Effect } from "effect"
import { findRun, type RunRecord } from "../agents/RunDirectory.ts"
import { Settings } from "../agents/Settings.ts"
import type { TimeFrame } from "../protocols/TimeFrame.ts"
import * as Configuration from "../runtime/Configuration.ts"
import type { ConfigurationInvalid, RunNotFound } from "../runtime/errors.ts"
import type { ParsedArguments } from "./arguments.ts"
import { UsageError } from "./errors.ts"

/** The checkout that this program was built from. */
export const projectRoot = (): string => {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, "config", "default.yaml")) && dirname(folder) !== folder)
    folder = dirname(folder)
  return folder
}

export const defaultsName = "config/default.yaml"

const readDocument = (path: string, name: string) =>
  Effect.try({
    try: (): Configuration.Document => ({ name, text: readFileSync(path, "utf8") }),
    catch: (cause) => new UsageError({ reason: `${path} cannot be read: ${(cause as Error).message}` })
  })

export interface LoadedSettings extends Configuration.Loaded<Settings> {
  readonly resumed: RunRecord | undefined
}

/** The time frame that a command names; the configured one is the simulator's, and a file has its own. */
export const namedTimeFrame = (
  { flags }: ParsedArguments,
  { value }: LoadedSettings
): TimeFrame | undefined =>
  flags.some(([flag]) => flag === "--market-data.time-frame") ? value.marketData.timeFrame : undefined

/** A feed of files is meant when files are given. */
const withSource = (flags: ParsedArguments["flags"]): ParsedArguments["flags"] => {
  const given = new Set(flags.map(([flag]) => flag))
  const hasPaths = given.has("--market-data.paths") && !given.has("--market-data.source")
  return hasPaths ? [...flags, ["--market-data.source", "csv"]] : flags
}

/** @param begun what lies over the defaults and under everything that is given, of a run that is done again */
export const loadSettings = (
  args: ParsedArguments,
  begun?: Configuration.Document
): Effect.Effect<LoadedSettings, ConfigurationInvalid | RunNotFound | UsageError> =>
  Effect.gen(function* () {
    const defaults = yield* readDocument(join(projectRoot(), "config", "default.yaml"), defaultsName)
    const before = begun === undefined ? [defaults] : [defaults, begun]
    const own = args.configFile === undefined ? [] : [yield* readDocument(args.configFile, args.configFile)]
    const sources = { environment: process.env, flags: withSource(args.flags) }
    const first = yield* Configuration.load(Settings, { ...sources, documents: [...before, ...own] })
    const { agents } = first.value.node
    const hasFeed = agents.includes("all") || agents.includes("market-data")
    if (!first.value.run.resume || !hasFeed) return { ...first, resumed: undefined }
    // What the run was begun with lies under what is given now: giving it again, or nothing, comes to the same.
    const resumed = yield* findRun(first.value)
    const last = { name: `the run ${resumed.run}`, text: resumed.settings }
    const loaded = yield* Configuration.load(Settings, { ...sources, documents: [...before, last, ...own] })
    return { ...loaded, resumed }
  })
