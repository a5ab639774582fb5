/**
 * The bus: bytes on subjects, to every subscriber or to one of a queue group, with a reply subject. It is
 * what NATS offers and no more, so that one suite holds every transport to the same behaviour:
 *
 * - messages of one publisher arrive in their order on one subscription;
 * - a message published with a reply subject to nobody comes back as `noResponders` on that subject;
 * - nothing is larger than `payloadBytesMax`; what waits to be sent is bounded and refused beyond that;
 * - delivery is at most once: what must not be lost goes to the journal.
 */
import { Context, Effect, Mailbox, type Scope } from "effect"
import type { BusDisconnected, BusError } from "./errors.ts"

export interface Message {
  readonly subject: string
  readonly data: Uint8Array
  readonly reply: string | undefined
  /** Sent by the bus itself on a reply subject: nobody listens where the request went. */
  readonly noResponders: boolean
}

export interface SubscribeOptions {
  /** Of all subscriptions with the same queue name, one gets each message. */
  readonly queue?: string
}

export class Bus extends Context.Tag("conclave/Bus")<
  Bus,
  {
    readonly transport: "in-process" | "nats"
    /** For people: where the bus is. */
    readonly detail: string
    readonly payloadBytesMax: number
    readonly publish: (subject: string, data: Uint8Array, reply?: string) => Effect.Effect<void, BusError>
    /**
     * Calls `onMessage` for every message until the scope closes. It runs on the bus's own turn: it must
     * neither block nor throw, and bounds what it keeps. `*` stands for one token, a final `>` for the rest.
     */
    readonly subscribe: (
      subject: string,
      onMessage: (message: Message) => void,
      options?: SubscribeOptions
    ) => Effect.Effect<void, BusDisconnected, Scope.Scope>
    /** A fresh subject prefix that only this bus's owner listens on. */
    readonly newInbox: Effect.Effect<string>
    /** Returns when everything published so far has reached the server. */
    readonly flush: Effect.Effect<void, BusError>
  }
>() {}

/** A subscription as a bounded mailbox: what does not fit is dropped, and `onDropped` told. */
export const subscribeMailbox = Effect.fnUntraced(function* (
  subject: string,
  options: SubscribeOptions & { readonly capacityMax: number; readonly onDropped: () => void }
) {
  const bus = yield* Bus
  const mailbox = yield* Effect.acquireRelease(
    Mailbox.make<Message>({ capacity: options.capacityMax, strategy: "dropping" }),
    (mailbox) => mailbox.shutdown
  )
  yield* bus.subscribe(
    subject,
    (message) => {
      if (!mailbox.unsafeOffer(message)) options.onDropped()
    },
    options
  )
  return mailbox as Mailbox.ReadonlyMailbox<Message>
})

/** Whether a subject matches a pattern with NATS's wildcards; both given as their tokens. */
export const matches = (pattern: ReadonlyArray<string>, subject: ReadonlyArray<string>): boolean => {
  for (let i = 0; i < pattern.length; i++) {
    const want = pattern[i]
    if (want === ">") return subject.length > i
    if (i >= subject.length || (want !== "*" && want !== subject[i])) return false
  }
  return pattern.length === subject.length
}
