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
import { ModelFileUnfit, NothingHeldOut, TooFewBars } from "./errors.ts"
import { baseRateName, type HeldOutReport, judgeHeldOut, ratesOf } from "./HeldOut.ts"
import type { ModelFile } from "./ModelFile.ts"
import { barsBeforeOf, inputSchema, inputsOf, type ModelInput } from "./ModelInput.ts"
import { askRows, type ModelRunOptions, openModel, rowsPerRun } from "./ModelRun.ts"
import { pickRows, questionBarsBefore, questionRows } from "./QuestionRows.ts"
import type { Bars } from "./readBars.ts"
import { overlapOf } from "./trainNetwork.ts"

/** The metadata of models that the linear forecaster makes. */
const fittedAsOfKey = "fitted_as_of"

/** How the model sees bars, or why it cannot. */
export const barInput = ({
  input,
  path,
  description
}: ModelFile): Effect.Effect<ModelInput, ModelFileUnfit> =>
  input === undefined
    ? new ModelFileUnfit({
        path,
        reason: `it is of kind ${description.kind}, and its features (${description.featureNames.slice(0, 4).join(", ")}, …) cannot be made from bars; \`conclave predict\` takes them as a table`
      })
    : Effect.succeed(input)

/** Rows before this as-of it has learned from. */
const learnedTo = ({ description, trained }: ModelFile): number | undefined => {
  if (trained !== undefined) return trained.data.heldOutFrom
  const fitted = Number(description.metadata.get(fittedAsOfKey) ?? Number.NaN)
  return Number.isFinite(fitted) ? fitted : undefined
}

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
    const { instruments, path } = bars
    const { description, trained } = model
    const input = yield* barInput(model)
    if (trained !== undefined && trained.timeFrame !== bars.timeFrame) {
      return yield* new ModelFileUnfit({
        path: model.path,
        reason: `it was trained on bars of ${trained.timeFrame}, those in ${path} are of ${bars.timeFrame}`
      })
    }
    const horizonBars = trained?.horizonBars ?? options.horizonBars
    const costs = trained?.costs ?? settings.costs
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
    const from = learnedTo(model)
    const indices = Uint32Array.from(
      [...all.asOf.keys()].filter((row) => from === undefined || (all.asOf[row] as number) >= from)
    )
    if (indices.length === 0) {
      return yield* new NothingHeldOut({
        path,
        rows: all.rows,
        learnedTo: new Date(from as number).toISOString()
      })
    }
    const rows = pickRows(all, indices)
    const fill = yield* yield* stepwise(inputsOf(input, instruments))
    const columns = inputSchema(input).names.length
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
    if (classes === undefined) return { report: ofSides, seen: all.rows - rows.rows } satisfies Evaluation
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
    return { report, seen: all.rows - rows.rows } satisfies Evaluation
  })
