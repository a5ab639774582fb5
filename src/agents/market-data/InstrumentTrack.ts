/**
 * Where the chain is with one instrument: what has been passed on, what is held until its turn comes, and the gap that
 * is being filled. Changed in place by the chain that owns it.
 *
 * Invariants: open times are passed on strictly rising; nothing that opens before `next` is held; `order` holds the
 * open times of `held`, ascending; at most one gap is open, and it begins at `next`.
 */
import type { Bar } from "../../protocols/Bar.ts"
import { isSameReport } from "./Corrections.ts"
import type { SourceFailed } from "./errors.ts"

export interface Held {
  /** When the first bar of this open time came. */
  readonly since: number
  /** By source. */
  readonly bars: Map<string, Bar>
}

/** Open times in [from, to) that are missing, asked of a source. */
export interface Gap {
  readonly id: number
  readonly from: number
  readonly to: number
  /** Since when there has been no progress. */
  since: number
  /** Who is asked now; null while nobody can be. */
  source: string | null
  readonly tried: Set<string>
  /** Whose answer was malformed once. */
  readonly malformed: Set<string>
}

export interface InstrumentTrack {
  readonly instrument: string
  /** The earliest open time that may still be passed on; null before the first bar. */
  next: number | null
  /** Open times before this are as complete as they will be: what is missing is left out. */
  settledTo: number
  /** Open times before this are asked for where they are missing. */
  target: number
  /** Open times before this do not wait for the active source. */
  freeTo: number
  gap: Gap | null
  readonly held: Map<number, Held>
  readonly order: Array<number>
  /** What the sources said of the latest open times that were passed on. */
  readonly recent: Map<number, Map<string, Bar>>
  /** The latest open time of each source's live bars. */
  readonly latest: Map<string, number>
  /** Open times that somebody has given first, and when; those whose time to follow is over are taken out. */
  readonly fronts: Array<{ readonly openTime: number; readonly at: number }>
  /** Whoever has given no bar of this open time or a later one is behind. */
  due: number
  /** Pairs of sources that disagree at the moment. */
  readonly disagreeing: Set<string>
  missing: number
  gaps: number
}

export const trackLimits = {
  /** Open times held of one instrument; a bar beyond is dropped, and fetched later. */
  heldMax: 4_096,
  /** Open times passed on whose bars are kept to compare with what comes late. */
  recentMax: 64,
  frontsMax: 64,
  /** Bars of one request for a gap. */
  gapBarsMax: 2_000
} as const

export const make = (instrument: string, next: number | null, target: number): InstrumentTrack => ({
  instrument,
  next,
  settledTo: Number.NEGATIVE_INFINITY,
  target: next === null ? Number.NEGATIVE_INFINITY : target,
  freeTo: Number.NEGATIVE_INFINITY,
  gap: null,
  held: new Map(),
  order: [],
  recent: new Map(),
  latest: new Map(),
  fronts: [],
  due: Number.NEGATIVE_INFINITY,
  disagreeing: new Set(),
  missing: 0,
  gaps: 0
})

/** Position of the first open time that is not below `openTime`. */
const lowerBound = (order: ReadonlyArray<number>, openTime: number): number => {
  let low = 0
  let high = order.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((order[middle] as number) < openTime) low = middle + 1
    else high = middle
  }
  return low
}

/** Whether a report is of a higher revision and says something else. What it repeats takes its revision. */
const isNews = (bars: Map<string, Bar>, source: string, before: Bar, bar: Bar): boolean => {
  if (bar.revision <= before.revision) return false
  if (!isSameReport(before, bar)) return true
  bars.set(source, { ...before, revision: bar.revision })
  return false
}

/** Keeps a bar until its turn, if there is room. A new report takes the place of one before, if its revision is higher. */
export const hold = (
  track: InstrumentTrack,
  source: string,
  bar: Bar,
  now: number,
  heldMax: number
): "held" | "duplicate" | "full" => {
  const { held, order } = track
  const known = held.get(bar.openTime)
  if (known !== undefined) {
    const before = known.bars.get(source)
    if (before !== undefined && !isNews(known.bars, source, before, bar)) return "duplicate"
    known.bars.set(source, bar)
    return "held"
  }
  if (order.length >= heldMax) return "full"
  held.set(bar.openTime, { since: now, bars: new Map([[source, bar]]) })
  order.splice(lowerBound(order, bar.openTime), 0, bar.openTime)
  return "held"
}

/** Whether a bar is held that closes at the as-of or before. */
export const isHolding = ({ held, order }: InstrumentTrack, asOf: number): boolean => {
  const [bar] = held.get(order[0] ?? Number.NaN)?.bars.values() ?? []
  return bar !== undefined && bar.closeTime <= asOf
}

/**
 * A bar whose turn is over: late if it was left out, or is another report of higher revision than its source has given
 * before, else a duplicate. Of a bar that was passed on, whoever comes after the others says nothing new but to compare.
 * One that closes elsewhere than before belongs to another as-of: refused.
 */
export const takeLate = (
  track: InstrumentTrack,
  source: string,
  bar: Bar
): { readonly verdict: "late" | "duplicate" | "refused"; readonly others: ReadonlyMap<string, Bar> } => {
  const passed = track.recent.get(bar.openTime)
  if (passed === undefined) return { verdict: "late", others: new Map() }
  const own = passed.get(source)
  if (own !== undefined && own.closeTime !== bar.closeTime) return { verdict: "refused", others: new Map() }
  if (own !== undefined && !isNews(passed, source, own, bar)) {
    return { verdict: "duplicate", others: new Map() }
  }
  passed.set(source, bar)
  return { verdict: own === undefined ? "duplicate" : "late", others: passed }
}

/** Moves on past an open time that is held: what its sources said is kept for a while. */
export const pass = (track: InstrumentTrack, openTime: number, next: number): void => {
  const { held, order, recent } = track
  const passed = held.get(openTime)
  held.delete(openTime)
  order.shift()
  if (passed !== undefined) recent.set(openTime, passed.bars)
  if (recent.size > trackLimits.recentMax) recent.delete(recent.keys().next().value as number)
  track.next = next
}

/** Notes who is first with an open time, and since when the others are behind. */
export const noteFront = (track: InstrumentTrack, openTime: number, now: number): void => {
  const last = track.fronts.at(-1)
  if (openTime <= Math.max(last?.openTime ?? Number.NEGATIVE_INFINITY, track.due)) return
  track.fronts.push({ openTime, at: now })
  if (track.fronts.length > trackLimits.frontsMax)
    track.due = (track.fronts.shift() as { openTime: number }).openTime
}

/** Takes out what the others have had `handOverMs` to follow. */
export const advanceDue = (track: InstrumentTrack, now: number, handOverMs: number): void => {
  const { fronts } = track
  while (fronts.length > 0 && (fronts[0] as { at: number }).at + handOverMs <= now) {
    track.due = (fronts.shift() as { openTime: number }).openTime
  }
}

/** Whoever is asked has failed: a refusal will be the same the next time, and what is malformed twice the third time. */
export const noteRefusal = (gap: Gap, source: string, kind: SourceFailed["kind"]): void => {
  const isFinal = kind === "refused" || (kind === "malformed" && gap.malformed.has(source))
  if (isFinal) gap.tried.add(source)
  else if (kind === "malformed") gap.malformed.add(source)
  gap.source = null
}

/** Open times in [next, to) that are not held. */
export const missingBefore = (track: InstrumentTrack, to: number, frameMs: number): number => {
  if (track.next === null) return 0
  return Math.max(0, Math.round((to - track.next) / frameMs) - lowerBound(track.order, to))
}
