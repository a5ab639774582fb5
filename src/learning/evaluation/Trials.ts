/**
 * Trials: everything that was trained or backtested, entered whether it came to something or not. How many there were,
 * and how far they lie apart, is what the best of them has to be deflated by (SharpeStatistics.ts).
 *
 * The same configuration on the same data is the same trial, however often it was run. Trials that say the same in other
 * words count as one where their returns are at hand: TrialClusters.ts.
 *
 * What can go wrong: nothing; trials without a Sharpe ratio (a network that was trained and never traded) count, and say
 * nothing about the spread.
 */
import { Schema } from "effect"
import { TimeFrame, toMs } from "../../protocols/TimeFrame.ts"
import { Digest, EpochMs, Identifier } from "../../protocols/wire/Ids.ts"
import { contentHash } from "../../protocols/wire/Json.ts"
import { mean } from "./Scoring.ts"

export const trialMetaMax = 32

export const Trial = Schema.Struct({
  /** Content hash of the configuration. */
  id: Digest,
  kind: Identifier,
  at: EpochMs,
  timeFrame: TimeFrame,
  /** The as-ofs that it was judged on. */
  data: Schema.Struct({ from: EpochMs, to: EpochMs }).pipe(
    Schema.filter(({ from, to }) => from <= to || "the data end before they begin")
  ),
  /** Per bar, not annualised; null where it was not traded, or nothing moved. */
  sharpe: Schema.NullOr(Schema.Finite),
  /** Returns of bars that were judged. */
  observations: Schema.NonNegativeInt,
  skewness: Schema.NullOr(Schema.Finite),
  /** 3 for the normal distribution. */
  kurtosis: Schema.NullOr(Schema.Finite),
  meta: Schema.Array(
    Schema.Struct({
      name: Identifier,
      value: Schema.Union(Schema.Finite, Schema.String.pipe(Schema.maxLength(200)))
    })
  ).pipe(Schema.maxItems(trialMetaMax))
})
export type Trial = typeof Trial.Type

/** Of a configuration as JSON, whatever the order of its keys. */
export const trialId = (configuration: unknown): string => contentHash(configuration)

export interface TrialSummary {
  /** Different trials. */
  readonly trials: number
  /** Of their Sharpe ratios per bar of the time frame asked for; null where fewer than two have one. */
  readonly sharpeVariance: number | null
}

/**
 * Ratios of bars of another length are brought to this one by the root of the ratio of the lengths, as for independent
 * returns (Lo, The Statistics of Sharpe Ratios, 2002).
 */
export const summariseTrials = (entries: ReadonlyArray<Trial>, timeFrame: TimeFrame): TrialSummary => {
  const latest = new Map(
    entries.map((entry) => [`${entry.id} ${entry.timeFrame} ${entry.data.from} ${entry.data.to}`, entry])
  )
  const sharpes = [...latest.values()].flatMap(({ sharpe, timeFrame: own }) =>
    sharpe === null ? [] : [sharpe * Math.sqrt(toMs(timeFrame) / toMs(own))]
  )
  const centre = mean(sharpes)
  const squares = sharpes.reduce((sum, sharpe) => sum + (sharpe - centre) ** 2, 0)
  return {
    trials: latest.size,
    sharpeVariance: sharpes.length < 2 ? null : squares / (sharpes.length - 1)
  }
}
