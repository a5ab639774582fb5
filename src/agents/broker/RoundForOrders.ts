/** Of a closed round, what the broker acts on; the rest of each decision is not its concern and not decoded. */
import { Schema } from "effect"
import { DecisionId, DecisionKey, RoundClosed, Strategy } from "../../protocols/Decision.ts"
import * as EventType from "../../protocols/wire/EventType.ts"
import { EpochMs } from "../../protocols/wire/Ids.ts"

export const RoundForOrders = EventType.make({
  type: RoundClosed.type,
  version: RoundClosed.version,
  upcasters: RoundClosed.upcasters,
  schema: Schema.Struct({
    asOf: EpochMs,
    decisions: Schema.Array(
      Schema.Struct({
        id: DecisionId,
        key: DecisionKey,
        strategy: Strategy,
        targetExposure: Schema.Finite
      })
    )
  })
})
