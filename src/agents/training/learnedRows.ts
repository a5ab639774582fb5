/**
 * The rows of bars as a trained model stands to them: those of the time it has learned from, and those that were held
 * out, each with its outcome, and how its inputs are made.
 *
 * What can go wrong: bars of another time frame than the model's, too few of them, a feature that is not finite, or no
 * row that it has not seen.
 * Invariant: no row is in both.
 */
import { Effect } from "effect"
import { stepwise } from "../../runtime/breathe.ts"
import { type FeatureNotFinite, ModelFileUnfit, NothingHeldOut, TooFewBars } from "./errors.ts"
import { barInput } from "./evaluateModel.ts"
import type { ModelFile } from "./ModelFile.ts"
import { barsBeforeOf, type FillInput, inputSchema, inputsOf } from "./ModelInput.ts"
import { pickRows, type QuestionRows, questionBarsBefore, questionRows } from "./QuestionRows.ts"
import type { Bars } from "./readBars.ts"
import type { TrainedModel } from "./TrainedModel.ts"

export interface AskedRows {
  /** Up to the last that it was fitted or validated on. */
  readonly earlier: QuestionRows
  readonly heldOut: QuestionRows
  readonly fill: FillInput
  /** Numbers of an input. */
  readonly columns: number
}

export const learnedAndHeldOut = (
  model: ModelFile & { readonly trained: TrainedModel },
  bars: Bars
): Effect.Effect<AskedRows, ModelFileUnfit | TooFewBars | NothingHeldOut | FeatureNotFinite> =>
  Effect.gen(function* () {
    const { costs, data, horizonBars, timeFrame } = model.trained
    const { instruments, path } = bars
    if (timeFrame !== bars.timeFrame) {
      return yield* new ModelFileUnfit({
        path: model.path,
        reason: `it was trained on bars of ${timeFrame}, those in ${path} are of ${bars.timeFrame}`
      })
    }
    const input = yield* barInput(model)
    const barsBefore = barsBeforeOf(input)
    const all = yield* stepwise(questionRows(instruments, { barsBefore, horizonBars, costs, matured: true }))
    if (all.rows === 0) {
      return yield* new TooFewBars({
        path,
        bars: instruments.reduce((most, { close }) => Math.max(most, close.length), 0),
        barsMin: Math.max(barsBefore, questionBarsBefore) + 2 + horizonBars,
        reason: `${barsBefore + 1} that the model sees and a horizon of ${horizonBars}`
      })
    }
    const those = (isOne: (asOf: number) => boolean) =>
      pickRows(all, Uint32Array.from([...all.asOf.keys()].filter((row) => isOne(all.asOf[row] as number))))
    const heldOut = those((asOf) => asOf >= data.heldOutFrom)
    if (heldOut.rows === 0) {
      const learnedTo = new Date(data.heldOutFrom).toISOString()
      return yield* new NothingHeldOut({ path, rows: all.rows, learnedTo })
    }
    return {
      earlier: those((asOf) => asOf <= data.to && asOf < data.heldOutFrom),
      heldOut,
      fill: yield* yield* stepwise(inputsOf(input, instruments)),
      columns: inputSchema(input).names.length
    }
  })
