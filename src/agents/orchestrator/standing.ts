/** Where the committee stands, as people read it. */
import type { InstrumentState, OrchestratorState } from "../../protocols/rpc/OrchestratorRpcs.ts"
import { type Committee, type CommitteeOptions, standingOf } from "./Committee.ts"
import { baseRateOf, type MarketView } from "./MarketView.ts"

export const instrumentStates = (
  view: MarketView,
  committee: Committee,
  options: CommitteeOptions
): OrchestratorState => ({
  asOf: view.asOf,
  rounds: committee.rounds,
  decisions: committee.decisions,
  abstentions: committee.abstentions,
  degraded: committee.degraded,
  instruments: view.instruments.map((known): InstrumentState => {
    const standing = standingOf(committee, known.instrument, options)
    const { outcomes } = standing
    return {
      instrument: known.instrument,
      price: known.close,
      bars: known.bars,
      outcomes,
      baseRate: baseRateOf(known).probabilities,
      weights: options.members.map((member, i) => ({ member, weight: standing.weights[i] ?? 0 })),
      evidence: standing.evidence.logOdds,
      logLoss: outcomes === 0 ? null : standing.logLoss / outcomes,
      baseLogLoss: outcomes === 0 ? null : standing.baseLogLoss / outcomes,
      latest: standing.latest
    }
  })
})
