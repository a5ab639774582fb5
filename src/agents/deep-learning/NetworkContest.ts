/**
 * Whether a new network may vote in the place of one that does. Both are asked, each as it was deployed and seeing the
 * instruments that it looks at, about the same instruments and as-ofs: those that were held out from the new one and that the
 * other had not learned from either.
 *
 * A network that can answer nothing that is asked here any more (its horizon, or instruments that it looks at together are not
 * followed) has no vote to keep.
 *
 * What can go wrong: the process that runs models, an artefact that cannot see bars.
 */
import { Effect, Either } from "effect"
import type { Costs } from "../../market/Costs.ts"
import type { Instrument } from "../../protocols/Instrument.ts"
import { judgeContest } from "../training/contest.ts"
import { barsBeforeOf } from "../training/ModelInput.ts"
import type { ModelRunOptions } from "../training/ModelRun.ts"
import type { QuestionRows } from "../training/QuestionRows.ts"
import { describedBy, whyNothing } from "./NetworkDescription.ts"
import { maturedRows, seriesSeenBy } from "./review.ts"
import { answersOfNetwork, reviewedAs } from "./reviewAnswers.ts"
import type { HistoryTrained } from "./trainOnHistory.ts"

/**
 * Why the new one is not to vote; undefined where it may.
 * @param votes the artefact that was given the vote: what it has been calibrated on since are outcomes that are held out here
 */
export const whyNotBetter = (
  { artefact, heldOut, manifest }: Pick<HistoryTrained, "artefact" | "heldOut" | "manifest">,
  votes: { readonly artefact: Uint8Array; readonly name: string },
  {
    costs,
    followed,
    modelHost
  }: {
    readonly costs: Costs
    readonly followed: ReadonlyArray<Instrument>
    readonly modelHost: ModelRunOptions
  }
) =>
  Effect.gen(function* () {
    const described = describedBy(votes.artefact)
    if (Either.isRight(described) && whyNothing(described.right, manifest, followed) !== undefined) {
      return undefined
    }
    const { from, instruments } = heldOut
    const seen = yield* reviewedAs(artefact)
    const theirs = yield* reviewedAs(votes.artefact)
    const both = Either.all([seriesSeenBy(instruments, [seen]), seriesSeenBy(instruments, [theirs])])
    if (Either.isLeft(both)) return `it cannot be compared with ${votes.name}: ${both.left}`
    // Of what does not say what it has learned from, nothing is known to be new to it.
    const since = Math.max(from - 1, theirs.knownTo ?? Number.POSITIVE_INFINITY)
    const contestantOf = (bytes: Uint8Array, { input }: typeof seen, series: typeof instruments) =>
      Effect.map(
        maturedRows(series, since, {
          ...{ barsBefore: barsBeforeOf(input), horizonBars: manifest.horizonBars, costs }
        }),
        (rows) => ({
          rows,
          ask: (child: Parameters<typeof answersOfNetwork>[0], asked: QuestionRows) =>
            answersOfNetwork(child, bytes, asked)
        })
      )
    const [mine, other] = both.right
    return yield* judgeContest(
      yield* contestantOf(artefact, seen, mine),
      { ...(yield* contestantOf(votes.artefact, theirs, other)), name: votes.name },
      modelHost
    )
  })
