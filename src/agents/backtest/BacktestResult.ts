/** What a backtest of the whole committee has come to, as columns over the as-ofs that were traded. */
import type { InstrumentId } from "../../protocols/Instrument.ts"
import type { Side } from "../../protocols/Opinion.ts"
import type { RunId } from "../../protocols/wire/Ids.ts"

/** Where a decision changed what is to be held. */
export interface TargetChange {
  /** Epoch milliseconds. */
  readonly asOf: number
  readonly action: Side
  /** Signed share of the equity. */
  readonly targetExposure: number
  readonly strategy: string
}

export interface InstrumentCourse {
  readonly instrument: InstrumentId
  /** Close times of its bars, epoch milliseconds. */
  readonly times: Float64Array
  readonly open: Float64Array
  readonly high: Float64Array
  readonly low: Float64Array
  readonly close: Float64Array
  readonly changes: ReadonlyArray<TargetChange>
  /** As-ofs of its decisions, and the weight that each member of the pool had in them. */
  readonly decidedAt: Float64Array
  readonly weights: ReadonlyArray<{ readonly member: string; readonly values: Float64Array }>
}

/** An equity curve: quote units at the closes of each as-of. */
export interface Curve {
  readonly name: string
  readonly equity: Float64Array
}

export interface BacktestResult {
  readonly run: RunId
  /** As-ofs that were traded, epoch milliseconds, and before them the last of the warm-up: where the curves begin. */
  readonly times: Float64Array
  readonly startingEquity: number
  /** The committee first, as it traded; then its decisions at other costs, then the baselines. */
  readonly curves: readonly [Curve, ...ReadonlyArray<Curve>]
  readonly instruments: ReadonlyArray<InstrumentCourse>
}
