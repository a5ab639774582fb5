/**
 * Bar files as a feed: their bars in the order in which they became known, all of them or those of a range of time.
 *
 * What can go wrong: a file that cannot be read or holds too much that is no bar, bars of days that are no sessions of the
 * calendar asked for, files that do not fit together, a range without anything to trade in.
 */
import { Effect, Either } from "effect"
import { type AsOfSchedule, makeAsOfSchedule, warmUpAsOfs } from "../../market/AsOfSchedule.ts"
import type { BarSeries } from "../../market/BarSeries.ts"
import type { BarFileError } from "../../market/errors.ts"
import { isDateOnly, parseTimestamp } from "../../market/Timestamp.ts"
import { contentHash } from "../../protocols/wire/Json.ts"
import type { Settings } from "../Settings.ts"
import { NoSource } from "./errors.ts"
import { type Feed, neverAnew, noSources, paceOf } from "./Feed.ts"
import { type ReadBars, readBarFile } from "./readBarFile.ts"

/** `[INSTRUMENT=]FILE`; a path may hold an equals sign if a folder of it comes first. */
const splitPath = (text: string): { readonly path: string; readonly instrument?: string } => {
  const equals = text.indexOf("=")
  const slash = text.indexOf("/")
  if (equals <= 0 || equals === text.length - 1 || (slash >= 0 && slash < equals)) return { path: text }
  return { instrument: text.slice(0, equals), path: text.slice(equals + 1) }
}

/** The first as-of that is not below an instant. */
const firstFrom = (schedule: AsOfSchedule, instant: number): number => {
  let low = 0
  let high = schedule.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (schedule.closeTimeAt(middle) < instant) low = middle + 1
    else high = middle
  }
  return low
}

const dayMs = 86_400_000

/** An instant of the configuration; a date alone is the beginning of its day, or its end. */
const instantOf = (key: "from" | "to", text: string): Either.Either<number, NoSource> => {
  const time = parseTimestamp(text)
  if (!Number.isFinite(time)) {
    const reason = `marketData.${key} is "${text}", and has to be a date, an instant like 2024-01-31T08:00:00Z or epoch milliseconds`
    return Either.left(new NoSource({ reason }))
  }
  return Either.right(key === "to" && isDateOnly(text) ? time + dayMs : time)
}

/**
 * How many as-ofs are given, and how many of them are the warm-up: with a beginning, those before it, but at least
 * `warmUpBarsMin`.
 */
const rangeOf = (
  schedule: AsOfSchedule,
  { from, to, warmUpBarsMin, warmUpShare }: Settings["marketData"]
): Either.Either<{ readonly total: number; readonly warmUp: number }, NoSource> =>
  Either.gen(function* () {
    // What closes at the end of the range belongs to it.
    const total = to === "" ? schedule.length : firstFrom(schedule, (yield* instantOf("to", to)) + 1)
    if (total === 0) return yield* Either.left(new NoSource({ reason: `no bars close before ${to}` }))
    if (from === "") return { total, warmUp: warmUpAsOfs(total, warmUpBarsMin, warmUpShare) }
    const warmUp = Math.max(firstFrom(schedule, yield* instantOf("from", from)), warmUpBarsMin)
    if (warmUp < total) return { total, warmUp }
    const reason = `of the ${total} as-ofs${to === "" ? "" : ` until ${to}`} none is left to trade from ${from} on, after a warm-up of ${warmUp}`
    return yield* Either.left(new NoSource({ reason }))
  })

export const openFileFeed = Effect.fnUntraced(function* (settings: Settings["marketData"]) {
  const { calendar, instrumentsMax, lastAsOfs, paths, refusedShareMax, symbols } = settings
  if (paths.length === 0) return yield* new NoSource({ reason: "give a bar file by --path FILE" })
  const files: Array<ReadBars> = []
  const passedOver: Array<BarFileError> = []
  for (const text of paths) {
    const options = {
      ...splitPath(text),
      symbols,
      refusedShareMax,
      calendar,
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
  const { timeFrame } = schedule
  const range = yield* rangeOf(schedule, settings)
  const sum = (pick: (file: ReadBars) => number) => files.reduce((total, file) => total + pick(file), 0)
  return {
    source: files.map(({ path }) => path).join(", "),
    kind: "csv",
    fingerprint: contentHash({
      files: files.map(({ digest }) => digest),
      instruments: series.map(({ instrument }) => instrument.id),
      lastAsOfs,
      ...(settings.from === "" && settings.to === "" ? {} : { from: settings.from, to: settings.to }),
      ...(calendar === "auto" ? {} : { calendar })
    }),
    timeFrame,
    instruments: series.map(({ instrument }) => instrument),
    total: range.total,
    bars: schedule.barsBefore(range.total),
    warmUp: range.warmUp,
    paceMs: paceOf(settings.speed, timeFrame),
    isLive: false,
    countsAnew: neverAnew,
    files: files.map(({ digest, path }) => ({ path, digest })),
    rowsRefused: sum(({ refused }) => refused),
    gaps: sum(({ gaps }) => gaps),
    barsMissing: sum(({ barsMissing }) => barsMissing),
    refusals: files.flatMap(({ path, refusals }) => refusals.map((refusal) => ({ path, ...refusal }))),
    strays: files.flatMap(({ path, strays }) => (strays === null ? [] : [{ path, ...strays }])),
    from: ({ index }) => {
      let next = index
      return Effect.succeed(
        Effect.sync(() => (next < range.total ? { bars: schedule.at(next++).bars } : undefined))
      )
    },
    sources: noSources
  } satisfies Feed & { readonly bars: number }
})
