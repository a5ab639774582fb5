import { RpcGroup } from "@effect/rpc"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Option, Schema, Stream, Tracer } from "effect"
import * as Address from "../../src/protocols/wire/Address.ts"
import { RunId } from "../../src/protocols/wire/Ids.ts"
import { call, streamingCall } from "../../src/protocols/wire/Rpc.ts"
import { parseTraceparent, rootTraceparent } from "../../src/protocols/wire/Trace.ts"
import type { Bus } from "../../src/runtime/Bus.ts"
import * as BusRpcClient from "../../src/runtime/BusRpcClient.ts"
import * as BusRpcServer from "../../src/runtime/BusRpcServer.ts"
import { DeadLetters } from "../../src/runtime/DeadLetters.ts"
import * as InProcessBus from "../../src/runtime/InProcessBus.ts"
import { inTrace } from "../../src/runtime/tracing.ts"
import { natsBus } from "../support/nats.ts"

const run = RunId.make("test")

class Probe extends RpcGroup.make(
  call("Whose", { payload: {}, success: Schema.String }),
  streamingCall("WhoseAgain", { payload: {}, success: Schema.String })
) {}

/** The trace id that is in force. */
const traceId = Effect.map(
  Effect.option(Effect.currentSpan),
  Option.match({ onNone: () => "none", onSome: (span) => span.traceId })
)

const handlers = Probe.toLayer({
  Whose: () => traceId,
  WhoseAgain: () => Stream.fromEffect(traceId)
})

/** Ids of all spans by trace, as a tracer is told of them. */
const recorded = Effect.map(Effect.tracer, (native) => {
  const spans: Array<Tracer.Span> = []
  const tracer = Tracer.make({
    context: native.context,
    span: (...args) => {
      const span = native.span(...args)
      spans.push(span)
      return span
    }
  })
  return { spans, layer: Layer.setTracer(tracer) }
})

const client = (tracing: boolean) =>
  Effect.gen(function* () {
    yield* BusRpcServer.serve(Probe, { run, agent: "node", instance: "a", tracing }).pipe(
      Effect.provide(handlers)
    )
    return yield* BusRpcClient.make(Probe, { run, address: Address.any("node"), tracing })
  })

const suite = (bus: Layer.Layer<Bus, unknown>) => {
  const layer = Layer.merge(bus, DeadLetters.layerMemory(10))
  const root = rootTraceparent("run", 1)
  const { spanId, traceId: expected } = parseTraceparent(root)

  it.scopedLive("goes with a call from the event that caused it to the handler", () =>
    Effect.gen(function* () {
      const { layer: tracer, spans } = yield* recorded
      const answer = yield* Effect.gen(function* () {
        const probe = yield* client(true)
        return yield* inTrace(true, "round", root)(probe.Whose({}))
      }).pipe(Effect.provide(tracer))
      expect(answer).toBe(expected)
      const ofTrace = spans.filter((span) => span.traceId === expected)
      expect(ofTrace.map(({ name }) => name)).toEqual(["round", "RpcClient.Whose", "RpcServer.Whose"])
      const parents = ofTrace.map(({ parent }) => Option.getOrThrow(parent).spanId)
      expect(parents).toEqual([spanId, ofTrace[0]?.spanId, ofTrace[1]?.spanId])
    }).pipe(Effect.provide(layer))
  )

  it.scopedLive("goes with a stream in the same way", () =>
    Effect.gen(function* () {
      const probe = yield* client(true)
      const answers = yield* inTrace(true, "round", root)(Stream.runCollect(probe.WhoseAgain({})))
      expect([...answers]).toEqual([expected])
    }).pipe(Effect.provide(layer))
  )

  it.scopedLive("keeps two calls apart that are made at the same time", () =>
    Effect.gen(function* () {
      const probe = yield* client(true)
      const roots = Array.from({ length: 20 }, (_, i) => rootTraceparent("run", i))
      const answers = yield* Effect.forEach(roots, (one) => inTrace(true, "round", one)(probe.Whose({})), {
        concurrency: "unbounded"
      })
      expect(answers).toEqual(roots.map((one) => parseTraceparent(one).traceId))
    }).pipe(Effect.provide(layer))
  )

  it.scopedLive("is left out, and no span is made, where tracing is off", () =>
    Effect.gen(function* () {
      const { layer: tracer, spans } = yield* recorded
      const answer = yield* Effect.gen(function* () {
        const probe = yield* client(false)
        return yield* inTrace(false, "round", root)(probe.Whose({}))
      }).pipe(Effect.provide(tracer))
      expect(answer).toBe("none")
      expect(spans.filter(({ name }) => name === "round" || name.startsWith("Rpc"))).toEqual([])
    }).pipe(Effect.provide(layer))
  )
}

describe("a trace, within a process", () => {
  suite(InProcessBus.layer)
})

describe("a trace, over NATS", () => {
  suite(natsBus)
})
