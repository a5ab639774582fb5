/**
 * Who may act for a role. A lease is held by one process at a time, and every acquisition has a higher epoch
 * than all before it: what the holder writes bears the epoch, and the journal refuses lower ones, so that a
 * holder which does not know that it has been replaced can do no harm.
 */
import { Context, type Effect, type Scope } from "effect"
import type { Epoch } from "../protocols/wire/Ids.ts"
import type { LeaseLost, LeaseUnavailable } from "./errors.ts"

export interface Lease {
  readonly name: string
  readonly epoch: Epoch
  /** Fails once the lease is no longer held; never succeeds. */
  readonly lost: Effect.Effect<never, LeaseLost>
}

export class Leases extends Context.Tag("conclave/Leases")<
  Leases,
  {
    /** Waits until the lease is free, holds it while the scope is open, and gives it back. */
    readonly acquire: (name: string) => Effect.Effect<Lease, LeaseUnavailable, Scope.Scope>
  }
>() {}
