/**
 * The bars of one instrument as they became known: late ones, corrected ones, and what of them was to be seen at an as-of.
 *
 * A bar is visible from max(closeTime, knownAt) on. Bars come in the order in which they became visible, so that what was
 * seen at an as-of never changes afterwards; a bar that would have been seen earlier than the last one taken says that
 * its source's clock went back, and is refused. A late bar opens before the newest; a correction has a higher revision of
 * a bar that is there.
 *
 * What can go wrong: each refusal is given back with its reason, and nothing of the bar is taken.
 * Invariants: `barsMax` bars are kept (and a few that wait to be cut off), each in at most `revisionsMax` versions; the
 * oldest give way, and what opens before them is too late. The view at an as-of follows from the bars that were visible by then, except that those that
 * have given way are gone.
 */
import type { Bar } from "../../protocols/Bar.ts"
import type { InstrumentId } from "../../protocols/Instrument.ts"
import { type TimeFrame, toMs } from "../../protocols/TimeFrame.ts"

export const barBookLimits = { barsMax: 10_000, revisionsMax: 8, lateBarsMax: 1_000 } as const

export interface BarBookOptions {
  readonly instrument: InstrumentId
  readonly timeFrame: TimeFrame
  readonly barsMax?: number
  /** Versions of one bar, the first among them. */
  readonly revisionsMax?: number
  /** A bar that opens more than so many time frames before the newest is refused. */
  readonly lateBarsMax?: number
}

export type BarRefusal =
  | "other-instrument"
  | "mixed-time-frame"
  | "price-invalid"
  | "volume-invalid"
  | "interval-invalid"
  | "overlapping"
  | "out-of-order"
  | "clock-stepped-back"
  | "revision-conflict"
  | "too-many-revisions"

export type BarVerdict =
  | { readonly kind: "accepted" | "late" | "duplicate" }
  /** In place of which revision. */
  | { readonly kind: "revision"; readonly replaced: number }
  | { readonly kind: "refused"; readonly reason: BarRefusal; readonly sentence: string }

export interface BarBook {
  readonly instrument: InstrumentId
  readonly timeFrame: TimeFrame
  readonly accept: (bar: Bar) => BarVerdict
  /** The last `count` bars that were visible at the as-of, in the version of then, the oldest first. */
  readonly asOfView: (asOf: number, count?: number) => ReadonlyArray<Bar>
  /** Bars that are kept, each counted once. */
  readonly size: () => number
}

/** From when on a bar may be used. */
export const visibleAt = ({ closeTime, knownAt }: Pick<Bar, "closeTime" | "knownAt">): number =>
  Math.max(closeTime, knownAt)

/** The versions of one bar, revisions and times of visibility rising. */
type Slot = [Bar, ...Array<Bar>]

/** A little more than is kept, so that the front is not cut off at every bar. */
const slack = 64

const isSound = ({ close, high, low, open }: Bar): boolean =>
  [open, high, low, close].every((price) => Number.isFinite(price) && price > 0) &&
  low <= Math.min(open, close) &&
  high >= Math.max(open, close)

const isSame = (a: Bar, b: Bar): boolean =>
  a.closeTime === b.closeTime &&
  a.knownAt === b.knownAt &&
  a.open === b.open &&
  a.high === b.high &&
  a.low === b.low &&
  a.close === b.close &&
  a.volume === b.volume &&
  a.closeOnly === b.closeOnly &&
  a.source === b.source &&
  a.sequence === b.sequence

const refused = (reason: BarRefusal, sentence: string): BarVerdict => ({ kind: "refused", reason, sentence })

/** What is wrong with a bar whatever else is there. */
const whyUnsound = (bar: Bar, { instrument, timeFrame }: BarBookOptions): BarVerdict | undefined => {
  if (bar.instrument !== instrument) {
    return refused("other-instrument", `A bar of ${bar.instrument} came to the book of ${instrument}.`)
  }
  if (bar.timeFrame !== timeFrame) {
    return refused("mixed-time-frame", `A bar of ${bar.timeFrame} came to a book of ${timeFrame}.`)
  }
  if (!isSound(bar)) {
    const prices = [bar.open, bar.high, bar.low, bar.close].join(", ")
    return refused("price-invalid", `Open, high, low and close (${prices}) are not those of a bar.`)
  }
  if (bar.volume !== null && !(Number.isFinite(bar.volume) && bar.volume >= 0)) {
    return refused("volume-invalid", `The volume ${bar.volume} is none.`)
  }
  const { closeTime, openTime } = bar
  if (!(closeTime > openTime && closeTime <= openTime + toMs(timeFrame) && Number.isFinite(bar.knownAt))) {
    return refused("interval-invalid", `A bar from ${openTime} to ${closeTime} is none of ${timeFrame}.`)
  }
  return undefined
}

