/**
 * Looks for agents that peek: compares the records of a run over the whole history with those of a run over the history
 * cut off at an as-of. Up to there both have seen the same, so that every record has to be the same; where one is not,
 * the first of its inputs that differs says whose it is.
 */
import type { Decision, DecisionInputs } from "../../protocols/Decision.ts"
import type { InstrumentId } from "../../protocols/Instrument.ts"
import { canonicalJson } from "../../protocols/wire/Json.ts"
import type { AsOfRecord } from "./records.ts"

export interface RecordPeek {
  /** The agent whose part of the record it is. */
  readonly agent: string
  /** What of the record differs. */
  readonly field: string
  readonly instrument: InstrumentId
  readonly asOf: number
  /** Where the shorter history ended. */
  readonly cutAt: number
}

const isSame = (a: unknown, b: unknown): boolean => canonicalJson(a ?? null) === canonicalJson(b ?? null)

/** Whose each input of a decision is, in the order in which one follows from the other. */
const inputsOf: ReadonlyArray<readonly [field: Exclude<keyof DecisionInputs, "answers">, agent: string]> = [
  ["question", "orchestrator"],
  ["warmUp", "market-data"],
  ["account", "broker"],
  ["baseRate", "orchestrator"],
  ["weights", "orchestrator"],
  ["calibration", "orchestrator"],
  ["evidence", "orchestrator"],
  ["policy", "orchestrator"],
  ["ageMs", "orchestrator"]
]

/** The first part that differs between two decisions on the same question. */
export const differenceOf = (
  whole: Decision,
  cut: Decision
): { readonly agent: string; readonly field: string } | undefined => {
  if (!isSame(whole.inputs.question, cut.inputs.question)) return { agent: "orchestrator", field: "question" }
  const voters = new Set([...whole.inputs.answers, ...cut.inputs.answers].map(({ voter }) => voter))
  for (const voter of voters) {
    const of = ({ inputs }: Decision) => inputs.answers.find((answer) => answer.voter === voter)
    if (!isSame(of(whole), of(cut))) return { agent: voter, field: "answer" }
  }
  const input = inputsOf.find(([field]) => !isSame(whole.inputs[field], cut.inputs[field]))
  if (input !== undefined) return { agent: input[1], field: input[0] }
  const fields = Object.keys(whole) as ReadonlyArray<keyof Decision>
  const field = fields.find((name) => name !== "inputs" && !isSame(whole[name], cut[name]))
  return field === undefined ? undefined : { agent: "orchestrator", field }
}

const byInstrument = <A>(items: ReadonlyArray<A>, instrumentOf: (item: A) => InstrumentId) =>
  new Map(items.map((item) => [instrumentOf(item), item]))

/** Differences at one as-of, at most one an instrument. */
export const peeksAt = (
  whole: Pick<AsOfRecord, "bars" | "decisions">,
  cut: Pick<AsOfRecord, "asOf" | "bars" | "decisions">,
  cutAt: number
): ReadonlyArray<RecordPeek> => {
  const { asOf } = cut
  const bars = [whole, cut].map((record) => byInstrument(record.bars, (bar) => bar.instrument))
  const decisions = [whole, cut].map((record) =>
    byInstrument(record.decisions, (decision) => decision.key.instrument)
  )
  const instruments = new Set([...bars, ...decisions].flatMap((map) => [...map.keys()]))
  return [...instruments].flatMap((instrument) => {
    const at = { instrument, asOf, cutAt }
    const [wholeBar, cutBar] = bars.map((map) => map.get(instrument))
    if (!isSame(wholeBar, cutBar)) return [{ agent: "market-data", field: "bar", ...at }]
    const [wholeDecision, cutDecision] = decisions.map((map) => map.get(instrument))
    if (wholeDecision === undefined && cutDecision === undefined) return []
    if (wholeDecision === undefined || cutDecision === undefined) {
      return [{ agent: "orchestrator", field: "decision", ...at }]
    }
    const difference = differenceOf(wholeDecision, cutDecision)
    return difference === undefined ? [] : [{ ...difference, ...at }]
  })
}
