/**
 * The bars that closed in a stretch of time, for whoever looks at several instruments together: those that the voter holds,
 * and what it has let go of, or longer bars, from the context.
 *
 * What can go wrong: the context does not answer.
 * Invariant: nothing that closed after the stretch is in it.
 */
import { Effect } from "effect"
import { barAt } from "../../market/BarSeries.ts"
import { barsBetween, intervalStart } from "../../market/time/Calendar.ts"
import { type TimeFrame, toMs } from "../../protocols/TimeFrame.ts"
import { windowBars } from "../deep-learning/BarWindows.ts"
import { contextReached, history } from "../deep-learning/history.ts"
import type { BarsIn } from "../features/PanelWindows.ts"
import type { AnswerError, Voter } from "./Addition.ts"
import type { Windowed } from "./WindowedLearner.ts"

/** @param own time frame of the feed; null before its first bars */
export const makeBarsIn =
  <State>(
    { context, known, state }: Pick<Voter<Windowed<State>>, "context" | "known" | "state">,
    own: () => TimeFrame | null
  ): BarsIn<AnswerError> =>
  (id, timeFrame, from, to) =>
    Effect.gen(function* () {
      const frame = own()
      const { windows } = state()
      const instrument = windows.instruments.find((one) => one.id === id)
      if (frame === null || instrument === undefined) return []
      const frameMs = toMs(timeFrame)
      const held = toMs(frame) === frameMs ? windowBars(windows, instrument, frame, from, to) : undefined
      if (held !== undefined) return held
      yield* contextReached(context, Math.min(to, known.current()))
      // One more, for intervals that begin elsewhere than the calendar's.
      const count = 1 + barsBetween(instrument.calendar, frameMs, intervalStart(frameMs, from - 1), to)
      const series = yield* history(context, { instrument, own: frame, timeFrame, asOf: to }, count).pipe(
        Effect.catchTag("TimeFrameUnfit", () => Effect.succeed(undefined))
      )
      if (series === undefined) return []
      const bars = Array.from(series.close, (_, at) => barAt(series, at, "context"))
      return bars.filter(({ closeTime }) => closeTime >= from)
    })
