/**
 * What models that look at several instruments together see at an as-of: the latest feature vectors of an instrument, made of
 * the bars of all of them. A panel that was looked at goes on from there with the bars that have closed since; one that was
 * not, or longer ago than a model sees, begins with the first bar that a model needs. Both come to the same, to the last bit
 * (InstrumentWindows.ts), so that nothing of this has to be kept over a restart.
 *
 * What can go wrong: the errors of whoever gives the bars; an instrument of which too few bars are known, or whose last ones
 * lie too far apart, has no window, with the reason.
 * Invariant: a window follows from bars that closed by its as-of.
 */
import { Effect, Either } from "effect"
import type { Steps } from "../../learning/steps.ts"
import { type BarSeries, closeTimeAt } from "../../market/BarSeries.ts"
import { instrumentLookBack } from "../../market/features/InstrumentFeatures.ts"
import { type InstrumentWindows, makeInstrumentWindows } from "../../market/features/InstrumentWindows.ts"
import { barsBetween } from "../../market/time/Calendar.ts"
import type { Bar } from "../../protocols/Bar.ts"
import type { InstrumentId } from "../../protocols/Instrument.ts"
import { type TimeFrame, toMs } from "../../protocols/TimeFrame.ts"
import { stepwise } from "../../runtime/breathe.ts"

/** Which instruments a model looks at, and how many vectors of each. */
export interface Panel {
  /** In the order that the model learned them in. One array of them stands for one panel: nobody compares ids. */
  readonly instruments: ReadonlyArray<InstrumentId>
  readonly timeFrame: TimeFrame
  readonly length: number
}

/** The bars of an instrument whose close lies in [from, to], oldest first. */
export type BarsIn<E> = (
  instrument: InstrumentId,
  timeFrame: TimeFrame,
  from: number,
  to: number
) => Effect.Effect<ReadonlyArray<Bar>, E>

/** Panels that are followed at a time; the one that was not looked at for longest goes. */
const followedMax = 8
/** Bars that the calendar may have in the time of the last ones that an instrument has. */
export const spanBarsMax = 1_000
const barsPerStep = 100

/** Bars of an instrument that a window of it follows from. */
export const panelBarsNeeded = (length: number): number => instrumentLookBack + length

interface Followed {
  readonly panel: Panel
  readonly windows: InstrumentWindows
  /** Close of the first bars that were taken. */
  readonly from: number
  /** All bars that closed by then have been taken. */
  through: number
}

/** Takes bars, as-of by as-of. Whoever lets go of it in between can go on with the as-ofs that are left. */
function* take(followed: Followed, bars: ReadonlyArray<ReadonlyArray<Bar>>): Steps<void> {
  const next = new Int32Array(bars.length)
  const first = (i: number): Bar | undefined => bars[i]?.[next[i] as number]
  for (let taken = 0; ; ) {
    let asOf = Number.POSITIVE_INFINITY
    for (let i = 0; i < bars.length; i++) asOf = Math.min(asOf, first(i)?.closeTime ?? asOf)
    if (asOf === Number.POSITIVE_INFINITY) return
    const closed: Array<Bar> = []
    for (let i = 0; i < bars.length; i++) {
      const bar = first(i)
      if (bar?.closeTime !== asOf) continue
      closed.push(bar)
      next[i] = (next[i] as number) + 1
    }
    followed.windows.push(asOf, closed)
    followed.through = asOf
    taken += closed.length
    if (taken < barsPerStep) continue
    taken = 0
    yield
  }
}

export const makePanelWindows = <E>(barsIn: BarsIn<E>) => {
  const oneAtATime = Effect.unsafeMakeSemaphore(1)
  /** The one that was looked at last is the first. */
  let followed: ReadonlyArray<Followed> = []

  /** A panel that has taken the bars of some time before an as-of, up to it. */
  const followedTo = (panel: Panel, from: number, asOf: number) =>
    Effect.gen(function* () {
      const { instruments, length, timeFrame } = panel
      const isOf = (one: Panel) =>
        one.instruments === instruments && one.length === length && one.timeFrame === timeFrame
      const known = followed.find(
        (one) => isOf(one.panel) && one.from <= from && one.through >= from && one.through <= asOf
      )
      const one: Followed = known ?? {
        ...{ panel, from, through: Number.NEGATIVE_INFINITY },
        windows: makeInstrumentWindows(instruments, length)
      }
      if (one.through < asOf) {
        const since = Math.max(from, one.through + 1)
        const bars = yield* Effect.forEach(instruments, (id) => barsIn(id, timeFrame, since, asOf))
        yield* stepwise(take(one, bars))
        one.through = asOf
      }
      followed = [one, ...followed.filter((other) => other !== one)].slice(0, followedMax)
      return one.windows
    })

  return {
    /**
     * The raw vectors of an instrument at its last bar, [length, features], oldest first, NaN where a feature is absent; or why
     * there are none.
     * @param own its last bars up to the as-of, so many at least as `panelBarsNeeded` says where there are so many
     */
    at: (panel: Panel, own: BarSeries): Effect.Effect<Either.Either<Float32Array, string>, E> =>
      Effect.gen(function* () {
        const needed = panelBarsNeeded(panel.length)
        const last = own.close.length - 1
        const first = last + 1 - needed
        const tooFew = `fewer than ${needed} bars are known at the as-of`
        if (first < 0) return Either.left(tooFew)
        const { calendar, id } = own.instrument
        const asOf = closeTimeAt(own, last)
        const span = barsBetween(calendar, toMs(panel.timeFrame), own.openTime[first] as number, asOf)
        if (span > spanBarsMax) {
          return Either.left(`its last ${needed} bars are all that it has of ${span}`)
        }
        const window = Effect.map(followedTo(panel, closeTimeAt(own, first), asOf), (windows) =>
          windows.at(id, asOf)
        )
        return Either.fromNullable(yield* oneAtATime.withPermits(1)(window), () => tooFew)
      })
  }
}

export type PanelWindows<E> = ReturnType<typeof makePanelWindows<E>>
