/**
 * What a model says of every row of a table of features, or of every as-of of a bar file, as CSV.
 *
 * What can go wrong: what the table, the bars or the model are refused for; nothing has been asked then.
 */
import { Effect } from "effect"
import type { TimeFrame } from "../../protocols/TimeFrame.ts"
import { stepwise } from "../../runtime/breathe.ts"
import type { Settings } from "../Settings.ts"
import { ModelFileUnfit, TooFewBars } from "./errors.ts"
import { runRowsOf } from "./evaluateModel.ts"
import { type InputTable, isInputHeader, parseInputTable, readHeader, readTableText } from "./InputTable.ts"
import { barInput, checkTogether } from "./learnedRows.ts"
import type { ModelFile } from "./ModelFile.ts"
import { barsBeforeOf, inputSchema, inputsOf } from "./ModelInput.ts"
import { type AskModel, askRows, type ModelAnswers, type ModelRunOptions, openModel } from "./ModelRun.ts"
import { questionBarsBefore, questionRows } from "./QuestionRows.ts"
import { readBars } from "./readBars.ts"

export interface Predictions {
  /** The header first. */
  readonly lines: ReadonlyArray<string>
}

interface PredictOptions {
  readonly settings: Settings
  readonly modelHost: ModelRunOptions
  /** Where the model does not say how far it looks. */
  readonly horizonBars: number
}

const answerColumns = "sell,hold,buy,expected_return,spread,score"

/** Nine digits tell every float32 from its neighbours. */
const show = (value: number): string => String(Number(value.toPrecision(9)))

const cellsOf = ({ expectedReturn, probabilities, score, spread }: ModelAnswers, row: number): string =>
  [...probabilities.subarray(3 * row, 3 * row + 3), expectedReturn[row], spread[row], score[row]]
    .map((value) => show(value as number))
    .join(",")

const ofTable = ({ band, features, rows, sigma }: InputTable, ask: AskModel, runRows: number) =>
  Effect.gen(function* () {
    const width = features.length / rows
    const lines = [`row,${answerColumns}`]
    for (let first = 0; first < rows; first += runRows) {
      const end = Math.min(rows, first + runRows)
      const answers = yield* ask({
        rows: end - first,
        columns: width,
        features: features.subarray(first * width, end * width),
        sigma: sigma.subarray(first, end),
        band: band.subarray(first, end)
      })
      for (let row = first; row < end; row++) lines.push(`${row + 1},${cellsOf(answers, row - first)}`)
    }
    return { lines }
  })

/** Every as-of of which the model sees enough, the newest too. */
const ofBars = (path: string, model: ModelFile, options: PredictOptions, timeFrame: TimeFrame | undefined) =>
  Effect.gen(function* () {
    const { settings } = options
    const { trained } = model
    const input = yield* barInput(model)
    const bars = yield* readBars(path, settings, timeFrame ?? trained?.timeFrame)
    const { instruments } = bars
    if (trained !== undefined && trained.timeFrame !== bars.timeFrame) {
      return yield* new ModelFileUnfit({
        path: model.path,
        reason: `it was trained on bars of ${trained.timeFrame}, those asked for are of ${bars.timeFrame}`
      })
    }
    yield* checkTogether(model, bars)
    const barsBefore = barsBeforeOf(input)
    const rows = yield* stepwise(
      questionRows(instruments, {
        barsBefore,
        horizonBars: trained?.horizonBars ?? options.horizonBars,
        costs: trained?.costs ?? settings.costs,
        matured: false
      })
    )
    if (rows.rows === 0) {
      return yield* new TooFewBars({
        path,
        bars: instruments.reduce((most, { close }) => Math.max(most, close.length), 0),
        barsMin: Math.max(barsBefore, questionBarsBefore) + 1,
        reason: `the model sees ${barsBefore + 1}, its question ${questionBarsBefore + 1}`
      })
    }
    const fill = yield* yield* stepwise(inputsOf(input, instruments))
    const columns = inputSchema(input).names.length
    const answers = yield* Effect.scoped(
      Effect.flatMap(openModel(model, options.modelHost), (ask) =>
        askRows(ask, rows, columns, fill, runRowsOf(model))
      )
    )
    const lines = [`instrument,as_of,sigma,band,${answerColumns}`]
    for (let row = 0; row < rows.rows; row++) {
      const { instrument } = instruments[rows.instrument[row] as number] as (typeof instruments)[number]
      const asOf = new Date(rows.asOf[row] as number).toISOString()
      const question = [rows.sigma[row] as number, rows.band[row] as number].map(show).join(",")
      lines.push(`${instrument.id},${asOf},${question},${cellsOf(answers, row)}`)
    }
    return { lines }
  })

/** What the file holds, its header says. */
export const predict = (model: ModelFile, path: string, options: PredictOptions, timeFrame?: TimeFrame) =>
  Effect.gen(function* () {
    const { featureNames } = model.description
    if (!isInputHeader(yield* readHeader(path), featureNames)) {
      return (yield* ofBars(path, model, options, timeFrame)) satisfies Predictions
    }
    const table = yield* parseInputTable(path, yield* readTableText(path), featureNames)
    return yield* Effect.scoped(
      Effect.flatMap(openModel(model, options.modelHost), (ask) => ofTable(table, ask, runRowsOf(model)))
    )
  })
