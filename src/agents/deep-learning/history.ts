/**
 * Bars that the context has kept, as columns, in the time frame that is asked for. Only bars that were visible at the
 * as-of are given out by the context, and of a longer time frame only intervals that were over.
 *
 * What can go wrong: the context does not answer (its errors); it is of a version that does not know `before`, and gives
 * the same bars again, which are not taken: there are fewer bars then, and it is said; too few bars for a single one of the
 * time frame (TimeFrameUnfit).
 */
import { Effect, type Either, Schedule } from "effect"
import { aggregateBars } from "../../market/aggregateBars.ts"
import type { BarSeries } from "../../market/BarSeries.ts"
import { countGaps } from "../../market/BarSpacing.ts"
import type { TimeFrameUnfit } from "../../market/errors.ts"
import type { Bar } from "../../protocols/Bar.ts"
import type { Instrument } from "../../protocols/Instrument.ts"
import type { ContextRpcs } from "../../protocols/rpc/ContextRpcs.ts"
import { fromMs, type TimeFrame, toMs } from "../../protocols/TimeFrame.ts"
import type * as BusRpcClient from "../../runtime/BusRpcClient.ts"
import { breathe } from "../../runtime/breathe.ts"
import { seriesOf } from "./BarWindows.ts"

/** Bars of one answer of the context: decoding more of them at a time would hold up everything else. */
const barsPerCall = 100

/** How history is read: `asked` for somebody who waits, `beside` leaves room for those between two pages. */
export type Haste = "asked" | "beside"
const besideBarsPerCall = 50
const besidePauseMs = 10

export type Context = BusRpcClient.ClientOf<typeof ContextRpcs>

/** Between two looks at how far the context is, and for how long. */
const lookAgain = Schedule.upTo(Schedule.spaced("20 millis"), "10 seconds")

/** Waits until the context has the bars of an as-of; not for ever: then it is asked for what it has. */
export const contextReached = (context: Context, asOf: number) =>
  Effect.repeat(context.Latest({ type: "bar" }), {
    schedule: lookAgain,
    until: (item) => item !== null && item.occurredAt >= asOf
  }).pipe(Effect.asVoid)

/** The name of a time frame in aliases: the feed's own where it is as long. */
export const frameOf = (wanted: TimeFrame, own: TimeFrame): TimeFrame =>
  toMs(wanted) === toMs(own) ? own : (fromMs(toMs(wanted)) ?? wanted)

/** How many bars of the feed one of the time frame is made of. */
export const barsPerBar = (own: TimeFrame, wanted: TimeFrame): number => Math.ceil(toMs(wanted) / toMs(own))

/** The last `count` bars of the feed's own time frame that were visible at an as-of, oldest first; fewer where there are fewer. */
export const lastBars = (
  context: Context,
  question: {
    readonly instrument: Instrument
    readonly timeFrame: TimeFrame
    readonly asOf: number
    readonly corrected?: boolean
  },
  count: number,
  haste: Haste = "asked"
) =>
  Effect.gen(function* () {
    const { asOf, corrected = false } = question
    const pages: Array<ReadonlyArray<Bar>> = []
    let before = asOf + 1
    for (let wanted = count; wanted > 0 && before > 0; ) {
      const page = yield* context.Bars({
        instrument: question.instrument.id,
        timeFrame: question.timeFrame,
        asOf,
        before,
        corrected,
        count: Math.min(wanted, haste === "asked" ? barsPerCall : besideBarsPerCall)
      })
      const [first] = page
      if (first === undefined) break
      if (page.some(({ closeTime }) => closeTime >= before)) {
        yield* Effect.logWarning(
          `The context gives no bars of ${question.instrument.id} that close before ${before}: ${count - wanted} of ${count} are taken. Start its node with the version of this one`
        )
        break
      }
      pages.unshift(page)
      wanted -= page.length
      before = first.closeTime
      yield* haste === "asked" ? breathe : Effect.sleep(besidePauseMs)
    }
    return pages.flat()
  })

/** The last bars of a series; all of them where it has no more. */
export const tailOf = (series: BarSeries, count: number): BarSeries => {
  const from = series.close.length - count
  if (from <= 0) return series
  const { closeOnly, instrument, timeFrame, volume } = series
  const openTime = series.openTime.slice(from)
  const close = series.close.slice(from)
  const prices = (column: Float64Array) => (closeOnly ? close : column.slice(from))
  return {
    ...countGaps(openTime, timeFrame, instrument.calendar),
    instrument,
    timeFrame,
    closeOnly,
    openTime,
    open: prices(series.open),
    high: prices(series.high),
    low: prices(series.low),
    close,
    volume: volume === null ? null : volume.slice(from)
  }
}

/** Bars of the wanted time frame, the last `count` of them. */
export const history = (
  context: Context,
  question: {
    readonly instrument: Instrument
    /** The feed's. */
    readonly own: TimeFrame
    readonly timeFrame: TimeFrame
    readonly asOf: number
    /** With late bars and corrections that were known by the as-of: for what learns, not for what repeats an answer. */
    readonly corrected?: boolean
  },
  count: number,
  haste: Haste = "asked"
) =>
  Effect.gen(function* () {
    const { asOf, corrected = false, instrument, own, timeFrame } = question
    const perBar = barsPerBar(own, timeFrame)
    // One more, for the interval that the first of them may be in the middle of.
    const bars = yield* lastBars(
      context,
      { instrument, timeFrame: own, asOf, corrected },
      (count + 1) * perBar - (perBar === 1 ? 1 : 0),
      haste
    )
    const made: Either.Either<BarSeries, TimeFrameUnfit> = aggregateBars(
      seriesOf(instrument, own, bars),
      timeFrame
    )
    // Intervals that bars are missing from take fewer of them: there may be more intervals than were asked for.
    return tailOf(yield* made, count)
  })
