/**
 * Where bars come from: a finite or endless sequence of as-ofs that can be taken up at any of them. Opening it is
 * done once, before anything is started, so that a file that cannot be read ends the program with one line.
 */
import { Effect, Either } from "effect"
import { type AsOfSchedule, makeAsOfSchedule, warmUpAsOfs } from "../../market/AsOfSchedule.ts"
import type { BarSeries } from "../../market/BarSeries.ts"
import type { BarFileError, ScheduleError, SimulatorError } from "../../market/errors.ts"
import { simulate } from "../../market/Simulator.ts"
import { worlds } from "../../market/worlds.ts"
import type { Bar } from "../../protocols/Bar.ts"
import type { Instrument } from "../../protocols/Instrument.ts"
import { type TimeFrame, toMs } from "../../protocols/TimeFrame.ts"
import { contentHash } from "../../protocols/wire/Json.ts"
import type { Settings } from "../Settings.ts"
import { type FileUnreadable, NoSource } from "./errors.ts"
import { type ReadBars, readBarFile } from "./readBarFile.ts"

export interface Feed {
  /** For people. */
  readonly source: string
  readonly kind: "csv" | "simulator"
  /** Of everything that its bars follow from. */
  readonly fingerprint: string
  readonly timeFrame: TimeFrame
  readonly instruments: ReadonlyArray<Instrument>
  /** As-ofs; null for a feed without an end. */
  readonly total: number | null
  readonly warmUp: number
  /** Milliseconds between as-ofs; null for lock-step. */
  readonly paceMs: number | null
  readonly rowsRefused: number
  readonly gaps: number
  readonly barsMissing: number
  /** For people: what was refused, the first of it. */
  readonly refusals: ReadonlyArray<{ readonly path: string; readonly line: number; readonly reason: string }>
  /** The bars of one as-of after the other, from an index on; undefined at the end. */
  readonly from: (index: number) => () => ReadonlyArray<Bar> | undefined
}

export type FeedError = BarFileError | ScheduleError | SimulatorError | FileUnreadable | NoSource

/** The first bar of simulated worlds: a Monday, so that calendars have nothing to object. */
const simulationStart = Date.UTC(2024, 0, 1)

const paceOf = (speed: string, timeFrame: TimeFrame): number | null => {
  if (speed === "max") return null
  return toMs(timeFrame) / (speed === "real" ? 1 : Number.parseFloat(speed))
}

/** `[INSTRUMENT=]FILE`; a path may hold an equals sign if a folder of it comes first. */
const splitPath = (text: string): { readonly path: string; readonly instrument?: string } => {
  const equals = text.indexOf("=")
  const slash = text.indexOf("/")
  if (equals <= 0 || equals === text.length - 1 || (slash >= 0 && slash < equals)) return { path: text }
  return { instrument: text.slice(0, equals), path: text.slice(equals + 1) }
}

const fromSchedule = (schedule: AsOfSchedule) => (index: number) => {
  let next = index
  return () => (next < schedule.length ? schedule.at(next++).bars : undefined)
}

const openFiles = Effect.fnUntraced(function* (settings: Settings["marketData"]) {
  const { instrumentsMax, lastAsOfs, paths, refusedShareMax, symbols } = settings
  if (paths.length === 0) return yield* new NoSource({ reason: "give a bar file by --path FILE" })
  const files: Array<ReadBars> = []
  const passedOver: Array<BarFileError> = []
  for (const text of paths) {
    const options = {
      ...splitPath(text),
      symbols,
      refusedShareMax,
      ...(instrumentsMax === 0 ? {} : { instrumentsMax })
    }
    const result = yield* Effect.either(readBarFile(options))
    if (Either.isRight(result)) files.push(result.right)
    // Among several files, one may hold none of the instruments chosen.
    else if (result.left._tag === "NothingSelected" && paths.length > 1) passedOver.push(result.left)
    else return yield* result.left
  }
  const [first, ...rest] = files.flatMap(({ series }) => series)
  if (first === undefined) return yield* passedOver[0] ?? new NoSource({ reason: "the files hold no bars" })
  const series: readonly [BarSeries, ...Array<BarSeries>] = [first, ...rest]
  const schedule = yield* makeAsOfSchedule(series, lastAsOfs === 0 ? {} : { lastAsOfs })
  const { length, timeFrame } = schedule
  const sum = (pick: (file: ReadBars) => number) => files.reduce((total, file) => total + pick(file), 0)
  return {
    source: files.map(({ path }) => path).join(", "),
    kind: "csv",
    fingerprint: contentHash({
      files: files.map(({ digest }) => digest),
      instruments: series.map(({ instrument }) => instrument.id),
      lastAsOfs
    }),
    timeFrame,
    instruments: series.map(({ instrument }) => instrument),
    total: length,
    warmUp: warmUpAsOfs(length, settings.warmUpBarsMin, settings.warmUpShare),
    paceMs: paceOf(settings.speed, timeFrame),
    rowsRefused: sum(({ refused }) => refused),
    gaps: sum(({ gaps }) => gaps),
    barsMissing: sum(({ barsMissing }) => barsMissing),
    refusals: files.flatMap(({ path, refusals }) => refusals.map((refusal) => ({ path, ...refusal }))),
    from: fromSchedule(schedule)
  } satisfies Feed
})

const openSimulator = Effect.fnUntraced(function* (settings: Settings["marketData"], seed: number) {
  const { asOfs, instruments, timeFrame } = settings
  const world = Object.hasOwn(worlds, settings.world)
    ? worlds[settings.world as keyof typeof worlds]
    : undefined
  if (world === undefined) {
    const reason = `no world is called "${settings.world}"; there are ${Object.keys(worlds).join(", ")}`
    return yield* new NoSource({ reason })
  }
  const options = { world, seed, instruments, timeFrame, startTime: simulationStart }
  const simulation = yield* simulate(options)
  const total = asOfs === 0 ? null : asOfs
  const { history, warmUpBarsMin, warmUpShare } = settings
  return {
    source: `simulator: ${world.name}, seed ${seed}`,
    kind: "simulator",
    fingerprint: contentHash({ world, seed, instruments, timeFrame, total }),
    timeFrame,
    instruments: simulation.instruments,
    total,
    warmUp:
      total === null ? Math.max(history, warmUpBarsMin) : warmUpAsOfs(total, warmUpBarsMin, warmUpShare),
    paceMs: paceOf(settings.speed, timeFrame),
    rowsRefused: 0,
    gaps: 0,
    barsMissing: 0,
    refusals: [],
    from: (index) => {
      const fresh = Either.getOrThrow(simulate(options))
      fresh.skip(index)
      return () => (total !== null && fresh.position() >= total ? undefined : fresh.next())
    }
  } satisfies Feed
})

export const openFeed = (settings: Settings): Effect.Effect<Feed, FeedError> =>
  settings.marketData.source === "csv"
    ? openFiles(settings.marketData)
    : openSimulator(settings.marketData, settings.run.seed)
