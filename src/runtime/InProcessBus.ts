/**
 * The bus within one process, for a node that runs everything itself. It carries encoded bytes under the same
 * limits as a server would.
 */
import { Effect, Layer } from "effect"
import { Limits } from "../protocols/wire/Limits.ts"
import { Bus, type Message, matches } from "./Bus.ts"
import { PayloadTooLarge } from "./errors.ts"

interface Subscriber {
  readonly pattern: ReadonlyArray<string>
  readonly queue: string | undefined
  readonly onMessage: (message: Message) => void
}

interface Route {
  /** Everyone outside queue groups. */
  readonly all: ReadonlyArray<Subscriber>
  readonly queues: ReadonlyArray<{ readonly members: ReadonlyArray<Subscriber>; next: number }>
}

/** Resolved routes kept; beyond this the cache starts anew. */
const routesMax = 4_096
/** Every call has a reply subject of its own below this: their routes are not worth keeping. */
const inboxPrefix = "_INBOX."
let instances = 0

const make = (payloadBytesMax: number): Context => {
  const subscribers = new Set<Subscriber>()
  let routes = new Map<string, Route>()
  let inboxes = 0
  const instance = ++instances

  const route = (subject: string): Route => {
    const cached = routes.get(subject)
    if (cached !== undefined) return cached
    const tokens = subject.split(".")
    const all: Array<Subscriber> = []
    const queues = new Map<string, Array<Subscriber>>()
    for (const subscriber of subscribers) {
      if (!matches(subscriber.pattern, tokens)) continue
      if (subscriber.queue === undefined) all.push(subscriber)
      else queues.set(subscriber.queue, [...(queues.get(subscriber.queue) ?? []), subscriber])
    }
    const resolved: Route = { all, queues: [...queues.values()].map((members) => ({ members, next: 0 })) }
    if (subject.startsWith(inboxPrefix)) return resolved
    if (routes.size >= routesMax) routes = new Map()
    routes.set(subject, resolved)
    return resolved
  }

  const deliver = (message: Message): boolean => {
    const { all, queues } = route(message.subject)
    for (const subscriber of all) subscriber.onMessage(message)
    for (const queue of queues) {
      const member = queue.members[queue.next % queue.members.length] as Subscriber
      queue.next = (queue.next + 1) % queue.members.length
      member.onMessage(message)
    }
    return all.length + queues.length > 0
  }

  return {
    transport: "in-process",
    detail: "within this process",
    payloadBytesMax,
    publish: (subject, data, reply) =>
      Effect.suspend(() => {
        if (data.byteLength > payloadBytesMax) {
          return new PayloadTooLarge({ subject, bytes: data.byteLength, bytesMax: payloadBytesMax })
        }
        if (!deliver({ subject, data, reply, noResponders: false }) && reply !== undefined) {
          deliver({ subject: reply, data: new Uint8Array(0), reply: undefined, noResponders: true })
        }
        return Effect.void
      }),
    subscribe: (subject, onMessage, options) =>
      Effect.asVoid(
        Effect.acquireRelease(
          Effect.sync(() => {
            const subscriber: Subscriber = { pattern: subject.split("."), queue: options?.queue, onMessage }
            subscribers.add(subscriber)
            routes = new Map()
            return subscriber
          }),
          (subscriber) =>
            Effect.sync(() => {
              subscribers.delete(subscriber)
              routes = new Map()
            })
        )
      ),
    newInbox: Effect.sync(() => `${inboxPrefix}${instance}-${++inboxes}`),
    flush: Effect.void
  }
}

type Context = typeof Bus.Service

export const layer: Layer.Layer<Bus> = Layer.sync(Bus, () => make(Limits.payloadBytesMax))
