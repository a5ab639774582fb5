/**
 * Whether a new policy may vote in the place of one that does. Both are asked, each as it was deployed and seeing the
 * instruments that it looks at together, about the same instruments and as-ofs: those that were held out from the new one and
 * that the other had not learned from either.
 *
 * A policy that can answer nothing that is asked here any more (its horizon, its time frame, or none of its instruments is
 * followed) has no vote to keep.
 *
 * What can go wrong: the process that runs models.
 * Invariant: both see the same bars, those that the new one was made of.
 */
import { Effect } from "effect"
import { isNonEmptyReadonlyArray } from "effect/Array"
import type { InstrumentId } from "../../protocols/Instrument.ts"
import { tailOf } from "../deep-learning/history.ts"
import { maturedRows } from "../deep-learning/review.ts"
import { judgeContest } from "../training/contest.ts"
import type { ModelRunOptions } from "../training/ModelRun.ts"
import type { Panel } from "../training/policies/PolicyData.ts"
import type { TrainedPolicy } from "../training/policies/TrainedPolicy.ts"
import { panelBars, whyNothing } from "./PolicyAnswers.ts"
import { answersOfPolicy } from "./reviewAnswers.ts"

export interface Contender {
  readonly artefact: Uint8Array
  readonly trained: TrainedPolicy
  readonly version: string
}

/** Bars from the one that closes behind an instant on, and those before it that its row follows from. */
const barsFor = (series: Panel, since: number): number =>
  Math.max(...series.map(({ openTime }) => openTime.filter((time) => time >= since).length)) + 1 + panelBars

export const makePolicyContest = (
  isFollowed: (instrument: InstrumentId) => boolean,
  options: Omit<Parameters<typeof maturedRows>[2], "barsBefore">,
  modelHost: ModelRunOptions
) => {
  /**
   * Why the new one is not to vote; undefined where it may.
   * @param challenger with the bars that it was made of
   */
  const whyNotBetter = (challenger: Contender & { readonly series: Panel }, champion: Contender) =>
    Effect.gen(function* () {
      const { horizonBars } = options
      const { data, instruments, timeFrame } = challenger.trained
      if (whyNothing(champion.trained, { horizonBars, timeFrame }, isFollowed) !== undefined) return undefined
      const kept = champion.trained.instruments.filter(isFollowed)
      const lost = kept.filter((id) => !instruments.includes(id))
      const name = `the ${champion.trained.algorithm} that votes`
      if (lost.length > 0) return `${name} also answers for ${lost.join(", ")}`
      const since = Math.max(data.heldOutFrom - 1, champion.trained.data.knownTo)
      const count = barsFor(challenger.series, since)
      const seenOf = (ids: ReadonlyArray<InstrumentId>) =>
        ids.flatMap((id) =>
          challenger.series.flatMap((one) => (one.instrument.id === id ? [tailOf(one, count)] : []))
        )
      const [mine, theirs] = [seenOf(instruments), seenOf(kept)]
      if (!isNonEmptyReadonlyArray(mine) || !isNonEmptyReadonlyArray(theirs)) {
        return yield* Effect.dieMessage(
          "a policy was made without bars of the instruments that it has learned of"
        )
      }
      const rowsOf = (panel: Panel) => maturedRows(panel, since, { ...options, barsBefore: panelBars })
      return yield* judgeContest(
        {
          rows: yield* rowsOf(mine),
          ask: (child, rows) => answersOfPolicy(child, challenger, mine, rows)
        },
        {
          name,
          rows: yield* rowsOf(theirs),
          ask: (child, rows) => answersOfPolicy(child, champion, theirs, rows)
        },
        modelHost
      )
    })

  return { whyNotBetter }
}
