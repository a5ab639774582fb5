/** What every transport of the bus has to do. Each suite runs the same sentences against its own layer. */
import { expect, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, type Layer, type Mailbox, type Scope } from "effect"
import { Bus, type Message, subscribeMailbox } from "../../src/runtime/Bus.ts"

const text = (message: Message) => Buffer.from(message.data).toString("utf8")
const bytes = (content: string) => Buffer.from(content, "utf8")

const collect = (subject: string, options?: { readonly queue?: string; readonly capacityMax?: number }) =>
  subscribeMailbox(subject, { capacityMax: 10_000, onDropped: () => undefined, ...options })

const take = (mailbox: Mailbox.ReadonlyMailbox<Message>) => Effect.timeout(mailbox.take, "5 seconds")

export const busConformance = (layer: Layer.Layer<Bus, unknown>) => {
  const check = (name: string, effect: Effect.Effect<void, unknown, Bus | Scope.Scope>) =>
    it.scopedLive(name, () => Effect.provide(effect, layer))

  check(
    "delivers messages of one publisher in their order",
    Effect.gen(function* () {
      const bus = yield* Bus
      const inbox = yield* collect("order.a")
      for (let i = 0; i < 500; i++) yield* bus.publish("order.a", bytes(String(i)))
      const received: Array<string> = []
      while (received.length < 500) received.push(text(yield* take(inbox)))
      expect(received).toEqual(Array.from({ length: 500 }, (_, i) => String(i)))
    })
  )

  check(
    "delivers to every subscription, and to one of a queue group",
    Effect.gen(function* () {
      const bus = yield* Bus
      const first = yield* collect("fan.out")
      const second = yield* collect("fan.out")
      const workers = [yield* collect("fan.out", { queue: "w" }), yield* collect("fan.out", { queue: "w" })]
      const others = yield* collect("fan.out", { queue: "other" })
      for (let i = 0; i < 40; i++) yield* bus.publish("fan.out", bytes(String(i)))
      yield* bus.publish("fan.out", bytes("end"))
      const drain = (mailbox: Mailbox.ReadonlyMailbox<Message>, count: number) =>
        Effect.forEach(Array.from({ length: count }), () => take(mailbox))
      yield* drain(first, 41)
      yield* drain(second, 41)
      yield* drain(others, 41)
      let inGroup = 0
      while (inGroup < 41) {
        for (const worker of workers) inGroup += (yield* worker.clear).length
        yield* Effect.sleep("1 millis")
      }
      expect(inGroup).toBe(41)
    })
  )

  check(
    "matches one token by '*' and the rest by '>'",
    Effect.gen(function* () {
      const bus = yield* Bus
      const one = yield* collect("wild.*.end")
      const rest = yield* collect("wild.>")
      for (const subject of ["wild.a.end", "wild.a.b.end", "wild.b.end", "wild"]) {
        yield* bus.publish(subject, bytes(subject))
      }
      yield* bus.publish("wild.last.end", bytes("wild.last.end"))
      const seen = [text(yield* take(one)), text(yield* take(one)), text(yield* take(one))]
      expect(seen).toEqual(["wild.a.end", "wild.b.end", "wild.last.end"])
      const all = yield* Effect.forEach([1, 2, 3, 4], () => take(rest))
      expect(all.map(text)).toEqual(["wild.a.end", "wild.a.b.end", "wild.b.end", "wild.last.end"])
    })
  )

  check(
    "says so on the reply subject when nobody listens",
    Effect.gen(function* () {
      const bus = yield* Bus
      const inbox = yield* bus.newInbox
      const replies = yield* collect(`${inbox}.*`)
      yield* bus.publish("nobody.here", bytes("?"), `${inbox}.1`)
      const reply = yield* take(replies)
      expect(reply.noResponders).toBe(true)
      expect(reply.subject).toBe(`${inbox}.1`)
    })
  )

  check(
    "carries the reply subject, so that a request can be answered",
    Effect.gen(function* () {
      const bus = yield* Bus
      const requests = yield* collect("service.echo", { queue: "service" })
      const inbox = yield* bus.newInbox
      const replies = yield* collect(`${inbox}.*`)
      yield* bus.publish("service.echo", bytes("hello"), `${inbox}.7`)
      const request = yield* take(requests)
      yield* bus.publish(request.reply as string, request.data)
      const reply = yield* take(replies)
      expect([reply.subject, text(reply), reply.noResponders]).toEqual([`${inbox}.7`, "hello", false])
    })
  )

  check(
    "refuses a message above the size limit and carries one just below it",
    Effect.gen(function* () {
      const bus = yield* Bus
      const inbox = yield* collect("size.test")
      const error = yield* Effect.flip(bus.publish("size.test", new Uint8Array(bus.payloadBytesMax + 1)))
      expect(error._tag).toBe("PayloadTooLarge")
      yield* bus.publish("size.test", new Uint8Array(bus.payloadBytesMax))
      expect((yield* take(inbox)).data.byteLength).toBe(bus.payloadBytesMax)
    })
  )

  check(
    "stops delivering when the subscription's scope closes",
    Effect.gen(function* () {
      const bus = yield* Bus
      const witness = yield* collect("closing.sub")
      let heard = 0
      const ready = yield* Deferred.make<void>()
      const fiber = yield* Effect.fork(
        Effect.scoped(
          Effect.gen(function* () {
            yield* bus.subscribe("closing.sub", () => {
              heard++
            })
            yield* Deferred.succeed(ready, undefined)
            return yield* Effect.never
          })
        )
      )
      yield* Deferred.await(ready)
      yield* bus.publish("closing.sub", bytes("1"))
      yield* take(witness)
      yield* bus.flush
      yield* Fiber.interrupt(fiber)
      yield* bus.publish("closing.sub", bytes("2"))
      yield* take(witness)
      yield* bus.flush
      expect(heard).toBe(1)
    })
  )

  check(
    "drops and counts what a slow subscriber has no room for, and serves the others",
    Effect.gen(function* () {
      const bus = yield* Bus
      let dropped = 0
      const slow = yield* subscribeMailbox("slow.sub", { capacityMax: 10, onDropped: () => dropped++ })
      const quick = yield* collect("slow.sub")
      for (let i = 0; i < 100; i++) yield* bus.publish("slow.sub", bytes(String(i)))
      yield* Effect.forEach(Array.from({ length: 100 }), () => take(quick))
      yield* bus.flush
      expect(dropped).toBe(90)
      expect((yield* slow.clear).length).toBe(10)
    })
  )
}
