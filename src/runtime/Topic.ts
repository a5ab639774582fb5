/**
 * Typed publish and subscribe: events for whoever listens now. What must not be lost is in the journal; a topic
 * is how plain subscribers hear of it. What does not decode becomes a dead letter, what a subscriber has no room
 * for is dropped and counted.
 */
import { Effect, Either, Mailbox, Metric, MetricLabel, Option, Stream } from "effect"
import { topicSubject } from "../protocols/wire/Address.ts"
import * as EventType from "../protocols/wire/EventType.ts"
import type { RunId } from "../protocols/wire/Ids.ts"
import { Bus, subscribeMailbox } from "./Bus.ts"
import { DeadLetters } from "./DeadLetters.ts"

export interface Topic<Type extends string, A> {
  readonly name: string
  readonly eventType: EventType.EventType<Type, A>
}

export const make = <Type extends string, A>(
  name: string,
  eventType: EventType.EventType<Type, A>
): Topic<Type, A> => ({ name, eventType })

/** Events that subscribers had no room for, by topic. */
export const droppedEvents = Metric.counter("dropped-events", { incremental: true })

/** Publishes an event, under the token of what it is about if there is one. */
export const publish = <Type extends string, A>(
  topic: Topic<Type, A>,
  event: Omit<EventType.Event<Type, A>, "type" | "version">,
  token?: string
) =>
  Effect.flatMap(Bus, (bus) =>
    bus.publish(topicSubject(event.run, topic.name, token), EventType.encode(topic.eventType, event))
  )

/** What is published on the topic from now on, under any token. */
export const subscribe = <Type extends string, A>(
  topic: Topic<Type, A>,
  options: { readonly run: RunId; readonly capacityMax: number }
) =>
  Effect.gen(function* () {
    const letters = yield* DeadLetters
    const decode = EventType.decoder([topic.eventType as EventType.AnyEventType])
    const label = [MetricLabel.make("topic", topic.name)]
    const onDropped = () => droppedEvents.unsafeUpdate(1, label)
    const mailboxOf = (subject: string) =>
      subscribeMailbox(subject, { capacityMax: options.capacityMax, onDropped })
    const plain = yield* mailboxOf(topicSubject(options.run, topic.name))
    const tokens = yield* mailboxOf(topicSubject(options.run, topic.name, "*"))
    const messages = Stream.merge(Mailbox.toStream(plain), Mailbox.toStream(tokens))
    return Stream.filterMapEffect(messages, (message) => {
      const decoded = decode(message.data)
      if (Either.isRight(decoded))
        return Option.some(Effect.succeed(decoded.right as EventType.Event<Type, A>))
      const { reason } = decoded.left
      letters.unsafeRecord({
        consumer: `topic.${topic.name}`,
        subject: message.subject,
        reason,
        data: message.data
      })
      return Option.none()
    })
  })
