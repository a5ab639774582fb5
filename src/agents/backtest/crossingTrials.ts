/**
 * The rules of a sweep as trials, and which of those that were entered before the best of a grid is deflated by: each other
 * rule of the family on bars like these, once, whatever it was run on. A rule of the grid is counted by the grid, and a
 * rule that was run again, on other terms or over a file that has grown by a bar, is not tried anew.
 *
 * Entries that do not tell their rule are counted by their id; those that name no instrument are taken to be of this one.
 */
import { type Trial, trialId } from "../../learning/evaluation/Trials.ts"
import type { BarSeries } from "../../market/BarSeries.ts"
import type { CrossingLengths, SweptRule } from "./sweep.ts"

const family = "crossing"

/** What a trial is before it was run. */
export type NamedTrial = Pick<Trial, "id" | "kind" | "timeFrame" | "data" | "meta">

export interface CrossingTerms {
  readonly shorting: boolean
  /** What else the rules are run on, and on which terms: another of it is another entry. */
  readonly on: Readonly<Record<string, unknown>>
}

export const nameTrial = (
  { instrument, openTime, timeFrame }: BarSeries,
  { fast, slow }: CrossingLengths,
  { on, shorting }: CrossingTerms
): NamedTrial => ({
  id: trialId({ ...on, rule: family, fast, slow, shorting, instrument: instrument.id }),
  kind: family,
  timeFrame,
  data: { from: openTime[0] as number, to: openTime.at(-1) as number },
  meta: [
    { name: "instrument", value: instrument.id },
    { name: "fast", value: fast },
    { name: "slow", value: slow },
    { name: "shorting", value: shorting ? 1 : 0 }
  ]
})

const metaOf = ({ meta }: Pick<Trial, "meta">, wanted: string) =>
  meta.find(({ name }) => name === wanted)?.value

/** The same of the same rule; of an entry that does not tell it, its id. */
const ruleOf = (trial: Pick<Trial, "id" | "meta">): string => {
  const lengths = ["fast", "slow", "shorting"].map((name) => metaOf(trial, name))
  return lengths.includes(undefined) ? trial.id : lengths.join("/")
}

/** The latest entry of each other rule on bars like those of the grid, of one instrument and time frame. */
export const trialsBefore = (
  ledger: ReadonlyArray<Trial>,
  grid: ReadonlyArray<NamedTrial>
): ReadonlyArray<Trial> => {
  const [first] = grid
  if (first === undefined) return []
  const own = new Set(grid.flatMap((trial) => [trial.id, ruleOf(trial)]))
  const instrument = metaOf(first, "instrument")
  const found = new Map<string, Trial>()
  for (const trial of ledger) {
    const { data, id, kind, timeFrame } = trial
    const rule = ruleOf(trial)
    if (kind !== family || timeFrame !== first.timeFrame || own.has(id) || own.has(rule)) continue
    if (data.from >= first.data.to || data.to <= first.data.from) continue
    if ((metaOf(trial, "instrument") ?? instrument) === instrument) found.set(rule, trial)
  }
  return [...found.values()]
}

export const sweptTrial = (named: NamedTrial, { metrics }: SweptRule, at: number): Trial => ({
  ...named,
  at,
  sharpe: metrics.sharpePerBar,
  observations: metrics.bars,
  skewness: metrics.skewness,
  kurtosis: metrics.kurtosis
})
