/**
 * Judges a model on bars that it has not learned from, beside the base rate and a price that stays where it is.
 *
 * Which rows these are, the file of the model says: those from the first that was held out on. Of a model from elsewhere,
 * which does not say, all rows are judged, and the base rate is that of these rows themselves, which no forecaster could
 * have known.
 *
 * What can go wrong: bars of another time frame than the model's, too few of them, or none that it has not seen.
 */
import { Effect } from "effect"
import { stepwise } from "../../runtime/breathe.ts"
import type { Settings } from "../Settings.ts"
import { trainingName } from "../training-host/HostTraining.ts"
import { servedRowsPerRun } from "../training-host/RunSizes.ts"
import { classLabels } from "./ClassLabels.ts"
import { judgeClasses } from "./ClassReport.ts"
import { baseRateName, type HeldOutReport, judgeHeldOut, ratesOf } from "./HeldOut.ts"
import { askedRows } from "./learnedRows.ts"
import type { ModelFile } from "./ModelFile.ts"
import { askRows, type ModelRunOptions, openModel, rowsPerRun } from "./ModelRun.ts"
import type { Bars } from "./readBars.ts"
import { overlapOf } from "./trainNetwork.ts"

/** Rows of a model that are asked in one run. */
export const runRowsOf = ({ trained }: Pick<ModelFile, "trained">): number =>
  trained === undefined ? rowsPerRun : servedRowsPerRun(trained.training, rowsPerRun)

export interface Evaluation {
  readonly report: HeldOutReport
  /** Rows that were left out because the model has learned from their time. */
  readonly seen: number
}

export const evaluateModel = (
  model: ModelFile,
  bars: Bars,
  options: { readonly horizonBars: number; readonly settings: Settings; readonly modelHost: ModelRunOptions }
) =>
  Effect.gen(function* () {
    const { modelHost, settings } = options
    const { instruments } = bars
    const { description, trained } = model
    const horizonBars = trained?.horizonBars ?? options.horizonBars
    const costs = trained?.costs ?? settings.costs
    const asked = yield* askedRows(model, bars, { horizonBars, costs })
    const { columns, fill, heldOut: rows } = asked
    const classes = trained?.classes
    const runRows = runRowsOf(model)
    const answers = yield* Effect.scoped(
      Effect.flatMap(openModel(model, modelHost, classes?.each.length), (ask) =>
        askRows(ask, rows, columns, fill, runRows)
      )
    )
    const name = trained === undefined ? description.kind : trainingName(trained.training)
    const judging = {
      overlap: overlapOf(instruments, horizonBars),
      seed: trained?.training.seed ?? settings.run.seed
    }
    const ofSides = yield* yield* stepwise(
      judgeHeldOut(
        rows,
        {
          model: name,
          probabilities: Float64Array.from(answers.probabilities),
          z: Float64Array.from(answers.expectedReturn, (value, i) => value / (rows.sigma[i] as number))
        },
        {
          rates: trained === undefined ? yield* ratesOf(rows) : Float64Array.from(trained.baseRates),
          ratesName: trained === undefined ? `${baseRateName} in hindsight` : baseRateName,
          linear: null
        },
        judging
      )
    )
    if (classes === undefined)
      return { report: ofSides, seen: asked.all.rows - rows.rows } satisfies Evaluation
    const labels = yield* yield* stepwise(classLabels(classes.kind, rows, costs))
    const forecasts = {
      model: name,
      names: classes.each.map((one) => one.name),
      counts: classes.each.map(({ trainingRows }) => trainingRows),
      probabilities: answers.classes
    }
    const report: HeldOutReport = {
      ...ofSides,
      classes: yield* yield* stepwise(judgeClasses(forecasts, labels, judging))
    }
    return { report, seen: asked.all.rows - rows.rows } satisfies Evaluation
  })
