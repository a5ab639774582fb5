/** Outcomes of a simulated world, and a network calibrated to them more or less well. */
import { Effect, Either } from "effect"
import { seriesOf } from "../../../src/agents/deep-learning/BarWindows.ts"
import { askMatured, maturedRows, recalibrated } from "../../../src/agents/deep-learning/review.ts"
import { calibrate } from "../../../src/agents/training/HeldOut.ts"
import { checkModel } from "../../../src/agents/training/ModelFile.ts"
import { barsBeforeOf, type ModelInput } from "../../../src/agents/training/ModelInput.ts"
import type { AskModel, ModelAnswers } from "../../../src/agents/training/ModelRun.ts"
import { pickRows, type QuestionRows } from "../../../src/agents/training/QuestionRows.ts"
import type { Calibrator } from "../../../src/learning/ScoreCalibrator.ts"
import { runThrough } from "../../../src/learning/steps.ts"
import { askOnnx } from "../../learning/opinions.ts"
import { asOfAt, simulated, timeFrame } from "../feedEvents.ts"
import { settingsWith } from "../settings.ts"
import { artefactOf, input } from "../training/models.ts"

export const settings = settingsWith()
export const { costs, orchestrator, run } = settings
export const { horizonBars } = orchestrator

const { events, instruments } = simulated({ seed: 31, count: 500, world: "efficient" })

export { instruments }
export const bars = events.flatMap(({ payload }) => payload.bars)
export const since = asOfAt(199)
export const asOf = asOfAt(499)

export const series = instruments.map((one) =>
  seriesOf(
    one,
    timeFrame,
    bars.filter(({ instrument }) => instrument === one.id)
  )
)

/** The outcomes that a review of what has learned up to `since` is made of. */
export const rows = await Effect.runPromise(
  maturedRows(series, since, { barsBefore: barsBeforeOf(input), horizonBars, costs })
)
export const part = (from: number, to: number) =>
  pickRows(
    rows,
    Uint32Array.from({ length: to - from }, (_, i) => from + i)
  )

/** What an artefact says of the rows, without a model host. */
export const saidBy = (artefact: Uint8Array, of: QuestionRows = rows): Promise<ModelAnswers> => {
  const sees = Either.getOrThrow(checkModel(artefact)).input as ModelInput
  const ask: AskModel = ({ band, columns, features, rows: count, sigma }) =>
    Effect.promise(async () => {
      const said = await askOnnx(
        artefact,
        Array.from({ length: count }, (_, i) => ({
          features: features.subarray(i * columns, (i + 1) * columns),
          sigma: sigma[i] as number,
          band: band[i] as number
        }))
      )
      return {
        probabilities: Float32Array.from(
          said.flatMap(({ probabilities: { buy, hold, sell } }) => [sell, hold, buy])
        ),
        expectedReturn: Float32Array.from(said, ({ expectedReturn }) => expectedReturn),
        spread: Float32Array.from(said, ({ spread }) => spread),
        score: Float32Array.from(said, ({ score }) => score),
        classes: new Float32Array()
      }
    })
  return Effect.runPromise(askMatured({ input: sees, ask, rowsMax: of.rows }, of))
}
export const fittedTo = (scores: ArrayLike<number>, of: QuestionRows): Calibrator =>
  Either.getOrThrow(runThrough(calibrate(Float64Array.from(scores), of)))
export const calibratedAs = (artefact: Uint8Array, calibrator: Calibrator) =>
  recalibrated(artefact, calibrator) as Uint8Array

export const network = artefactOf()
export const scores = (await saidBy(network)).score
/** Right on all of the outcomes, right on the latest third, and sure of what seldom comes. */
export const right = fittedTo(scores, rows)
const cut = rows.rows - Math.floor(rows.rows / 3)
export const lately = fittedTo(scores.subarray(cut), part(cut, rows.rows))
export const sureOf = (calibrator: Calibrator, side: "sell" | "buy", by: number): Calibrator => ({
  ...calibrator,
  [side]: { ...calibrator[side], intercept: calibrator[side].intercept + by }
})