export const makeBarBook = (options: BarBookOptions): BarBook => {
  const { instrument, timeFrame } = options
  const barsMax = options.barsMax ?? barBookLimits.barsMax
  const revisionsMax = options.revisionsMax ?? barBookLimits.revisionsMax
  const lateMsMax = (options.lateBarsMax ?? barBookLimits.lateBarsMax) * toMs(timeFrame)
  /** By open time, rising. */
  const slots: Array<Slot> = []
  /** Bars that open before this are gone, or were never there. */
  let keptFrom = Number.NEGATIVE_INFINITY
  let visibleLast = Number.NEGATIVE_INFINITY

  const openTimeAt = (at: number): number => slots[at]?.[0].openTime ?? Number.POSITIVE_INFINITY

  /** The first slot that opens at the time or later. */
  const placeOf = (openTime: number): number => {
    if (openTime > openTimeAt(slots.length - 1) || slots.length === 0) return slots.length
    let [low, high] = [0, slots.length - 1]
    while (low < high) {
      const middle = (low + high) >> 1
      if (openTimeAt(middle) < openTime) low = middle + 1
      else high = middle
    }
    return low
  }

  const overlaps = (bar: Bar, place: number): boolean => {
    const before = slots[place - 1]
    const endBefore = before?.[before.length - 1]?.closeTime ?? Number.NEGATIVE_INFINITY
    return endBefore > bar.openTime || openTimeAt(place) < bar.closeTime
  }

  const forget = () => {
    if (slots.length <= barsMax + slack) return
    slots.splice(0, slots.length - barsMax)
    keptFrom = openTimeAt(0)
  }

  const revise = (slot: Slot, bar: Bar): BarVerdict => {
    const latest = slot[slot.length - 1] as Bar
    const what = `Revision ${bar.revision} of the bar that opens at ${bar.openTime}`
    if (bar.revision <= latest.revision) {
      return refused(
        "revision-conflict",
        `${what} came after revision ${latest.revision}, and differs from it.`
      )
    }
    if (visibleAt(bar) < visibleLast) return steppedBack(bar)
    if (slot.length >= revisionsMax) {
      return refused("too-many-revisions", `${what} is one more than the ${revisionsMax} that are kept.`)
    }
    slot.push(bar)
    visibleLast = visibleAt(bar)
    return { kind: "revision", replaced: latest.revision }
  }

  const steppedBack = (bar: Bar): BarVerdict =>
    refused(
      "clock-stepped-back",
      `A bar known at ${visibleAt(bar)} came after one known at ${visibleLast}: the clock of ${bar.source} went back.`
    )

  return {
    instrument,
    timeFrame,
    size: () => slots.length,
    accept: (bar) => {
      const unsound = whyUnsound(bar, options)
      if (unsound !== undefined) return unsound
      const newest = slots.length === 0 ? Number.NEGATIVE_INFINITY : openTimeAt(slots.length - 1)
      const place = placeOf(bar.openTime)
      const slot = openTimeAt(place) === bar.openTime ? slots[place] : undefined
      if (slot?.some((known) => known.revision === bar.revision && isSame(known, bar))) {
        return { kind: "duplicate" }
      }
      if (bar.openTime < keptFrom || bar.openTime < newest - lateMsMax) {
        return refused(
          "out-of-order",
          `A bar that opens at ${bar.openTime} came when the newest opened at ${newest}: that is too late.`
        )
      }
      if (slot !== undefined) return revise(slot, bar)
      if (overlaps(bar, place)) {
        return refused("overlapping", `A bar from ${bar.openTime} to ${bar.closeTime} overlaps another.`)
      }
      if (visibleAt(bar) < visibleLast) return steppedBack(bar)
      slots.splice(place, 0, [bar])
      visibleLast = visibleAt(bar)
      forget()
      return { kind: bar.openTime > newest ? "accepted" : "late" }
    },
    asOfView: (asOf, count = barsMax) => {
      const found: Array<Bar> = []
      for (let at = slots.length - 1; at >= 0 && found.length < count; at--) {
        const version = (slots[at] as Slot).findLast((bar) => visibleAt(bar) <= asOf)
        if (version !== undefined) found.push(version)
      }
      return found.reverse()
    }
  }
}
