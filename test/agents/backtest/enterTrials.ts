/** A process that enters trials one after the other: `<folder> <kind> <how many>`; their numbers are their observations. */
import { Effect } from "effect"
import { appendTrial } from "../../../src/agents/backtest/TrialLedger.ts"
import { trialId } from "../../../src/learning/evaluation/Trials.ts"
import { TimeFrame } from "../../../src/protocols/TimeFrame.ts"

const [folder = "", kind = "", count = "0"] = process.argv.slice(2)

const entering = Effect.forEach(
  Array.from({ length: Number(count) }, (_, i) => i),
  (i) =>
    appendTrial(folder, {
      id: trialId({ kind, i }),
      kind,
      at: 1_700_000_000_000 + i,
      timeFrame: TimeFrame.make("1h"),
      data: { from: 0, to: 1 },
      sharpe: i / 7,
      observations: i,
      skewness: null,
      kurtosis: null,
      meta: Array.from({ length: 32 }, (_, k) => ({ name: `meta-${k}`, value: "x".repeat(200) }))
    }),
  { discard: true }
)

await Effect.runPromise(entering)
