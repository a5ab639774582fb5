/**
 * Several sources of the same bars as one: a state machine without input or output. One source is active, and what it
 * gives is passed on, instrument by instrument; the others run beside it and are compared with it.
 *
 * - Hand-over: when another has had a bar for `handOverMs` that the active one has not, or at once if the active one
 *   is not connected. It goes to the first in the order of preference that has the bar and is behind with fewer
 *   instruments. Where nobody is, the bar is passed on and the active source goes on leading the other instruments: one
 *   that each source lacks does not make them take turns for ever. A source that fails between two bars and is back in
 *   time changes nothing.
 * - Hand-back: to a source that is preferred, once it has been well for `wellForMs`.
 * - Gaps: what is missing is asked of the sources that have history, one after the other until nothing is missing. What
 *   none of them has, or none answers for within `fillMs`, is left out; without history, what does not come within
 *   `handOverMs`.
 * - A bar that comes twice is passed on once; one whose turn is over is given out as late, if it says anything new.
 *
 * Invariants: open times of an instrument are passed on strictly rising; the same inputs give the same outputs.
 */
import { Either } from "effect"
import type { Bar } from "../../protocols/Bar.ts"
import { truncateReason } from "../../protocols/wire/Ids.ts"
import * as CircuitBreaker from "./CircuitBreaker.ts"
import { disagreements } from "./Disagreements.ts"
import { ClockSteppedBack, SourceFailed } from "./errors.ts"
import type {
  ChainInput,
  ChainOptions,
  ChainOutput,
  ChainStart,
  Dropped,
  FeedChain,
  FeedEvent,
  GapRequest
} from "./FeedChain.ts"
import * as Track from "./InstrumentTrack.ts"
import * as Health from "./SourceHealth.ts"

type At = Pick<ChainInput, "now" | "wallMs">

/** A bar may close so far ahead of this machine's clock. */
const aheadMsMax = 60_000
/** Intervals without a bar, beside `handOverMs`, after which a connection is taken to be dead. */
const silentFrames = 2
/** What the run needs before it can begin is waited for as long as it takes to ask everybody again. */
const catchUpPauses = 2

