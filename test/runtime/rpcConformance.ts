/** What `@effect/rpc` has to do over the bus, whichever transport carries it. */
import { expect } from "@effect/vitest"
import { Chunk, Deferred, Effect, Fiber, type Layer, Ref, Stream } from "effect"
import * as Address from "../../src/protocols/wire/Address.ts"
import { Bus } from "../../src/runtime/Bus.ts"
import * as BusRpcClient from "../../src/runtime/BusRpcClient.ts"
import { DeadLetters } from "../../src/runtime/DeadLetters.ts"
import {
  checkOver,
  every10Ms,
  mutable,
  NewerProbe,
  OddNumber,
  OtherProbe,
  run,
  type Server,
  silentMaxMs,
  startClient,
  startServer,
  until
} from "./rpcProbe.ts"

export const rpcConformance = (transport: Layer.Layer<Bus, unknown>) => {
  const check = checkOver(transport)

  check(
    "answers calls, typed failures included, and keeps the client usable",
    Effect.gen(function* () {
      yield* startServer("a")
      const client = yield* startClient()
      expect(yield* client.Echo({ text: "hello" })).toBe("hello")
      expect(yield* client.Halve({ number: 42 })).toBe(21)
      const error = yield* Effect.flip(client.Halve({ number: 7 }))
      expect(error).toBeInstanceOf(OddNumber)
      expect((error as OddNumber).number).toBe(7)
      const many = yield* Effect.forEach(
        Array.from({ length: 300 }, (_, i) => i),
        (i) => client.Echo({ text: `${i}` }),
        { concurrency: 64 }
      )
      expect(many).toEqual(Array.from({ length: 300 }, (_, i) => `${i}`))
    })
  )

  check(
    "sends bytes, not objects: what arrives has been through JSON",
    Effect.gen(function* () {
      const bus = yield* Bus
      const seen: Array<string> = []
      yield* bus.subscribe("conclave.v1.test.>", (message) =>
        seen.push(Buffer.from(message.data).toString("utf8"))
      )
      yield* startServer("a")
      const client = yield* startClient()
      yield* client.Echo({ text: "visible" })
      expect(seen.some((text) => (JSON.parse(text) as { payload: unknown }).payload !== undefined)).toBe(true)
    })
  )

  check(
    "lets a defect fail its own call and no other, and keeps its text here",
    Effect.gen(function* () {
      const server = yield* startServer("a")
      const client = yield* startClient()
      const hanging = yield* Effect.fork(client.Hang({ name: "bystander" }))
      yield* until(server.started, (names) => names.length === 1)
      const errors = yield* Effect.forEach(
        Array.from({ length: 10 }),
        () => Effect.flip(client.Explode({})),
        { concurrency: "unbounded" }
      )
      for (const error of errors) {
        expect(error._tag).toBe("InternalError")
        expect(JSON.stringify(error)).not.toContain("private detail")
      }
      expect(yield* client.Echo({ text: "still here" })).toBe("still here")
      expect(hanging.unsafePoll()).toBeNull()
      yield* Fiber.interrupt(hanging)
    })
  )

  check(
    "refuses an unknown call by name and leaves the other calls alone",
    Effect.gen(function* () {
      yield* startServer("a")
      const newer = yield* BusRpcClient.make(NewerProbe, { run, address: Address.any("node") })
      const error = yield* Effect.flip(newer.Sing({}))
      expect([error._tag, error.call]).toEqual(["UnknownCall", "Sing"])
      const both = yield* Effect.all([newer.Echo({ text: "x" }), Effect.flip(newer.Sing({}))], {
        concurrency: 2
      })
      expect([both[0], both[1]._tag]).toEqual(["x", "UnknownCall"])
    })
  )

  check(
    "answers a request that does not decode without giving the schema away, and keeps it as a dead letter",
    Effect.gen(function* () {
      yield* startServer("a")
      const other = yield* BusRpcClient.make(OtherProbe, { run, address: Address.any("node") })
      const error = yield* Effect.flip(other.Halve({ number: "many" }))
      expect(error._tag).toBe("BadRequest")
      expect(JSON.stringify(error)).not.toContain("many")
      const [letter] = yield* (yield* DeadLetters).latest(1)
      expect(letter?.reason).toContain("number")
    })
  )

  check(
    "turns an answer that does not decode into a typed error of that call",
    Effect.gen(function* () {
      yield* startServer("a")
      const other = yield* BusRpcClient.make(OtherProbe, { run, address: Address.any("node") })
      const error = yield* Effect.flip(other.Echo({ text: "not a struct" }))
      expect(error._tag).toBe("InternalError")
    })
  )

  check(
    "keeps malformed, oversized-depth and prototype-poisoning messages away from the agent",
    Effect.gen(function* () {
      const bus = yield* Bus
      yield* startServer("a")
      const client = yield* startClient()
      const subject = Address.subjectOf(run, Address.any("node"))
      const evil = [
        "",
        "{",
        "[1,2]",
        `${"[".repeat(5_000)}${"]".repeat(5_000)}`,
        `{"_tag":"Request","id":"1","tag":"Echo","client":"_INBOX.x","headers":[],"payload":{"__proto__":{"isAdmin":true}}}`,
        `{"_tag":"Request","id":"not a number","tag":"Echo","client":"_INBOX.x","headers":[],"payload":{}}`,
        `{"_tag":"Interrupt","client":"_INBOX.x"}`,
        `{"_tag":"Nonsense","client":"_INBOX.x"}`
      ]
      for (const text of evil) yield* bus.publish(subject, Buffer.from(text), "_INBOX.x.1")
      yield* bus.flush
      expect(yield* client.Echo({ text: "alive" })).toBe("alive")
      expect(yield* (yield* DeadLetters).count).toBe(evil.length)
      expect(({} as { isAdmin?: boolean }).isAdmin).toBeUndefined()
    })
  )

  check(
    "answers nowhere but in an inbox",
    Effect.gen(function* () {
      yield* startServer("a")
      const client = yield* startClient()
      const bus = yield* Bus
      const subject = Address.subjectOf(run, Address.any("node"))
      const heard: Array<string> = []
      yield* bus.subscribe(`conclave.v1.${run}.control.>`, (message) => void heard.push(message.subject))
      const request = Buffer.from(
        `{"_tag":"Request","id":"1","tag":"Echo","client":"_INBOX.x","headers":[],"payload":{"text":"x"}}`
      )
      const control = `conclave.v1.${run}.control.broker`
      yield* bus.publish(subject, request, `${control}.any`)
      yield* bus.publish(subject, request, control)
      yield* bus.flush
      expect(yield* client.Echo({ text: "alive" })).toBe("alive")
      yield* bus.flush
      expect(yield* (yield* DeadLetters).count).toBe(2)
      expect(heard).toEqual([])
    })
  )

  check(
    "takes an interruption to the instance that has the call, and to no other",
    Effect.gen(function* () {
      const servers = [yield* startServer("a"), yield* startServer("b")]
      const client = yield* startClient({ deadlineMs: 20_000 })
      const names = Array.from({ length: 20 }, (_, i) => `call-${i}`)
      const fibers = yield* Effect.forEach(names, (name) => Effect.fork(client.Hang({ name })))
      const seen = Effect.map(
        Effect.all(servers.map((server) => Ref.get(server.started))),
        (started) => started.flat().length
      )
      yield* seen.pipe(
        Effect.filterOrFail((n) => n === 20),
        Effect.retry({ schedule: every10Ms }),
        Effect.timeout("5 seconds")
      )
      const half = fibers.filter((_, i) => i % 2 === 0)
      yield* Effect.forEach(half, Fiber.interrupt, { concurrency: "unbounded" })
      const interrupted = Effect.map(
        Effect.all(servers.map((server) => Ref.get(server.interrupted))),
        (all) => all.flat().sort()
      )
      yield* interrupted.pipe(
        Effect.filterOrFail((all) => all.length >= 10),
        Effect.retry({ schedule: every10Ms }),
        Effect.timeout("5 seconds")
      )
      expect(yield* interrupted).toEqual(names.filter((_, i) => i % 2 === 0).sort())
      yield* Effect.forEach(fibers, Fiber.interrupt, { concurrency: "unbounded" })
    })
  )

  check(
    "says at once that nobody serves, for that call alone",
    Effect.gen(function* () {
      const client = yield* startClient({ deadlineMs: 10_000 })
      const before = performance.now()
      const error = yield* Effect.flip(client.Echo({ text: "?" }))
      expect(error._tag).toBe("AgentUnreachable")
      expect(performance.now() - before).toBeLessThan(5_000)
    })
  )

  check(
    "ends a call at its deadline, on both sides",
    Effect.gen(function* () {
      const server = yield* startServer("a")
      const client = yield* startClient()
      const error = yield* Effect.flip(client.Hang({ name: "late" }).pipe(BusRpcClient.withDeadline(100)))
      expect(error._tag).toBe("DeadlineExceeded")
      yield* until(server.interrupted, (names) => names.includes("late"))
    })
  )

  check(
    "gives a call back when the server vanishes in the middle of it",
    Effect.gen(function* () {
      const process = yield* mutable
      const server = yield* Effect.provide(startServer("a"), process.layer)
      const client = yield* startClient({ deadlineMs: 500 })
      const fiber = yield* Effect.fork(Effect.flip(client.Hang({ name: "orphan" })))
      yield* until(server.started, (names) => names.length === 1)
      yield* process.mute
      expect((yield* Fiber.join(fiber))._tag).toBe("DeadlineExceeded")
    })
  )

  check(
    "ends a stream with a typed error when its server vanishes, and stays connected to a silent one that lives",
    Effect.gen(function* () {
      const process = yield* mutable
      yield* Effect.provide(startServer("a"), process.layer)
      const client = yield* startClient()
      const got = yield* Deferred.make<void>()
      const fiber = yield* client.Forever({ name: "s" }).pipe(
        Stream.tap(() => Deferred.succeed(got, undefined)),
        Stream.runDrain,
        Effect.flip,
        Effect.fork
      )
      yield* Deferred.await(got)
      yield* Effect.sleep(silentMaxMs * 2)
      expect(fiber.unsafePoll()).toBeNull()
      yield* process.mute
      expect((yield* Fiber.join(fiber))._tag).toBe("PeerLost")
    })
  )

  check(
    "interrupts the streams of a client that vanishes",
    Effect.gen(function* () {
      const server = yield* startServer("a")
      const process = yield* mutable
      const client = yield* Effect.provide(startClient(), process.layer)
      const fiber = yield* Effect.fork(Stream.runDrain(client.Forever({ name: "leaky" })))
      yield* until(server.started, (names) => names.length === 1)
      yield* process.mute
      yield* until(server.interrupted, (names) => names.includes("leaky"))
      yield* Fiber.interrupt(fiber)
    })
  )

  check(
    "streams in chunks, completely and in order",
    Effect.gen(function* () {
      yield* startServer("a")
      const client = yield* startClient()
      const all = yield* Stream.runCollect(client.Count({ to: 5_000, chunk: 250 }))
      expect(Chunk.toReadonlyArray(all)).toEqual(Array.from({ length: 5_000 }, (_, i) => i + 1))
    })
  )

  check(
    "holds a fast producer back to the pace of a slow consumer",
    Effect.gen(function* () {
      const server = yield* startServer("a")
      const client = yield* startClient()
      yield* client.Count({ to: 100_000, chunk: 10 }).pipe(
        Stream.take(50),
        Stream.mapEffect((n) => Effect.as(Effect.sleep("2 millis"), n)),
        Stream.runDrain
      )
      expect(yield* Ref.get(server.produced)).toBeLessThan(200)
    })
  )

  check(
    "interrupts the producer when the consumer has enough",
    Effect.gen(function* () {
      const server = yield* startServer("a")
      const client = yield* startClient()
      yield* client.Forever({ name: "enough" }).pipe(Stream.take(3), Stream.runDrain)
      yield* until(server.interrupted, (names) => names.includes("enough"))
    })
  )

  check(
    "refuses what is beyond the number of calls in flight",
    Effect.gen(function* () {
      const server = yield* startServer("a", { inFlightMax: 3 })
      const client = yield* startClient({ deadlineMs: 20_000 })
      const fibers = yield* Effect.forEach(["1", "2", "3"], (name) => Effect.fork(client.Hang({ name })))
      yield* until(server.started, (names) => names.length === 3)
      const error = yield* Effect.flip(client.Echo({ text: "one too many" }))
      expect(error._tag).toBe("Overloaded")
      yield* Effect.forEach(fibers, Fiber.interrupt, { concurrency: "unbounded" })
      yield* until(server.interrupted, (names) => names.length === 3)
      const again = yield* client
        .Echo({ text: "now" })
        .pipe(Effect.retry({ schedule: every10Ms, times: 100 }))
      expect(again).toBe("now")
    })
  )

  check(
    "answers with an error when the answer is larger than a message may be",
    Effect.gen(function* () {
      yield* startServer("a")
      const client = yield* startClient()
      const error = yield* Effect.flip(client.Big({ bytes: 2 * 1024 * 1024 }))
      expect(error._tag).toBe("InternalError")
      const own = yield* Effect.flip(client.Echo({ text: "x".repeat(2 * 1024 * 1024) }))
      expect(own._tag).toBe("BusUnavailable")
    })
  )

  check(
    "reaches the owner of a partition and a named instance",
    Effect.gen(function* () {
      yield* startServer("a")
      const owner = yield* startClient({ address: Address.owner("node", 17) })
      expect(yield* owner.Echo({ text: "owner" })).toBe("owner")
      const named = yield* startClient({ address: Address.instance("node", "a") })
      expect(yield* named.Echo({ text: "instance" })).toBe("instance")
      const missing = yield* startClient({ address: Address.instance("node", "z") })
      expect((yield* Effect.flip(missing.Echo({ text: "?" })))._tag).toBe("AgentUnreachable")
    })
  )

  check(
    "tells callers that a server which shuts down is stopping, without interrupting them",
    Effect.gen(function* () {
      const client = yield* startClient({ deadlineMs: 5_000 })
      const started = yield* Deferred.make<Server>()
      const server = yield* Effect.fork(
        Effect.scoped(
          Effect.gen(function* () {
            yield* Deferred.succeed(started, yield* startServer("a"))
            return yield* Effect.never
          })
        )
      )
      const running = yield* Deferred.await(started)
      const fiber = yield* Effect.fork(Effect.flip(client.Hang({ name: "cut" })))
      yield* until(running.started, (names) => names.length === 1)
      yield* Fiber.interrupt(server)
      expect((yield* Fiber.join(fiber))._tag).toBe("AgentUnavailable")
    })
  )
}
