/**
 * Puts the bars of a chain together as-of by as-of: whoever ranks or correlates instruments must have all bars of an
 * instant at once. An as-of is let go when every instrument whose market was open has got so far, or `barrierMs` after its
 * first bar; then what is not there is absent. For bars that the chain holds or is fetching it waits up to `fillMs`, and without a limit
 * while the past of the run is still being fetched, since then nothing is late.
 *
 * What is missing is counted when an as-of is let go: the bars by each instrument's calendar that have closed since the one
 * before and are in neither. One that comes afterwards stays counted.
 *
 * Invariants: as-ofs are let go strictly rising; of an as-of every instrument has at most one bar, in the order of the
 * instruments. A bar whose as-of is gone is not taken.
 */
import { barsBetween, closeTimeOf, intervalStart } from "../../market/time/Calendar.ts"
import type { Bar } from "../../protocols/Bar.ts"
import type { Calendar, Instrument } from "../../protocols/Instrument.ts"
import type { FeedChain } from "./FeedChain.ts"

export interface BarrierOptions {
  readonly instruments: ReadonlyArray<Pick<Instrument, "id" | "calendar">>
  readonly frameMs: number
  readonly barrierMs: number
  readonly fillMs: number
}

interface Waiting {
  readonly since: number
  readonly bars: Map<string, Bar>
}

export interface AsOfBarrier {
  /** Takes a bar, unless its as-of is gone, or nobody has taken as-ofs for so long that there is no room. */
  readonly push: (bar: Bar, now: number) => "taken" | "gone" | "full"
  /** The same for one whose turn is over: it gives way to another source's, and to a higher revision of its own. */
  readonly amend: (bar: Bar, now: number) => "taken" | "duplicate" | "gone" | "full"
  /** The bars of the next as-of, if it may go. */
  readonly next: (
    now: number,
    chain: Pick<FeedChain, "next" | "isFilling" | "isHolding" | "isCatchingUp">
  ) => ReadonlyArray<Bar> | undefined
  /** Bars that as-ofs were let go without, or that no as-of was let go for; none of a closed market. */
  readonly missing: () => number
  /** Forgets all that wait but the last so many as-ofs. */
  readonly keepLast: (asOfs: number) => void
}

/** As-ofs that wait for whoever takes them; bars of further ones are dropped. */
const waitingMax = 100_000

/** Where the first interval begins that is not over at a time. */
const unclosedFrom = (calendar: Calendar, frameMs: number, time: number): number => {
  const start = intervalStart(frameMs, time)
  return closeTimeOf(calendar, frameMs, start) <= time ? start + frameMs : start
}

/** @param after the latest as-of that is gone already */
export const makeAsOfBarrier = (options: BarrierOptions, after: number | null): AsOfBarrier => {
  const { barrierMs, fillMs, frameMs } = options
  const calendars = new Set(options.instruments.map(({ calendar }) => calendar))
  const waiting = new Map<number, Waiting>()
  /** Of what waits, rising. */
  const order: Array<number> = []
  let gone = after ?? Number.NEGATIVE_INFINITY
  let missing = 0

  /** How many bars of an instrument close after the as-of before, up to this one. */
  const expectedAt = (calendar: Calendar, asOf: number): number => {
    const before = Number.isFinite(gone) ? gone : asOf - 1
    const start = unclosedFrom(calendar, frameMs, before)
    return barsBetween(calendar, frameMs, start, unclosedFrom(calendar, frameMs, asOf))
  }
  const countMissing = (asOf: number, bars: ReadonlyMap<string, Bar>) => {
    const expected = new Map([...calendars].map((calendar) => [calendar, expectedAt(calendar, asOf)]))
    for (const { calendar, id } of options.instruments) {
      missing += Math.max(0, (expected.get(calendar) ?? 0) - (bars.has(id) ? 1 : 0))
    }
  }

  const enter = (asOf: number, now: number): Waiting => {
    const entered: Waiting = { since: now, bars: new Map() }
    waiting.set(asOf, entered)
    // Nearly always the last.
    let at = order.length
    while (at > 0 && (order[at - 1] as number) > asOf) at--
    order.splice(at, 0, asOf)
    return entered
  }

  const push: AsOfBarrier["push"] = (bar, now) => {
    if (bar.closeTime <= gone) return "gone"
    const at = waiting.get(bar.closeTime)
    if (at === undefined && order.length >= waitingMax) return "full"
    const { bars } = at ?? enter(bar.closeTime, now)
    bars.set(bar.instrument, bar)
    return "taken"
  }

  return {
    push,
    amend: (bar, now) => {
      const before = waiting.get(bar.closeTime)?.bars.get(bar.instrument)
      const isOld = before !== undefined && (before.source !== bar.source || before.revision > bar.revision)
      return isOld ? "duplicate" : push(bar, now)
    },
    next: (now, chain) => {
      const asOf = order[0]
      const at = asOf === undefined ? undefined : waiting.get(asOf)
      if (asOf === undefined || at === undefined) return undefined
      const absent = options.instruments.filter(
        ({ id }) => !at.bars.has(id) && (chain.next(id) ?? Number.NEGATIVE_INFINITY) < asOf
      )
      if (absent.length > 0) {
        if (chain.isCatchingUp()) return undefined
        const isComing = absent.some(({ id }) => chain.isFilling(id) || chain.isHolding(id, asOf))
        const isExpected = absent.some(({ calendar }) => expectedAt(calendar, asOf) > 0)
        const patienceMs = isComing ? Math.max(fillMs, barrierMs) : isExpected ? barrierMs : 0
        if (now - at.since < patienceMs) return undefined
      }
      waiting.delete(asOf)
      order.shift()
      countMissing(asOf, at.bars)
      gone = asOf
      return options.instruments.flatMap(({ id }) => at.bars.get(id) ?? [])
    },
    missing: () => missing,
    keepLast: (asOfs) => {
      for (const asOf of order.splice(0, Math.max(0, order.length - asOfs))) {
        waiting.delete(asOf)
        gone = asOf
      }
    }
  }
}