export const makeFeedChain = (options: ChainOptions, start: ChainStart): FeedChain => {
  const { breaker, disagreeShare, fillMs, frameMs, handOverMs, wellForMs } = options
  const sources = options.sources.map(Health.make)
  const live = sources.filter(({ source }) => source.hasLive)
  const historic = sources.filter(({ source }) => source.hasHistory)
  const byName = new Map(sources.map((health) => [health.source.name, health]))
  const before = start.active === null ? undefined : byName.get(start.active)
  const first = before?.source.hasLive === true ? before : live[0]
  if (first === undefined) throw new RangeError("a chain needs a source with live bars")
  let active = first
  const through = historic.length > 0 ? start.through : Number.NEGATIVE_INFINITY
  const tracks = new Map(
    options.instruments.map((instrument) => [
      instrument,
      Track.make(instrument, start.next.get(instrument) ?? null, through)
    ])
  )
  const gaps = new Map<number, Track.InstrumentTrack>()
  const dropped: Dropped = { duplicate: 0, overflowed: 0, refused: 0 }
  let clock = Number.NEGATIVE_INFINITY
  let gapIds = 0
  let out: Array<ChainOutput> = []

  const say = (event: FeedEvent) => out.push({ type: "event", event })
  const known = (name: string): Health.SourceHealth => {
    const health = byName.get(name)
    if (health === undefined) throw new RangeError(`no source ${name} is in the chain`)
    return health
  }

  /** Whether the source has given a live bar of this open time or a later one. */
  const reaches = ({ source }: Health.SourceHealth, track: Track.InstrumentTrack, openTime: number) =>
    (track.latest.get(source.name) ?? Number.NEGATIVE_INFINITY) >= openTime

  /** Of the active source if it has one, else of the first that has. */
  const best = ({ bars }: Track.Held): Bar | undefined =>
    bars.get(active.source.name) ??
    bars.get(sources.find(({ source }) => bars.has(source.name))?.source.name ?? "")

  // What is missing

  const closeGap = (track: Track.InstrumentTrack, gap: Track.Gap) => {
    gaps.delete(gap.id)
    track.gap = null
    track.settledTo = gap.to
    const missing = Track.missingBefore(track, gap.to, frameMs)
    track.missing += missing
    if (missing > 0) track.gaps++
  }

  /** Asks the next source that may be asked; gives up when all have answered, or nobody has for too long. */
  const ask = (track: Track.InstrumentTrack, gap: Track.Gap, now: number) => {
    if (gap.source !== null) return
    const untried = historic.filter(({ source }) => !gap.tried.has(source.name))
    const free = untried.filter(({ history }) => CircuitBreaker.mayTry(history, now))
    const asked = free.includes(active) ? active : free[0]
    if (asked === undefined) {
      const isNeeded = gap.from < through
      const patienceMs = isNeeded ? Math.max(fillMs, catchUpPauses * breaker.backoffMaxMs) : fillMs
      const isAnswered = historic.length > 0 && untried.length === 0
      if (isAnswered || now - gap.since >= (historic.length > 0 ? patienceMs : handOverMs))
        closeGap(track, gap)
      return
    }
    asked.history = CircuitBreaker.trying(asked.history)
    gap.source = asked.source.name
    const { instrument, next } = track
    const from = Math.max(gap.from, next ?? gap.from)
    out.push({ type: "fill", request: { id: gap.id, source: gap.source, instrument, from, to: gap.to } })
  }

  const openGap = (track: Track.InstrumentTrack, from: number, now: number) => {
    const to = Math.min(track.target, from + Track.trackLimits.gapBarsMax * frameMs)
    const gap: Track.Gap = {
      id: ++gapIds,
      from,
      to,
      since: now,
      source: null,
      tried: new Set(),
      malformed: new Set()
    }
    track.gap = gap
    gaps.set(gap.id, track)
    ask(track, gap, now)
  }

  /** Passes on what has its turn, and asks for what is missing before it. */
  const release = (track: Track.InstrumentTrack, now: number) => {
    for (;;) {
      const { gap, next } = track
      if (gap !== null && Track.missingBefore(track, gap.to, frameMs) === 0) closeGap(track, gap)
      const openTime = track.order[0]
      if (next !== null && next < track.settledTo && (openTime ?? track.settledTo) >= track.settledTo) {
        track.next = track.settledTo
        continue
      }
      if (track.gap === null && next !== null && next >= track.settledTo) {
        if (Math.min(openTime ?? track.target, track.target) - next >= frameMs) {
          openGap(track, next, now)
          continue
        }
      }
      if (openTime === undefined) return
      const held = track.held.get(openTime)
      const bar = held === undefined ? undefined : best(held)
      if (bar === undefined) throw new RangeError(`${openTime} of ${track.instrument} is held without a bar`)
      // Of the past anybody's bar will do; beyond it the active source leads.
      const isPast = openTime < Math.max(track.settledTo, track.target, track.freeTo)
      if (!isPast && !reaches(active, track, openTime)) return
      if (next !== null && openTime - next >= frameMs && openTime >= track.settledTo) {
        if (track.gap !== null) return
        track.target = Math.max(track.target, openTime)
        continue
      }
      out.push({ type: "emit", bar })
      Track.pass(track, openTime, openTime + frameMs)
    }
  }

  // Who leads

  const handOver = (to: Health.SourceHealth, reason: string, gapFrom: number, gapTo: number, at: At) => {
    const payload = {
      from: active.source.name,
      to: to.source.name,
      reason: truncateReason(reason),
      at: at.wallMs,
      gapFrom,
      gapTo
    }
    active = to
    say({ type: "FeedHandedOver", payload })
    for (const track of tracks.values()) release(track, at.now)
  }

  /** Whether something waits for the active source that need not, or has for longer than it may. */
  const watch = (track: Track.InstrumentTrack, at: At) => {
    const [openTime] = track.order
    if (openTime === undefined || track.gap !== null) return
    if (openTime < track.freeTo || reaches(active, track, openTime)) return
    const held = track.held.get(openTime)
    if (held === undefined) return
    const isBehind = active.behind.has(track.instrument)
    const isOverdue = isBehind || at.now - held.since >= handOverMs
    if (active.isConnected && !isOverdue) return
    const isBetter = ({ behind }: Health.SourceHealth) =>
      !active.isConnected || behind.size < active.behind.size
    const next = live.find(
      (health) =>
        health !== active && health.isConnected && held.bars.has(health.source.name) && isBetter(health)
    )
    if (next === undefined) {
      // Nobody would lead better: the bars of this instrument are passed on all the same.
      if (!isOverdue) return
      const last = isBehind ? (track.order.at(-1) ?? openTime) : openTime
      track.freeTo = last + frameMs
      return release(track, at.now)
    }
    const { isConnected, lastFailure, source } = active
    const why = isConnected
      ? `${source.name} is more than ${handOverMs} ms behind with ${track.instrument}`
      : `${source.name} is not connected${lastFailure === null ? "" : `: ${lastFailure}`}`
    handOver(next, why, track.next ?? openTime, openTime, at)
  }

  /** Who has had `handOverMs` to follow the first with a bar, and has not. */
  const judge = (track: Track.InstrumentTrack, now: number) => {
    Track.advanceDue(track, now, handOverMs)
    for (const health of live) {
      Health.setBehind(health, track.instrument, !reaches(health, track, track.due), now)
    }
  }

  const handBack = (at: At) => {
    const isWell = ({ wellSince }: Health.SourceHealth) =>
      wellSince !== null && at.now - wellSince >= wellForMs
    for (const health of live) {
      const { lostAt, source, wellSince } = health
      if (lostAt === null || wellSince === null || !isWell(health)) continue
      health.lostAt = null
      const lostMs = Math.round(wellSince - lostAt)
      say({ type: "FeedRecovered", payload: { source: source.name, lostMs, at: at.wallMs } })
    }
    const preferred = live.slice(0, live.indexOf(active)).find(isWell)
    if (preferred === undefined) return
    const seam = Math.max(0, ...[...tracks.values()].map(({ next }) => next ?? 0))
    handOver(preferred, `${preferred.source.name} has been well for ${wellForMs} ms`, seam, seam, at)
  }

  /** Everything that becomes due by itself. */
  const passTime = (at: At) => {
    const { now } = at
    for (const health of live) {
      const { name } = health.source
      const silentMs = now - health.heardAt
      if (health.isConnected && silentMs >= silentFrames * frameMs + handOverMs) {
        const reason = `no bar has come for ${Math.round(silentMs)} ms`
        const failure = new SourceFailed({ source: name, kind: "stalled", reason, retryAfterMs: null })
        Health.failed(health, "live", failure, now, breaker)
        out.push({ type: "disconnect", source: name })
      }
      if (!health.isConnected && CircuitBreaker.mayTry(health.live, now)) {
        Health.connecting(health, now)
        out.push({ type: "connect", source: name })
      }
    }
    for (const track of tracks.values()) {
      judge(track, now)
      if (track.gap !== null) ask(track, track.gap, now)
      release(track, now)
      watch(track, at)
    }
    handBack(at)
  }

  // What comes in

  const takeBar = (name: string, bar: Bar, at: At) => {
    const health = known(name)
    const track = tracks.get(bar.instrument)
    const isPlausible =
      bar.closeTime > bar.openTime &&
      bar.closeTime <= Math.min(bar.openTime + frameMs, at.wallMs + aheadMsMax)
    if (!health.isConnected || track === undefined || !isPlausible) {
      dropped.refused++
      return
    }
    const { openTime } = bar
    Track.noteFront(track, openTime, at.now)
    if (!reaches(health, track, openTime)) track.latest.set(name, openTime)
    let others: ReadonlyMap<string, Bar> = new Map()
    if (track.next !== null && openTime < track.next) {
      const late = Track.takeLate(track, name, bar)
      others = late.others
      if (late.verdict !== "late") dropped[late.verdict]++
      else out.push({ type: "late", bar: { ...bar, knownAt: Math.max(bar.knownAt, at.wallMs) } })
    } else {
      const result = Track.hold(track, name, bar, at.now, Track.trackLimits.heldMax)
      if (result === "duplicate") dropped.duplicate++
      else if (result === "full") dropped.overflowed++
      else others = track.held.get(openTime)?.bars ?? others
    }
    judge(track, at.now)
    Health.gaveBar(health, bar.closeTime, at.now, at.wallMs)
    for (const found of disagreements(bar, name, others, disagreeShare, track.disagreeing)) {
      const { closes, isNew, share, sources: pair } = found
      for (const each of pair) known(each).disagreements++
      if (!isNew) continue
      const { instrument } = bar
      say({
        type: "FeedsDisagreed",
        payload: { instrument, openTime, sources: pair, closes, share, at: at.wallMs }
      })
    }
    release(track, at.now)
    watch(track, at)
  }

  /** The gap that an answer is for, unless it has been closed meanwhile. */
  const gapOf = ({ id }: GapRequest) => {
    const track = gaps.get(id)
    const gap = track?.gap ?? null
    return track === undefined || gap === null ? undefined : { track, gap }
  }

  const takeFill = (request: GapRequest, bars: ReadonlyArray<Bar>, isLast: boolean, at: At) => {
    const health = known(request.source)
    if (isLast) health.history = CircuitBreaker.succeeded(health.history)
    const asked = gapOf(request)
    if (asked === undefined) return
    const { gap, track } = asked
    gap.since = at.now
    for (const bar of bars) {
      const { closeTime, openTime } = bar
      const isWanted =
        bar.instrument === track.instrument &&
        openTime < gap.to &&
        openTime >= gap.from &&
        closeTime > openTime
      if (!isWanted || closeTime > openTime + frameMs) dropped.refused++
      else if (openTime >= (track.next ?? gap.from)) {
        // What comes while the run is going was not known before.
        const isLate = openTime >= start.through
        const seen = isLate ? { ...bar, knownAt: Math.max(bar.knownAt, at.wallMs) } : bar
        Track.hold(track, request.source, seen, at.now, Number.POSITIVE_INFINITY)
      }
    }
    if (isLast) {
      gap.tried.add(request.source)
      gap.source = null
    }
    release(track, at.now)
    if (isLast && track.gap === gap) {
      ask(track, gap, at.now)
      release(track, at.now)
    }
    watch(track, at)
  }

  const takeRefusal = (request: GapRequest, failure: SourceFailed, at: At) => {
    Health.failed(known(request.source), "history", failure, at.now, breaker)
    const asked = gapOf(request)
    if (asked === undefined) return
    Track.noteRefusal(asked.gap, request.source, failure.kind)
    ask(asked.track, asked.gap, at.now)
    release(asked.track, at.now)
  }

  const take = (input: ChainInput) => {
    switch (input.type) {
      case "bar":
        return takeBar(input.source, input.bar, input)
      case "filled":
        return takeFill(input.request, input.bars, input.isLast, input)
      case "not-filled":
        return takeRefusal(input.request, input.failure, input)
      case "failed": {
        const health = known(input.source)
        // Else it has been given up already.
        if (health.isConnected) Health.failed(health, "live", input.failure, input.now, breaker)
        return passTime(input)
      }
      case "tick":
        return passTime(input)
    }
  }

  const sum = (pick: (track: Track.InstrumentTrack) => number) =>
    [...tracks.values()].reduce((total, track) => total + pick(track), 0)
  return {
    step: (input) => {
      if (input.now < clock) return Either.left(new ClockSteppedBack({ before: clock, now: input.now }))
      clock = input.now
      out = []
      take(input)
      return Either.right(out)
    },
    active: () => active.source.name,
    next: (instrument) => tracks.get(instrument)?.next ?? null,
    isFilling: (instrument) => (tracks.get(instrument)?.gap ?? null) !== null,
    isHolding: (instrument, asOf) => {
      const track = tracks.get(instrument)
      return track !== undefined && Track.isHolding(track, asOf)
    },
    isCatchingUp: () =>
      [...tracks.values()].some(
        ({ next, settledTo }) => next !== null && through - Math.max(next, settledTo) >= frameMs
      ),
    dropped: () => dropped,
    missing: () => ({ gaps: sum((track) => track.gaps), bars: sum((track) => track.missing) }),
    health: () => sources.map((health) => Health.describe(health, health === active, clock))
  }
}
