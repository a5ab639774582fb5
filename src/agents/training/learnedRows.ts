/**
 * The rows of bars as a model stands to them: those of the time it has learned from, and those that were held out, each
 * with its outcome, and how its inputs are made. Of a model from elsewhere, which does not say, all are held out.
 *
 * What can go wrong: bars of another time frame than the model's, too few of them, a feature that is not finite, or no
 * row that it has not seen.
 * Invariant: no row is both earlier and held out.
 */
import { Effect } from "effect"
import type { Costs } from "../../market/Costs.ts"
import { stepwise } from "../../runtime/breathe.ts"
import { ModelFileUnfit, NothingHeldOut, TooFewBars } from "./errors.ts"
import type { InputError } from "./InputFeatures.ts"
import type { ModelFile } from "./ModelFile.ts"
import {
  barsBeforeOf,
  type FillInput,
  inputSchema,
  inputsOf,
  looksAtAll,
  type ModelInput
} from "./ModelInput.ts"
import { pickRows, type QuestionRows, questionBarsBefore, questionRows } from "./QuestionRows.ts"
import type { Bars } from "./readBars.ts"

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

const listed = (names: ReadonlyArray<string>) =>
  names.length > 4 ? `${names.slice(0, 4).join(", ")} and ${names.length - 4} more` : names.join(", ")

/**
 * A model that looks at all instruments of an as-of has learned what they do together, and when: others, or another
 * calendar, would mean something else.
 */
export const checkTogether = (
  { input, path, trained }: ModelFile,
  bars: Pick<Bars, "path" | "instruments">
): Effect.Effect<void, ModelFileUnfit> => {
  if (input === undefined || !looksAtAll(input) || trained === undefined) return Effect.void
  const { calendar } = trained.sequence
  const other = bars.instruments.find(({ instrument }) => instrument.calendar !== calendar)?.instrument
  if (calendar !== undefined && other !== undefined) {
    const reason = `it was trained on the calendar ${calendar}, and ${bars.path} is read on ${other.calendar} (--market-data.calendar chooses)`
    return new ModelFileUnfit({ path, reason })
  }
  const wanted = trained.data.instruments
  const given: ReadonlyArray<string> = bars.instruments.map(({ instrument }) => instrument.id)
  const missing = wanted.filter((id) => !given.includes(id))
  const more = given.filter((id) => !wanted.includes(id))
  if (missing.length + more.length === 0) return Effect.void
  const said = missing.length > 0 ? `lacks ${listed(missing)}` : `has ${listed(more)} as well`
  return new ModelFileUnfit({
    path,
    reason: `its features look at ${wanted.length} instruments together, and ${bars.path} ${said} (--symbol chooses)`
  })
}

/** Rows before this as-of it has learned from; undefined for a model that does not say. */
const learnedTo = ({ description, trained }: ModelFile): number | undefined => {
  if (trained !== undefined) return trained.data.heldOutFrom
  const fitted = Number(description.metadata.get(fittedAsOfKey) ?? Number.NaN)
  return Number.isFinite(fitted) ? fitted : undefined
}

/** Some of the rows, by their as-of. */
const rowsWhere = (rows: QuestionRows, isOne: (asOf: number) => boolean): QuestionRows =>
  pickRows(rows, Uint32Array.from([...rows.asOf.keys()].filter((row) => isOne(rows.asOf[row] as number))))

export interface AskedRows {
  /** With their outcomes, seen by the model or not. */
  readonly all: QuestionRows
  /** Up to the last that it was fitted or validated on; none of a model that does not say. */
  readonly earlier: QuestionRows
  readonly heldOut: QuestionRows
  readonly fill: FillInput
  /** Numbers of an input. */
  readonly columns: number
}

/** @param otherwise of a model that does not say */
export const askedRows = (
  model: ModelFile,
  bars: Bars,
  otherwise: { readonly horizonBars: number; readonly costs: Costs }
): Effect.Effect<AskedRows, ModelFileUnfit | TooFewBars | NothingHeldOut | InputError> =>
  Effect.gen(function* () {
    const { trained } = model
    const { costs, horizonBars } = trained ?? otherwise
    const { instruments, path } = bars
    const input = yield* barInput(model)
    if (trained !== undefined && trained.timeFrame !== bars.timeFrame) {
      return yield* new ModelFileUnfit({
        path: model.path,
        reason: `it was trained on bars of ${trained.timeFrame}, those in ${path} are of ${bars.timeFrame}`
      })
    }
    yield* checkTogether(model, bars)
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
    const heldOut = rowsWhere(all, (asOf) => from === undefined || asOf >= from)
    if (heldOut.rows === 0) {
      const learned = new Date(from as number).toISOString()
      return yield* new NothingHeldOut({ path, rows: all.rows, learnedTo: learned })
    }
    const fill = yield* yield* stepwise(inputsOf(input, instruments))
    const data = trained?.data
    const earlier = rowsWhere(all, (asOf) => data !== undefined && asOf <= data.to && asOf < data.heldOutFrom)
    return { all, earlier, heldOut, fill, columns: inputSchema(input).names.length }
  })
