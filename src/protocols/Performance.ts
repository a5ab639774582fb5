/**
 * What a backtest came to, as it is told to people and programs: measures with their intervals, what they prove, what costs
 * did, and how plain rules fared over the same bars. The definitions stand in `src/market/performance` and
 * `src/learning/evaluation/SharpeStatistics.ts`.
 *
 * Null says that there is no such number: nothing moved, nothing was traded, too little was seen for an interval.
 */
import { Schema } from "effect"
import { EpochMs } from "./wire/Ids.ts"

const Value = Schema.NullOr(Schema.Finite)
const Share = Schema.Finite.pipe(Schema.between(0, 1))

/** A measure and its interval. */
export const Estimate = Schema.Struct({ value: Value, low: Value, high: Value })
export type Estimate = typeof Estimate.Type

/** The deepest fall from a peak. */
export const DeepestDrawdown = Schema.Struct({
  depth: Schema.Finite,
  peakAt: EpochMs,
  troughAt: EpochMs,
  /** When the peak was seen again. */
  recoveredAt: Schema.NullOr(EpochMs),
  fallBars: Schema.NonNegativeInt,
  recoveryBars: Schema.NullOr(Schema.NonNegativeInt)
})

/** How much the Sharpe ratio proves. */
export const SharpeEvidence = Schema.Struct({
  sharpePerBar: Schema.Finite,
  /** Annualised, like every ratio here that does not say otherwise. */
  benchmark: Schema.Finite,
  /** Probabilistic Sharpe ratio: that the true one is above the benchmark. */
  probability: Share,
  /** Bars from which this probability reaches the confidence; null where no number of bars would do. */
  minimumTrackRecordBars: Value,
  /** Where it is known of how many trials this is the best. */
  deflated: Schema.NullOr(
    Schema.Struct({
      trials: Schema.Finite,
      /** What the best of so many shows by luck alone. */
      expectedMaximum: Schema.Finite,
      /** Deflated Sharpe ratio: that the true one is above that. */
      probability: Share
    })
  )
})

/** A curve in a few numbers. */
export const CurveSummary = Schema.Struct({
  totalReturn: Schema.Finite,
  annualisedReturn: Value,
  volatility: Value,
  sharpe: Value,
  maximumDrawdown: Schema.Finite
})

export const Performance = Schema.Struct({
  from: EpochMs,
  to: EpochMs,
  /** Returns of bars that were measured. */
  bars: Schema.NonNegativeInt,
  barsPerYear: Schema.Finite,
  /** The account was worth nothing, and the curve ends there. */
  ruined: Schema.Boolean,
  intervals: Schema.Struct({
    confidence: Share,
    /** Bars that were drawn together; null where there are no intervals of the curve. */
    blockBars: Schema.NullOr(Schema.Int),
    /** Why there are none; empty where there are. */
    reason: Schema.String
  }),
  totalReturn: Estimate,
  annualisedReturn: Estimate,
  volatility: Estimate,
  sharpe: Estimate,
  sortino: Estimate,
  calmar: Estimate,
  maximumDrawdown: Estimate,
  skewness: Estimate,
  kurtosis: Estimate,
  drawdown: Schema.NullOr(DeepestDrawdown),
  /** The longest time below a peak. */
  underwaterBarsMax: Schema.NonNegativeInt,
  exposure: Schema.NullOr(Schema.Struct({ gross: Schema.Finite, net: Schema.Finite, timeInMarket: Share })),
  /** Bought and sold in a year, in multiples of the mean equity. */
  annualTurnover: Value,
  trades: Schema.Struct({
    count: Schema.NonNegativeInt,
    /** In quote units. */
    profit: Schema.Finite,
    hitRate: Estimate,
    profitFactor: Estimate
  }),
  evidence: Schema.NullOr(SharpeEvidence),
  /** The same decisions at multiples of the costs, rising. */
  costs: Schema.Array(Schema.Struct({ multiple: Schema.Finite, ...CurveSummary.fields })),
  baselines: Schema.Array(
    Schema.Struct({
      name: Schema.String,
      ...CurveSummary.fields,
      /** Mean return a year less that of the baseline, not compounded. */
      returnDifference: Estimate,
      sharpeDifference: Estimate
    })
  )
})
export type Performance = typeof Performance.Type
