/**
 * Where a node keeps what belongs to a run, and how runs are named. A lock-step run is named by everything that
 * its records follow from, so that its repetition has the same name and the same bytes; a live one likewise, because
 * it goes on when it is started again; any other is named by when it began.
 */
import { randomBytes } from "node:crypto"
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs"
import { hostname } from "node:os"
import { join } from "node:path"
import { Effect, Either, Schema } from "effect"
import { stringify } from "yaml"
import { type NodeId, NodeId as NodeIdSchema, RunId } from "../protocols/wire/Ids.ts"
import { contentHash } from "../protocols/wire/Json.ts"
import { RunNotFound } from "../runtime/errors.ts"
import { makeDirectory } from "../runtime/makeDirectory.ts"
import type { Feed } from "./market-data/Feed.ts"
import type { Settings } from "./Settings.ts"

/** What is written beside a run's data. */
export const RunRecord = Schema.Struct({
  run: RunId,
  /** Of everything that the records follow from; empty for a node that has no feed of its own. */
  fingerprint: Schema.String,
  /** Tells two runs of one name apart: the second begins with empty streams. */
  incarnation: Schema.String,
  /** The configuration that the run was begun with, as YAML: what `--resume` starts from. */
  settings: Schema.String,
  /** Where its journal is: in its node's files, on its node's own NATS server, or on one that was given. */
  journal: Schema.optional(Schema.Literal("files", "own-server", "given-server"))
})
export type RunRecord = typeof RunRecord.Type

const RunRecordText = Schema.parseJson(RunRecord)
const recordFile = "run.json"
const latestFile = "latest"
const homeFile = "home"

/** The agents in one word: the name of a node that was given none. */
export const nodeIdOf = (settings: Settings): NodeId => {
  const { agents, name } = settings.node
  if (name !== "") return NodeIdSchema.make(name)
  return NodeIdSchema.make(
    agents.includes("all") ? "node" : [...new Set(agents)].sort().join("_").slice(0, 100)
  )
}

export const nodeDirectory = (settings: Settings): string =>
  join(settings.node.dataDirectory, nodeIdOf(settings))

/** Names the node's folder among all folders: made once, and kept in it. To be asked for under its lock. */
export const homeOf = (settings: Settings): string => {
  const path = join(nodeDirectory(settings), homeFile)
  if (!existsSync(path)) writeFileSync(path, randomBytes(16).toString("hex"), { mode: 0o600 })
  // A copy of the folder on another machine is another one.
  return `${hostname()}/${readFileSync(path, "utf8").trim()}`
}

const runDirectory = (node: string, run: string): string => join(node, "runs", run)

/** Of everything that decisions and fills follow from. Deadlines and the like change nothing in lock-step. */
export const fingerprintOf = (settings: Settings, feed: Feed): string => {
  const { deadlineMs, lockStepPatienceMs, tries, ...orchestrator } = settings.orchestrator
  const { deploymentThreshold, versionsMax } = settings.models
  return contentHash({
    feed: feed.fingerprint,
    warmUp: feed.warmUp,
    seed: settings.run.seed,
    costs: settings.costs,
    orchestrator,
    deepLearning: settings.deepLearning,
    reinforcementLearning: settings.reinforcementLearning,
    models: { deploymentThreshold, versionsMax },
    broker: settings.broker
  })
}

export const newRunId = (settings: Settings, feed: Feed, startedAtMs: number): RunId => {
  if (settings.run.name !== "") return RunId.make(settings.run.name)
  const fingerprint = fingerprintOf(settings, feed)
  return feed.paceMs === null || feed.isLive
    ? RunId.make(`${feed.kind}-${fingerprint.slice(0, 12)}`)
    : RunId.make(`${feed.kind}-${fingerprint.slice(0, 6)}-${startedAtMs.toString(36)}`)
}

const read = (directory: string): RunRecord | undefined => {
  const path = join(directory, recordFile)
  if (!existsSync(path)) return undefined
  const decoded = Schema.decodeUnknownEither(RunRecordText)(readFileSync(path, "utf8"))
  return Either.getOrUndefined(decoded)
}

/** The sections that a run's records follow from, as YAML. No secret is among them. */
export const runSettings = (settings: Settings): string => {
  const { broker, costs, deepLearning, marketData, models, orchestrator, reinforcementLearning, run } =
    settings
  const { seed } = run
  return stringify({
    run: { seed },
    marketData,
    costs,
    orchestrator,
    deepLearning,
    reinforcementLearning,
    models,
    broker
  })
}

/** The run to go on with: the named one, or the latest of this node. */
export const findRun = (settings: Settings): Effect.Effect<RunRecord, RunNotFound> =>
  Effect.suspend(() => {
    const node = nodeDirectory(settings)
    const latest = join(node, latestFile)
    const name =
      settings.run.name !== ""
        ? settings.run.name
        : existsSync(latest)
          ? readFileSync(latest, "utf8").trim()
          : ""
    const record = name === "" ? undefined : read(runDirectory(node, name))
    return record === undefined
      ? new RunNotFound({ run: name === "" ? "(none)" : name, directory: join(node, "runs") })
      : Effect.succeed(record)
  })

/** A live feed goes on with its own run, if there is one on these instruments. */
export const findLiveRun = (settings: Settings, feed: Feed): Effect.Effect<RunRecord | undefined> =>
  Effect.sync(() => read(runDirectory(nodeDirectory(settings), newRunId(settings, feed, 0))))

/** Retention: the runs that were touched longest ago go. */
const removeOldRuns = (folder: string, keep: string, runsMax: number) => {
  const others = readdirSync(folder)
    .filter((name) => name !== keep)
    .map((name) => ({ name, touchedAt: statSync(join(folder, name)).mtimeMs }))
    .sort((a, b) => b.touchedAt - a.touchedAt)
  for (const { name } of others.slice(Math.max(runsMax - 1, 0))) {
    rmSync(join(folder, name), { recursive: true, force: true })
  }
}

/**
 * The run's folder. What is there of another incarnation of the same name is removed: its positions are in streams
 * that are gone.
 */
export const prepareRun = (settings: Settings, record: RunRecord): string => {
  const node = nodeDirectory(settings)
  const directory = runDirectory(node, record.run)
  if (read(directory)?.incarnation !== record.incarnation) rmSync(directory, { recursive: true, force: true })
  makeDirectory(directory)
  removeOldRuns(join(node, "runs"), record.run, settings.store.runsMax)
  rememberRun(settings, record)
  return directory
}

/** Writes the record into the run's folder, and that this run is the latest. */
export const rememberRun = (settings: Settings, record: RunRecord): void => {
  const node = nodeDirectory(settings)
  const write = (path: string, text: string) => {
    writeFileSync(`${path}.part`, text, { mode: 0o600 })
    renameSync(`${path}.part`, path)
  }
  write(join(runDirectory(node, record.run), recordFile), Schema.encodeSync(RunRecordText)(record))
  write(join(node, latestFile), record.run)
}
