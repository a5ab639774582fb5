/** Of a closed round, what the streams read; the rest of each decision is not decoded. */
import { Schema } from "effect"
import { DecisionKey, MaturedOutcome, RoundClosed } from "../../protocols/Decision.ts"
import { Probabilities } from "../../protocols/Opinion.ts"
import * as EventType from "../../protocols/wire/EventType.ts"

export const RoundForStreams = EventType.make({
  type: RoundClosed.type,
  version: RoundClosed.version,
  upcasters: RoundClosed.upcasters,
  schema: Schema.Struct({
    barsSequence: Schema.NonNegativeInt,
    part: Schema.NonNegativeInt,
    parts: Schema.NonNegativeInt,
    outcomes: Schema.Array(MaturedOutcome),
    decisions: Schema.Array(
      Schema.Struct({
        key: DecisionKey,
        pooled: Probabilities,
        calibrated: Probabilities,
        degraded: Schema.NullOr(Schema.String),
        inputs: Schema.Struct({ baseRate: Schema.Struct({ probabilities: Probabilities }) })
      })
    )
  })
})
export type RoundForStreams = EventType.EventOf<typeof RoundForStreams>
