/**
 * The bars that policies are made of and judged on, as the context has kept them.
 *
 * What learns is given late bars and corrections that were known by the as-of; what is judged by its answers is judged on what
 * was decided on.
 *
 * What can go wrong: the context does not answer; too few bars for a single one of the time frame (TimeFrameUnfit).
 * Invariant: only bars that closed by the as-of.
 */
import { Effect } from "effect"
import type { InstrumentId } from "../../protocols/Instrument.ts"
import type { TimeFrame } from "../../protocols/TimeFrame.ts"
import { type Haste, history } from "../deep-learning/history.ts"
import type { Settings } from "../Settings.ts"
import { trainerBarsMax } from "../trainer/frames.ts"
import type { Panel } from "../training/policies/PolicyData.ts"
import type { TrainedPolicy } from "../training/policies/TrainedPolicy.ts"
import type { Voter } from "../voter/Addition.ts"
import type { Windowed } from "../voter/WindowedLearner.ts"

export interface BarsWanted {
  readonly instruments: ReadonlyArray<InstrumentId>
  /** Of the feed. */
  readonly own: TimeFrame
  readonly timeFrame: TimeFrame
  readonly asOf: number
  /** With late bars and corrections that were known by the as-of. */
  readonly corrected?: boolean
}

/** The bars that a policy looks at together, of a time frame and an as-of. */
export const panelWanted = (
  own: TimeFrame,
  { instruments, timeFrame }: Pick<TrainedPolicy, "instruments" | "timeFrame">,
  asOf: number
): BarsWanted => ({ instruments, own, timeFrame, asOf })

export const makePolicyBars = (
  { context, paceMs, state }: Pick<Voter<Windowed<unknown>>, "context" | "paceMs" | "state">,
  { reinforcementLearning: { policyBarsMax } }: Pick<Settings, "reinforcementLearning">
) => {
  /** In lock-step the bars wait for it; else others are to be answered meanwhile. */
  const hasteOf = (): Haste => (paceMs() === null ? "asked" : "beside")

  const isFollowed = (id: InstrumentId): boolean =>
    state().windows.instruments.some((instrument) => instrument.id === id)

  /** The latest bars of those that are followed, in the order asked for; undefined where there are none at all. */
  const latest = (
    { asOf, corrected = false, instruments, own, timeFrame }: BarsWanted,
    count: number
  ): Effect.Effect<Panel | undefined, Effect.Effect.Error<ReturnType<typeof history>>> => {
    const followed = instruments.flatMap((id) => state().windows.instruments.filter((one) => one.id === id))
    return Effect.map(
      Effect.forEach(followed, (instrument) =>
        history(context, { instrument, own, timeFrame, asOf, corrected }, count, hasteOf())
      ),
      (series) => {
        const [first, ...rest] = series.filter(({ close }) => close.length > 0)
        return first === undefined ? undefined : ([first, ...rest] as const)
      }
    )
  }

  return {
    isFollowed,
    latest,
    /** As many as a training or an evaluation sees. */
    all: (wanted: BarsWanted) =>
      latest(
        wanted,
        Math.min(policyBarsMax, Math.floor(trainerBarsMax / Math.max(1, wanted.instruments.length)))
      )
  }
}

export type PolicyBars = ReturnType<typeof makePolicyBars>
