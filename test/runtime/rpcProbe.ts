/** Calls to try the RPC over a bus with, a server and a client of them, and a bus that can fall silent. */
import { RpcGroup } from "@effect/rpc"
import { it } from "@effect/vitest"
import { Effect, Exit, Layer, Logger, Ref, Schedule, Schema, type Scope, Stream } from "effect"
import * as Address from "../../src/protocols/wire/Address.ts"
import { RunId } from "../../src/protocols/wire/Ids.ts"
import { call, streamingCall } from "../../src/protocols/wire/Rpc.ts"
import { Bus } from "../../src/runtime/Bus.ts"
import * as BusRpcClient from "../../src/runtime/BusRpcClient.ts"
import * as BusRpcServer from "../../src/runtime/BusRpcServer.ts"
import { DeadLetters } from "../../src/runtime/DeadLetters.ts"

export const run = RunId.make("test")

export class OddNumber extends Schema.TaggedError<OddNumber>()("OddNumber", { number: Schema.Int }) {}

export class Probe extends RpcGroup.make(
  call("Echo", { payload: { text: Schema.String }, success: Schema.String }),
  call("Halve", { payload: { number: Schema.Int }, success: Schema.Int, error: OddNumber }),
  call("Explode", { payload: {}, success: Schema.Void }),
  call("Hang", { payload: { name: Schema.String }, success: Schema.Void }),
  call("Big", { payload: { bytes: Schema.Int }, success: Schema.String }),
  streamingCall("Count", { payload: { to: Schema.Int, chunk: Schema.Int }, success: Schema.Int }),
  streamingCall("Forever", { payload: { name: Schema.String }, success: Schema.Int })
) {}

/** The same calls as a newer version of the program has them. */
export class NewerProbe extends RpcGroup.make(
  call("Echo", { payload: { text: Schema.String }, success: Schema.String }),
  call("Hang", { payload: { name: Schema.String }, success: Schema.Void }),
  call("Sing", { payload: {}, success: Schema.String }),
  streamingCall("Hum", { payload: {}, success: Schema.String })
) {}

/** Says the same words with another meaning: what a malformed request looks like. */
export class OtherProbe extends RpcGroup.make(
  call("Halve", { payload: { number: Schema.String }, success: Schema.Int }),
  call("Echo", { payload: { text: Schema.String }, success: Schema.Struct({ secret: Schema.Int }) }),
  streamingCall("Count", { payload: { to: Schema.String, chunk: Schema.Int }, success: Schema.Int })
) {}

export interface Server {
  readonly instance: string
  readonly started: Ref.Ref<ReadonlyArray<string>>
  readonly interrupted: Ref.Ref<ReadonlyArray<string>>
  readonly produced: Ref.Ref<number>
}

const handlers = (server: Server) => {
  const open = (name: string) =>
    Effect.acquireRelease(
      Ref.update(server.started, (names) => [...names, name]),
      (_, exit) =>
        Exit.isInterrupted(exit) ? Ref.update(server.interrupted, (names) => [...names, name]) : Effect.void
    )
  return Probe.toLayer({
    Echo: ({ text }) => Effect.succeed(text),
    Halve: ({ number }) => (number % 2 === 0 ? Effect.succeed(number / 2) : new OddNumber({ number })),
    Explode: () => Effect.die(new Error("the private detail")),
    Hang: ({ name }) => Effect.scoped(Effect.zipRight(open(name), Effect.never)),
    Big: ({ bytes }) => Effect.succeed("x".repeat(bytes)),
    Count: ({ to, chunk }) =>
      Stream.range(1, to, chunk).pipe(
        Stream.mapChunksEffect((values) =>
          Effect.as(
            Ref.update(server.produced, (n) => n + values.length),
            values
          )
        )
      ),
    Forever: ({ name }) =>
      Stream.unwrapScoped(Effect.as(open(name), Stream.repeatEffect(Effect.as(Effect.sleep("5 millis"), 1))))
  })
}

export const silentMaxMs = 400
export const every10Ms = Schedule.spaced("10 millis")

export const startServer = (instance: string, options?: { readonly inFlightMax?: number }) =>
  Effect.gen(function* () {
    const server: Server = {
      instance,
      started: yield* Ref.make<ReadonlyArray<string>>([]),
      interrupted: yield* Ref.make<ReadonlyArray<string>>([]),
      produced: yield* Ref.make(0)
    }
    yield* BusRpcServer.serve(Probe, {
      run,
      agent: "node",
      instance,
      owns: "all",
      silentMaxMs,
      ...options
    }).pipe(Effect.provide(handlers(server)))
    return server
  })

export const startClient = (options?: Partial<BusRpcClient.BusRpcClientOptions>) =>
  BusRpcClient.make(Probe, {
    run,
    address: Address.any("node"),
    deadlineMs: 2_000,
    pingEveryMs: 100,
    silentMaxMs,
    ...options
  })

/** A bus that can fall silent, as that of a process does that was killed or stopped. */
export const mutable = Effect.gen(function* () {
  const bus = yield* Bus
  let isMuted = false
  const wrapped = Bus.of({
    ...bus,
    publish: (subject, data, reply) => (isMuted ? Effect.void : bus.publish(subject, data, reply)),
    subscribe: (subject, onMessage, options) =>
      bus.subscribe(subject, (message) => (isMuted ? undefined : onMessage(message)), options)
  })
  return {
    layer: Layer.succeed(Bus, wrapped),
    mute: Effect.sync(() => {
      isMuted = true
    })
  }
})

export const until = <A>(ref: Ref.Ref<A>, predicate: (a: A) => boolean) =>
  Ref.get(ref).pipe(
    Effect.filterOrFail(predicate, () => "not yet" as const),
    Effect.retry({ schedule: every10Ms }),
    Effect.timeout("5 seconds"),
    Effect.orDie
  )

/** A sentence that is checked over a transport. */
export const checkOver = (transport: Layer.Layer<Bus, unknown>) => {
  const quiet = Logger.remove(Logger.defaultLogger)
  const layer = Layer.mergeAll(transport, DeadLetters.layerMemory(100), quiet)
  return (name: string, effect: Effect.Effect<void, unknown, Bus | DeadLetters | Scope.Scope>) =>
    it.scopedLive(name, () => Effect.provide(effect, layer))
}
