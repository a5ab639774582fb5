/**
 * A training of a running agent as a trial: whoever looks at the best of many has to know of all of them (`Trials.ts`). What
 * was judged is entered once it has been, whether it is deployed or not; what was broken off before, nobody has chosen from.
 *
 * What can go wrong: the ledger cannot be written, or is full. That is told in the log, and the training counts as made.
 * Invariant: one training of one version is one trial, however often it is made again from the same bars.
 */
import { join } from "node:path"
import { Clock, Effect } from "effect"
import { type Trial, trialId } from "../../learning/evaluation/Trials.ts"
import type { Metric } from "../../protocols/Model.ts"
import { appendTrial } from "../backtest/TrialLedger.ts"
import type { Settings } from "../Settings.ts"
import type { Fitted } from "../voter/Learner.ts"

/** Beside the runs, of which retention keeps a few only; the command line and all nodes of a data directory share it. */
export const trialFolder = ({ node }: Pick<Settings, "node">): string => join(node.dataDirectory, "trials")

/** Scores that tell what a trial came to. */
const scores: ReadonlySet<string> = new Set([
  "log-loss",
  "base-log-loss",
  "linear-log-loss",
  "q-table-log-loss",
  "episode-reward",
  "success-rate"
])

const valueOf = (metrics: ReadonlyArray<Metric>, wanted: string): number =>
  metrics.find(({ name }) => name === wanted)?.value ?? 0

/**
 * It was judged by its forecasts, from the first as-of that was held out: there are no returns of it.
 * @param at epoch milliseconds
 */
export const trainingTrial = (
  { manifest }: Pick<Fitted, "manifest">,
  heldOutFrom: number,
  at: number
): Trial => {
  const { configuration, data, fittedAsOf, horizonBars, kind, metrics, seed, timeFrame } = manifest
  return {
    id: trialId({
      kind,
      configuration,
      features: manifest.features,
      horizonBars,
      seed,
      timeFrame
    }) as Trial["id"],
    kind,
    at,
    timeFrame,
    data: { from: heldOutFrom, to: fittedAsOf },
    sharpe: null,
    observations: valueOf(metrics, "held-out"),
    skewness: null,
    kurtosis: null,
    meta: [{ name: "rows", value: data.rows }, ...metrics.filter(({ name }) => scores.has(name))]
  }
}

/** Enters what was made of bars, judged from an as-of on. */
export type EnterTraining = (made: Pick<Fitted, "manifest">, heldOutFrom: number) => Effect.Effect<void>

export const enterTraining =
  (settings: Pick<Settings, "node">): EnterTraining =>
  (made, heldOutFrom) =>
    Effect.gen(function* () {
      const trial = trainingTrial(made, heldOutFrom, yield* Clock.currentTimeMillis)
      yield* appendTrial(trialFolder(settings), trial)
    }).pipe(
      Effect.catchAll(({ message }) =>
        Effect.logWarning(`A training of ${made.manifest.kind} was not entered as a trial: ${message}`)
      )
    )
