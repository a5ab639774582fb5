/**
 * Durable consumers for programs outside: made here, so that whoever may read by one needs no right to make any, and
 * cannot have a consumer push what it likes to a subject of its choice.
 */
import { Effect } from "effect"
import { AckPolicy, DeliverPolicy, nanos } from "nats"
import { journalSubject } from "../protocols/wire/Address.ts"
import type { RunId } from "../protocols/wire/Ids.ts"
import { NatsUnfit } from "./errors.ts"
import { streamName } from "./JetStreamJournal.ts"
import { NatsConnection } from "./NatsConnection.ts"

/** One record at a time keeps their order, also where one has to be delivered again. */
const inHandMax = 1
/** A record that has not been acknowledged for so long is delivered again. */
const ackWaitMs = 30_000

/** Makes the consumer, or finds it as it is. It begins with what the stream still has. */
export const offerConsumer = (options: {
  readonly run: RunId
  readonly stream: string
  readonly name: string
}) =>
  Effect.flatMap(NatsConnection, ({ address, manager }) =>
    Effect.tryPromise({
      try: () =>
        manager.consumers.add(streamName(options.run), {
          durable_name: options.name,
          filter_subject: journalSubject(options.run, options.stream),
          deliver_policy: DeliverPolicy.All,
          ack_policy: AckPolicy.Explicit,
          ack_wait: nanos(ackWaitMs),
          max_ack_pending: inHandMax
        }),
      catch: (cause) =>
        new NatsUnfit({
          url: address,
          reason: `the consumer ${options.name} cannot be made: ${String(cause)}`
        })
    })
  )
