/** The paper broker: what it holds, the barrier of lock-step, and the kill switch, which needs the operator. */
import { RpcGroup } from "@effect/rpc"
import { Schema } from "effect"
import { AccountSnapshot } from "../Account.ts"
import { StorageFailed } from "../errors.ts"
import { EpochMs, Reason } from "../wire/Ids.ts"
import { call } from "../wire/Rpc.ts"

/** The account, once the bars at the given position (0 for none) have been applied. */
export const Account = call("Account", {
  payload: { barsSequence: Schema.NonNegativeInt },
  success: AccountSnapshot
})

/** Waits until bars and decisions up to the given positions have been applied and committed. */
export const SettleAccount = call("SettleAccount", {
  payload: { barsSequence: Schema.NonNegativeInt, decisionsSequence: Schema.NonNegativeInt },
  success: Schema.Struct({ asOf: Schema.NullOr(EpochMs), fills: Schema.NonNegativeInt })
})

export class BrokerRpcs extends RpcGroup.make(Account, SettleAccount) {}

export const StopReport = Schema.Struct({
  /** `flat` after a re-read of the positions; `flattening` while orders wait for the next bar. */
  state: Schema.Literal("flat", "flattening", "latched, not flat"),
  cancelled: Schema.NonNegativeInt,
  positions: Schema.NonNegativeInt,
  asOf: Schema.NullOr(EpochMs)
})
export type StopReport = typeof StopReport.Type

/** Latches the kill switch, cancels what is pending, flattens. Repeating a command id changes nothing. */
export const EmergencyStop = call("EmergencyStop", {
  payload: { command: Schema.String.pipe(Schema.minLength(8), Schema.maxLength(64)), reason: Reason },
  success: StopReport,
  error: StorageFailed
})

/** Takes the kill switch off; trading resumes with the next decision. */
export const ReleaseStop = call("ReleaseStop", {
  payload: { command: Schema.String.pipe(Schema.minLength(8), Schema.maxLength(64)), reason: Reason },
  success: Schema.Struct({ wasLatched: Schema.Boolean }),
  error: StorageFailed
})

/** Served on the `control` branch. */
export class BrokerControlRpcs extends RpcGroup.make(EmergencyStop, ReleaseStop) {}
