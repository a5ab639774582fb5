/**
 * What is published of bars whose as-of is gone: those that were left out, and new reports of those that were not. A
 * new report counts if it comes from the source of the first, under a higher revision. Where a source counts its revisions
 * anew in every life of the run, a lower one may be news as well: there it is not if it repeats a report.
 *
 * What can go wrong: a bar says nothing new, is older than the as-ofs that are remembered, or one of too many. It is
 * passed over, and counted by why.
 * Invariants: what was published is read from the fold of the feed's stream, so that nothing is published twice, in
 * whichever life of the agent it comes; a bar's revisions rise, whatever its source counts, and so do the as-ofs of
 * corrections.
 */
import type { Bar, BarsCorrected } from "../../protocols/Bar.ts"

export const correctionLimits = {
  /** As-ofs whose bars can be corrected. */
  asOfsMax: 32,
  /** Bars of all of them together; of more instruments, fewer as-ofs are remembered. */
  barsMax: 1_024,
  /** Reports of one bar, the first among them. */
  revisionsMax: 8
} as const

/** What was published lately, as the fold of the feed's stream has it. */
export interface PublishedLately {
  /** The latest as-of. */
  readonly asOf: number | null
  /** As-ofs as they were published first, the oldest first. */
  readonly recent: ReadonlyArray<{ readonly asOf: number; readonly bars: ReadonlyArray<Bar> }>
  /** What was published of their bars since, in order. */
  readonly corrected: ReadonlyArray<Bar>
  /** As-of of the latest corrections, null before the first. */
  readonly correctedAsOf: number | null
}

export type CorrectionRefusal = "duplicate" | "too-late" | "too-many"

export interface Correction {
  /** Undefined if nothing is left to publish. */
  readonly payload: BarsCorrected["payload"] | undefined
  readonly refused: Readonly<Record<CorrectionRefusal, number>>
}

/** Whether two bars of one open time say the same. */
export const isSameReport = (one: Bar, other: Bar): boolean =>
  one.open === other.open &&
  one.high === other.high &&
  one.low === other.low &&
  one.close === other.close &&
  one.volume === other.volume &&
  one.closeOnly === other.closeOnly

/** The revision under which a report is published; or why it is not. */
const revisionOf = (
  published: ReadonlyArray<Bar>,
  bar: Bar,
  countsAnew: boolean
): number | CorrectionRefusal => {
  const latest = published.at(-1)
  if (latest === undefined) return bar.revision
  if (latest.source !== bar.source || isSameReport(latest, bar)) return "duplicate"
  const isRepeated = () => published.some((report) => isSameReport(report, bar))
  if (bar.revision <= latest.revision && (!countsAnew || isRepeated())) return "duplicate"
  if (published.length >= correctionLimits.revisionsMax) return "too-many"
  return Math.max(bar.revision, latest.revision + 1)
}

/**
 * What late bars come to, after everything that was published before.
 * @param late at most as many as an event may hold, in the order in which they came
 * @param wallMs by the clock of the day
 * @param countsAnew whether a source counts the revisions of its bars anew in every life of the run
 */
export const correctionOf = (
  { asOf: latest, corrected, correctedAsOf, recent }: PublishedLately,
  late: ReadonlyArray<Bar>,
  wallMs: number,
  countsAnew: (source: string) => boolean
): Correction => {
  const oldest = recent[0]?.asOf ?? Number.POSITIVE_INFINITY
  const refused = { duplicate: 0, "too-late": 0, "too-many": 0 }
  // What was decided at the latest as-of had not seen them.
  let asOf = Math.max(wallMs, (latest ?? 0) + 1, (correctedAsOf ?? 0) + 1)
  const accepted: Array<Bar> = []
  /** Reports of each bar, in order. */
  const reports = new Map<string, Array<Bar>>()
  const keyOf = ({ instrument, openTime }: Bar) => `${instrument}|${openTime}`
  const note = (bar: Bar) => {
    const known = reports.get(keyOf(bar))
    if (known === undefined) reports.set(keyOf(bar), [bar])
    else known.push(bar)
  }
  for (const { bars } of recent) bars.forEach(note)
  corrected.forEach(note)
  for (const bar of late) {
    if (bar.closeTime < oldest) {
      refused["too-late"]++
      continue
    }
    const published = reports.get(keyOf(bar)) ?? []
    const revision = revisionOf(published, bar, countsAnew(bar.source))
    if (typeof revision !== "number") {
      refused[revision]++
      continue
    }
    if (corrected.length + accepted.length >= correctionLimits.barsMax) {
      refused["too-many"]++
      continue
    }
    asOf = Math.max(asOf, bar.closeTime, (published.at(-1)?.knownAt ?? 0) + 1)
    const report = { ...bar, revision }
    accepted.push(report)
    note(report)
  }
  const [first] = accepted
  if (first === undefined) return { payload: undefined, refused }
  const { timeFrame } = first
  return { payload: { asOf, timeFrame, bars: accepted.map((bar) => ({ ...bar, knownAt: asOf })) }, refused }
}
