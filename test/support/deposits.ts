/** A small event type and two folds of it, for the tests of what folds streams. */
import { Effect, Schema } from "effect"
import * as EventType from "../../src/protocols/wire/EventType.ts"
import { epochZero, RunId, type Sequence } from "../../src/protocols/wire/Ids.ts"
import { contentHash } from "../../src/protocols/wire/Json.ts"
import { rootTraceparent } from "../../src/protocols/wire/Trace.ts"
import type { FoldDefinition } from "../../src/runtime/Fold.ts"
import { Journal } from "../../src/runtime/Journal.ts"

export const run = RunId.make("test")

export const Deposited = EventType.make({
  type: "deposited",
  version: 1,
  schema: Schema.Struct({ amount: Schema.Int })
})

/** The same event as a later version of the program writes it, in cents. */
export const DepositedLater = EventType.make({
  type: "deposited",
  version: 2,
  schema: Schema.Struct({ cents: Schema.Int }),
  upcasters: { 1: (payload) => ({ cents: (payload as { readonly amount: number }).amount * 100 }) }
})

export const Closed = EventType.make({ type: "closed", version: 1, schema: Schema.Struct({}) })

const header = (id: string) => ({
  id,
  run,
  source: "test",
  occurredAt: 1,
  knownAt: 1,
  correlation: "",
  causation: "",
  traceparent: rootTraceparent(id),
  epoch: epochZero
})

export const deposit = (id: string, amount: number) => ({ ...header(id), payload: { amount } })

/** Of the order of events too: two orders have two digests. */
export interface Balance {
  readonly total: number
  readonly digest: string
}

export const emptyBalance: Balance = { total: 0, digest: "" }

export const add = (balance: Balance, id: string, amount: number): Balance => ({
  total: balance.total + amount,
  digest: contentHash([balance.digest, id, amount])
})

type Types = readonly [typeof Deposited]

export const balanceFold = (
  options: Partial<Pick<FoldDefinition<Balance, Balance, Types>, "version" | "snapshotEvery" | "name">> = {}
): FoldDefinition<Balance, Balance, Types> => ({
  name: "balance",
  version: 1,
  stream: "account",
  events: [Deposited],
  initial: emptyBalance,
  evolve: (balance, event) => add(balance, event.id, event.payload.amount),
  snapshot: Schema.Struct({ total: Schema.Int, digest: Schema.String }),
  snapshotEvery: 3,
  ...options
})

/** Appends bytes at the end of the stream, as its writer of epoch 0. */
export const appendBytes = (id: string, data: Uint8Array, stream = "account") =>
  Effect.gen(function* () {
    const journal = yield* Journal
    const expected: Sequence = yield* journal.last(stream)
    return yield* journal.append({ stream, expected, epoch: epochZero, id, data })
  })

export const appendDeposit = (id: string, amount: number) =>
  appendBytes(id, EventType.encode(Deposited, deposit(id, amount)))

export const appendDepositLater = (id: string, cents: number) =>
  appendBytes(id, EventType.encode(DepositedLater, { ...header(id), payload: { cents } }))

export const appendClosed = (id: string) =>
  appendBytes(id, EventType.encode(Closed, { ...header(id), payload: {} }))
