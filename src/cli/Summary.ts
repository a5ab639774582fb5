/** What a run has come to, asked of the agents that know. */
import { Effect, type Scope } from "effect"
import { callAgent, type NodeContext } from "../agents/NodeContext.ts"
import { BrokerRpcs } from "../protocols/rpc/BrokerRpcs.ts"
import { MarketDataRpcs } from "../protocols/rpc/MarketDataRpcs.ts"
import { OrchestratorRpcs } from "../protocols/rpc/OrchestratorRpcs.ts"
import type { CallError } from "../protocols/wire/errors.ts"
import type { RunId } from "../protocols/wire/Ids.ts"
import type { Bus } from "../runtime/Bus.ts"
import type { BusDisconnected } from "../runtime/errors.ts"
import { money, signedPercent } from "./format.ts"

export interface Summary {
  readonly type: "summary"
  readonly run: RunId
  readonly barsRead: number
  readonly rowsRefused: number
  readonly gaps: number
  readonly barsMissing: number
  readonly decisions: number
  readonly abstentions: number
  readonly degraded: number
  readonly fills: number
  readonly fees: number
  readonly turnover: number
  readonly startingEquity: number
  readonly finalEquity: number
  readonly buyAndHoldEquity: number
  readonly ledgerDigest: string
  /** The one field that is not the same in a repetition. */
  readonly wallTimeMs: number
}

export const summarise = (
  run: RunId,
  wallTimeMs: number
): Effect.Effect<Summary, CallError | BusDisconnected, Bus | NodeContext | Scope.Scope> =>
  Effect.gen(function* () {
    const feed = yield* Effect.flatMap(callAgent(MarketDataRpcs, "market-data"), (client) => client.Feed({}))
    const standing = yield* Effect.flatMap(callAgent(OrchestratorRpcs, "orchestrator"), (client) =>
      client.Standing({})
    )
    const account = yield* Effect.flatMap(callAgent(BrokerRpcs, "broker"), (client) =>
      client.Account({ barsSequence: 0 })
    )
    return {
      type: "summary",
      run,
      barsRead: feed.barsRead,
      rowsRefused: feed.rowsRefused,
      gaps: feed.gaps,
      barsMissing: feed.barsMissing,
      decisions: standing.decisions,
      abstentions: standing.abstentions,
      degraded: standing.degraded,
      fills: account.fills,
      fees: account.fees,
      turnover: account.turnover,
      startingEquity: account.startingCash,
      finalEquity: account.equity,
      buyAndHoldEquity: feed.buyAndHoldEquity ?? account.startingCash,
      ledgerDigest: account.digest,
      wallTimeMs
    }
  })

export const renderSummary = (summary: Summary): string => {
  const gain = (equity: number) => signedPercent(equity / summary.startingEquity - 1)
  const rows: ReadonlyArray<ReadonlyArray<string>> = [
    ["run", summary.run],
    ["bars read", String(summary.barsRead)],
    ["rows refused", String(summary.rowsRefused)],
    ["gaps", `${summary.gaps} (${summary.barsMissing} bars)`],
    ["decisions", `${summary.decisions} (${summary.degraded} degraded, ${summary.abstentions} abstentions)`],
    ["fills", `${summary.fills} (turnover ${money(summary.turnover)}, fees ${money(summary.fees)})`],
    ["final equity", `${money(summary.finalEquity)} (${gain(summary.finalEquity)})`],
    ["buy and hold", `${money(summary.buyAndHoldEquity)} (${gain(summary.buyAndHoldEquity)})`],
    ["wall time", `${(summary.wallTimeMs / 1_000).toFixed(1)} s`]
  ]
  const width = Math.max(...rows.map(([name = ""]) => name.length)) + 1
  return rows.map(([name, value]) => `${`${name}:`.padEnd(width)}  ${value}`).join("\n")
}
