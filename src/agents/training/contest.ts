/**
 * Whether a new model may vote in the place of one that does: both are asked about the same instruments and as-ofs, each seeing
 * the instruments that it looks at. The caller has seen to it that neither has learned from any of them.
 *
 * What can go wrong: the process that runs models, and what keeps a model from being asked.
 */
import { Effect, Either } from "effect"
import { logLosses } from "../../learning/evaluation/ClassMetrics.ts"
import { mean } from "../../learning/evaluation/Scoring.ts"
import { sides } from "../../learning/ScoreCalibrator.ts"
import { stepwise } from "../../runtime/breathe.ts"
import type * as ChildProcess from "../../runtime/ChildProcess.ts"
import { commonRows } from "./commonRows.ts"
import { type ModelAnswers, type ModelRunOptions, startModelRun } from "./ModelRun.ts"
import type { QuestionRows } from "./QuestionRows.ts"

/** A model, and what it can be asked about that it has not learned from. */
export interface Contestant<E> {
  readonly rows: QuestionRows
  readonly ask: (child: ChildProcess.Child, rows: QuestionRows) => Effect.Effect<ModelAnswers, E>
}

const lossOf = ({ probabilities }: ModelAnswers, labels: Uint8Array) =>
  Either.map(logLosses(Float64Array.from(probabilities), labels, sides.length), mean)

/** Why the new one is not to vote; undefined where it may. */
export const judgeContest = <E, F>(
  challenger: Contestant<E>,
  champion: Contestant<F> & {
    /** For messages. */
    readonly name: string
  },
  modelHost: ModelRunOptions
) =>
  Effect.gen(function* () {
    const { name } = champion
    const rows = yield* stepwise(commonRows(challenger.rows, champion.rows))
    if (rows.one.rows === 0) return `there is no outcome that neither it nor ${name} has learned from`
    const [mine, theirs] = yield* Effect.scoped(
      Effect.flatMap(startModelRun(modelHost), (child) =>
        Effect.all([challenger.ask(child, rows.one), champion.ask(child, rows.other)])
      )
    )
    const losses = Either.all([lossOf(mine, rows.one.label), lossOf(theirs, rows.other.label)])
    if (Either.isLeft(losses)) return `it could not be compared with ${name}: ${losses.left.message}`
    const [is, was] = losses.right
    return is < was
      ? undefined
      : `on ${rows.one.rows} outcomes ${name} has a log loss of ${was.toFixed(4)}, and it has ${is.toFixed(4)}`
  })
