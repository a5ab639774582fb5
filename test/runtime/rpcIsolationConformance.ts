/**
 * What one call may not do to another over the bus, and what a vanished peer may not leave behind: the traps of
 * putting a transport of one's own under `@effect/rpc`, whichever it is.
 */
import { expect } from "@effect/vitest"
import { Chunk, Deferred, Effect, Exit, Fiber, type Layer, Ref, Scope, Stream } from "effect"
import * as Address from "../../src/protocols/wire/Address.ts"
import { Bus } from "../../src/runtime/Bus.ts"
import * as BusRpcClient from "../../src/runtime/BusRpcClient.ts"
import { DeadLetters } from "../../src/runtime/DeadLetters.ts"
import {
  checkOver,
  mutable,
  NewerProbe,
  OtherProbe,
  run,
  startClient,
  startServer,
  until
} from "./rpcProbe.ts"

export const rpcIsolationConformance = (transport: Layer.Layer<Bus, unknown>) => {
  const check = checkOver(transport)

  check(
    "leaves streams alone when a defect fails a call, and calls alone when one fails a stream",
    Effect.gen(function* () {
      const server = yield* startServer("a")
      const client = yield* startClient({ deadlineMs: 20_000 })
      const got = yield* Deferred.make<void>()
      const streaming = yield* client.Forever({ name: "stream" }).pipe(
        Stream.tap(() => Deferred.succeed(got, undefined)),
        Stream.runDrain,
        Effect.fork
      )
      const hanging = yield* Effect.fork(client.Hang({ name: "call" }))
      yield* Deferred.await(got)
      yield* until(server.started, (names) => names.length === 2)
      yield* Effect.forEach([1, 2, 3], () => Effect.flip(client.Explode({})), { concurrency: "unbounded" })
      expect(yield* Stream.runCount(client.Count({ to: 100, chunk: 10 }))).toBe(100)
      expect([streaming.unsafePoll(), hanging.unsafePoll()]).toEqual([null, null])
      yield* Effect.forEach([streaming, hanging], Fiber.interrupt)
    })
  )

  check(
    "leaves calls in flight alone when another is unknown to the server, answered once or by a stream",
    Effect.gen(function* () {
      const server = yield* startServer("a")
      const newer = yield* BusRpcClient.make(NewerProbe, {
        run,
        address: Address.any("node"),
        deadlineMs: 20_000
      })
      const hanging = yield* Effect.fork(newer.Hang({ name: "bystander" }))
      yield* until(server.started, (names) => names.length === 1)
      const hummed = yield* Effect.flip(Stream.runDrain(newer.Hum({})))
      const sung = yield* Effect.flip(newer.Sing({}))
      expect([hummed, sung].map(({ _tag, call }) => [_tag, call])).toEqual([
        ["UnknownCall", "Hum"],
        ["UnknownCall", "Sing"]
      ])
      expect(yield* newer.Echo({ text: "still here" })).toBe("still here")
      expect(hanging.unsafePoll()).toBeNull()
      yield* Fiber.interrupt(hanging)
    })
  )

  check(
    "leaves calls in flight alone when another finds nobody there any more",
    Effect.gen(function* () {
      const process = yield* mutable
      const scope = yield* Scope.make()
      const server = yield* Effect.provide(Scope.extend(startServer("a"), scope), process.layer)
      const client = yield* startClient({ deadlineMs: 20_000 })
      const hanging = yield* Effect.fork(client.Hang({ name: "bystander" }))
      yield* until(server.started, (names) => names.length === 1)
      // Gone without a word, as a process that was killed.
      yield* process.mute
      yield* Scope.close(scope, Exit.void)
      yield* (yield* Bus).flush
      const errors = yield* Effect.forEach([1, 2, 3], () => Effect.flip(client.Echo({ text: "?" })), {
        concurrency: "unbounded"
      })
      expect(errors.map(({ _tag }) => _tag)).toEqual([
        "AgentUnreachable",
        "AgentUnreachable",
        "AgentUnreachable"
      ])
      expect(hanging.unsafePoll()).toBeNull()
      yield* Fiber.interrupt(hanging)
    })
  )

  check(
    "answers a stream's request that does not decode without giving the schema away",
    Effect.gen(function* () {
      yield* startServer("a")
      const other = yield* BusRpcClient.make(OtherProbe, { run, address: Address.any("node") })
      const error = yield* Effect.flip(Stream.runDrain(other.Count({ to: "private words", chunk: 1 })))
      expect(error._tag).toBe("BadRequest")
      for (const word of ["private words", "Expected", "number", "Schema"]) {
        expect(JSON.stringify(error)).not.toContain(word)
      }
      const [letter] = yield* (yield* DeadLetters).latest(1)
      expect(letter?.reason).toContain("number")
    })
  )

  check(
    "keeps a client usable for as long as the scope that it was made in, though its bus was provided to it alone",
    Effect.gen(function* () {
      yield* startServer("a")
      const { layer } = yield* mutable
      const client = yield* Effect.provide(startClient(), layer)
      for (let i = 0; i < 3; i++) {
        expect(yield* client.Echo({ text: `${i}` })).toBe(`${i}`)
        const counted = yield* Stream.runCollect(client.Count({ to: 3, chunk: 1 }))
        expect(Chunk.toReadonlyArray(counted)).toEqual([1, 2, 3])
      }
    })
  )

  check(
    "forgets a client that has vanished: nothing that it began is left running",
    Effect.gen(function* () {
      const server = yield* startServer("a")
      const process = yield* mutable
      const client = yield* Effect.provide(startClient({ deadlineMs: 300 }), process.layer)
      const names = ["one", "two", "three"]
      const calls = yield* Effect.forEach(names, (name) => Effect.fork(client.Hang({ name })))
      const streams = yield* Effect.forEach(names, (name) =>
        Effect.fork(Stream.runDrain(client.Forever({ name: `stream ${name}` })))
      )
      yield* until(server.started, (all) => all.length === 6)
      yield* process.mute
      yield* until(server.interrupted, (all) => all.length === 6)
      expect([...(yield* Ref.get(server.interrupted))].sort()).toEqual(
        [...names, ...names.map((name) => `stream ${name}`)].sort()
      )
      yield* Effect.forEach([...calls, ...streams], Fiber.interrupt)
    })
  )

  check(
    "takes an answer for nothing that comes to another call or inbox than it is for",
    Effect.gen(function* () {
      const bus = yield* Bus
      const replies: Array<string> = []
      yield* bus.subscribe(Address.subjectOf(run, Address.any("node")), (message) => {
        if (message.reply !== undefined) replies.push(message.reply)
      })
      const server = yield* startServer("a")
      const client = yield* startClient({ deadlineMs: 20_000 })
      const hanging = yield* Effect.fork(client.Hang({ name: "target" }))
      yield* until(server.started, (names) => names.length === 1)
      const [reply = ""] = replies
      const id = reply.split(".").at(-1) as string
      const exit = (requestId: string, instance: string) =>
        Buffer.from(
          JSON.stringify({ _tag: "Exit", requestId, exit: { _tag: "Success", value: null }, instance })
        )
      yield* bus.publish(reply, exit(`${Number(id) + 1}`, "a"))
      yield* bus.publish(`${reply}9`, exit(id, "a"))
      yield* bus.publish(reply.replace(/\.\d+$/, ".999"), exit(id, "a"))
      yield* bus.flush
      expect(yield* client.Echo({ text: "unharmed" })).toBe("unharmed")
      expect(hanging.unsafePoll()).toBeNull()
      yield* Fiber.interrupt(hanging)
    })
  )
}
