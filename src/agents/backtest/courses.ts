/** From the records of a run to what each instrument went through: its bars, its decisions, the weights of the pool. */
import type { Bar } from "../../protocols/Bar.ts"
import type { InstrumentId } from "../../protocols/Instrument.ts"
import type { InstrumentCourse, TargetChange } from "./BacktestResult.ts"
import type { KeptDecision } from "./DecisionTally.ts"
import type { AsOfRecord } from "./records.ts"

/** Decisions that leave what is held as it is. */
const leavesAsIs = (strategy: KeptDecision["strategy"]): boolean =>
  strategy === "keep" || strategy === "degraded"

const changesOf = (decisions: ReadonlyArray<KeptDecision>): ReadonlyArray<TargetChange> => {
  const changes: Array<TargetChange> = []
  let target = 0
  for (const { action, key, strategy, targetExposure } of decisions) {
    if (leavesAsIs(strategy) || targetExposure === target) continue
    target = targetExposure
    changes.push({ asOf: key.asOf, action, targetExposure, strategy })
  }
  return changes
}

/** NaN where a member was not in the pool. */
const weightsOf = (decisions: ReadonlyArray<KeptDecision>): InstrumentCourse["weights"] => {
  // One list for all decisions of the same pool: there are few.
  const lists = new Set(decisions.map(({ members }) => members))
  const names = new Set([...lists].flat())
  return [...names].map((member) => ({
    member,
    values: Float64Array.from(
      decisions,
      ({ members, weights }) => weights[members.indexOf(member)] ?? Number.NaN
    )
  }))
}

/** @param records of what was traded, without the warm-up */
export const coursesOf = (
  records: ReadonlyArray<AsOfRecord<KeptDecision>>
): ReadonlyArray<InstrumentCourse> => {
  const bars = new Map<InstrumentId, Array<Bar>>()
  const decisions = new Map<InstrumentId, Array<KeptDecision>>()
  const add = <A>(to: Map<InstrumentId, Array<A>>, instrument: InstrumentId, item: A) => {
    const before = to.get(instrument)
    if (before === undefined) to.set(instrument, [item])
    else before.push(item)
  }
  for (const record of records) {
    for (const bar of record.bars) add(bars, bar.instrument, bar)
    for (const decision of record.decisions) add(decisions, decision.key.instrument, decision)
  }
  return [...bars].map(([instrument, its]) => {
    const made = decisions.get(instrument) ?? []
    const column = (pick: (bar: Bar) => number) => Float64Array.from(its, pick)
    return {
      instrument,
      times: column(({ closeTime }) => closeTime),
      open: column(({ open }) => open),
      high: column(({ high }) => high),
      low: column(({ low }) => low),
      close: column(({ close }) => close),
      changes: changesOf(made),
      decidedAt: Float64Array.from(made, ({ key }) => key.asOf),
      weights: weightsOf(made)
    }
  })
}
