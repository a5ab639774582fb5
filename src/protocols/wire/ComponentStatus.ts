/** What a supervision tree says about itself. */
import { Schema } from "effect"
import { Identifier, Reason } from "./Ids.ts"

/** One life of a supervised component; every component of a node goes through the same states. */
export const ComponentState = Schema.Literal(
  "waiting",
  "starting",
  "standby",
  "running",
  "backing-off",
  "stopping",
  "stopped",
  "failed"
)
export type ComponentState = typeof ComponentState.Type

export const MailboxStatus = Schema.Struct({
  waiting: Schema.NonNegativeInt,
  capacity: Schema.NonNegativeInt,
  refused: Schema.NonNegativeInt
})

export interface ComponentStatus {
  readonly name: string
  readonly state: ComponentState
  readonly restarts: number
  readonly lastFailure: string | null
  readonly detail: string | null
  readonly mailbox: typeof MailboxStatus.Type | null
  readonly children: ReadonlyArray<ComponentStatus>
}

const statusFields = {
  name: Identifier,
  state: ComponentState,
  restarts: Schema.NonNegativeInt,
  lastFailure: Schema.NullOr(Reason),
  detail: Schema.NullOr(Reason),
  mailbox: Schema.NullOr(MailboxStatus)
}

/** A branch of the supervision tree. Its depth is bounded by the JSON that carries it. */
export const ComponentStatus: Schema.Schema<ComponentStatus> = Schema.Struct({
  ...statusFields,
  children: Schema.Array(Schema.suspend((): Schema.Schema<ComponentStatus> => ComponentStatus))
})
