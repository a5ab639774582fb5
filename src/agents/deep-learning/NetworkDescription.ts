/**
 * What a network says of how to ask it, and what it cannot be asked: questions that it has not learned to answer, and all of
 * them where it looks at several instruments together and one of those is not followed.
 *
 * What can go wrong: an artefact that says too little, or that sees something else than bars.
 */
import { Either } from "effect"
import { classOutput } from "../../learning/ClassOpinion.ts"
import { normalisedOutput, recursionOf } from "../../learning/trm/TrmOpinion.ts"
import { trmOutputNames } from "../../learning/trm/TrmServing.ts"
import type { Calendar, Instrument, InstrumentId } from "../../protocols/Instrument.ts"
import type { Question } from "../../protocols/Opinion.ts"
import { type TimeFrame, toMs } from "../../protocols/TimeFrame.ts"
import type { Panel } from "../features/PanelWindows.ts"
import type { OutputName } from "../model-host/ModelHost.ts"
import { rowsPerRunMax } from "../model-host/RowRuns.ts"
import { checkModel, type ModelFile } from "../training/ModelFile.ts"
import { inputSchema, looksAtAll, type ModelInput } from "../training/ModelInput.ts"
import type { TrainedModel } from "../training/TrainedModel.ts"
import { servedRowsPerRun } from "../training-host/RunSizes.ts"

export interface NetworkDescription {
  readonly kind: string
  readonly input: ModelInput
  /** What it looks at together, and on which calendar where it says so; null where it looks at an instrument by itself. */
  readonly together: { readonly panel: Panel; readonly calendar: Calendar | null } | null
  readonly timeFrame: TimeFrame
  readonly horizonBars: number
  readonly more: ReadonlyArray<OutputName>
  readonly classes: TrainedModel["classes"] | null
  /** Of a Tiny Recursive Model. */
  readonly recursion: ReturnType<typeof recursionOf> | null
  /** Rows of one run. */
  readonly rowsMax: number
}

const togetherOf = (
  input: ModelInput,
  { data, sequence, timeFrame }: TrainedModel
): NetworkDescription["together"] => {
  if (!looksAtAll(input)) return null
  // Anything else than an id is of no instrument that is followed anywhere.
  const instruments = data.instruments as ReadonlyArray<InstrumentId>
  return {
    panel: { instruments, timeFrame, length: sequence.length },
    calendar: sequence.calendar ?? null
  }
}

/** What the description of a network says of how to ask it. */
export const descriptionOf = (model: Omit<ModelFile, "path" | "digest">): NetworkDescription | undefined => {
  const { description, input, trained } = model
  if (input === undefined || trained === undefined) return undefined
  const { classes, training } = trained
  const recursive =
    "trm" in training
      ? [
          { name: trmOutputNames.haltProbability, width: 1 },
          { name: trmOutputNames.steps, width: 1 },
          { name: normalisedOutput, width: inputSchema(input).names.length }
        ]
      : []
  return {
    kind: description.kind,
    input,
    together: togetherOf(input, trained),
    timeFrame: trained.timeFrame,
    horizonBars: trained.horizonBars,
    more: classes === undefined ? [] : [{ name: classOutput, width: classes.each.length }, ...recursive],
    classes: classes ?? null,
    recursion: "trm" in training ? recursionOf(training.trm.sizes, training.supervisionSteps) : null,
    rowsMax: servedRowsPerRun(training, rowsPerRunMax)
  }
}

/** Why there is no such description; as the end of a sentence. */
const whyUnseen = ({
  description: { featureNames: names, kind },
  input
}: Omit<ModelFile, "path" | "digest">): string =>
  input === undefined
    ? `its features (${names.slice(0, 4).join(", ")}${names.length > 4 ? ", …" : ""}) are not made of bars, and a running agent has nothing else to make them of`
    : `it is of kind ${kind}, and no network`

/** What an artefact says of how to ask it; the left says why it is no such network, as the end of a sentence. */
export const describedBy = (artefact: Uint8Array): Either.Either<NetworkDescription, string> =>
  Either.flatMap(checkModel(artefact), (model) =>
    Either.fromNullable(descriptionOf(model), () => whyUnseen(model))
  )

type Asked = Pick<Question, "horizonBars" | "timeFrame">

const whyNotSuch = ({ horizonBars, timeFrame }: NetworkDescription, asked: Asked): string | undefined => {
  if (asked.horizonBars !== horizonBars) {
    return `the model looks ${horizonBars} bars ahead, not ${asked.horizonBars}`
  }
  return toMs(asked.timeFrame) === toMs(timeFrame)
    ? undefined
    : `the model is of bars of ${timeFrame}, not ${asked.timeFrame}`
}

/** Why a network has not learned to answer such a question; undefined where it has. */
export const whyNot = (description: NetworkDescription, question: Question): string | undefined => {
  const { together } = description
  return (
    whyNotSuch(description, question) ??
    (together === null || together.panel.instruments.includes(question.instrument)
      ? undefined
      : `the model looks at ${together.panel.instruments.length} instruments together, and this one is not among them`)
  )
}

/** Why a network cannot look at what is followed here; undefined where it can. What else is followed does not matter. */
export const whyUnfollowed = (
  { together }: NetworkDescription,
  followed: ReadonlyArray<Instrument>
): string | undefined => {
  if (together === null) return undefined
  const { calendar, panel } = together
  const { instruments } = panel
  const calendars = new Map(followed.map((one) => [one.id, one.calendar]))
  const missing = instruments.filter((id) => !calendars.has(id))
  const [first] = missing
  if (first !== undefined) {
    const said = missing.length === 1 ? `${first} is` : `${first} and ${missing.length - 1} more are`
    return `the model looks at ${instruments.length} instruments together, and ${said} not followed here`
  }
  const other = instruments.find((id) => calendars.get(id) !== calendar)
  return calendar === null || other === undefined
    ? undefined
    : `the model was trained on the calendar ${calendar}, and ${other} is on ${calendars.get(other)}`
}

/** Why a network can answer nothing that is asked of the instruments that are followed; undefined where it can. */
export const whyNothing = (
  description: NetworkDescription,
  asked: Asked,
  followed: ReadonlyArray<Instrument>
): string | undefined => whyNotSuch(description, asked) ?? whyUnfollowed(description, followed)
