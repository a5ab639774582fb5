/**
 * Calls of a voter's group against raw request and reply of the `nats` library with the same payloads: one question
 * out, opinions back. Server and client are processes of their own, tracing is off, and windows are interleaved.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { Effect, Layer, Redacted } from "effect"
import { connect } from "nats"
import type { Opinion, Question } from "../src/protocols/Opinion.ts"
import { VoterRpcs } from "../src/protocols/rpc/VoterRpcs.ts"
import * as Address from "../src/protocols/wire/Address.ts"
import { RunId } from "../src/protocols/wire/Ids.ts"
import * as BusRpcClient from "../src/runtime/BusRpcClient.ts"
import * as BusRpcServer from "../src/runtime/BusRpcServer.ts"
import { DeadLetters } from "../src/runtime/DeadLetters.ts"
import * as InProcessBus from "../src/runtime/InProcessBus.ts"
import * as NatsBus from "../src/runtime/NatsBus.ts"
import * as NatsConnection from "../src/runtime/NatsConnection.ts"
import { natsServer } from "../test/support/natsServer.ts"
import { type Bench, line, median, print, quantile, ratio, spread } from "./support/report.ts"

const run = RunId.make("bench")
const agent = "deep-learning" as const
const rawSubject = "bench.raw"
const inFlight = 64

const question = {
  instrument: "sim:ALPHA:spot",
  timeFrame: "1m",
  asOf: 1_767_225_600_000,
  horizonBars: 4,
  band: 0.0021250000000000002,
  roundTripCost: 0.0014,
  sigma: 0.0042731283
} as unknown as Question

const opinion = {
  _tag: "Opinion",
  voter: "deep-learning",
  instrument: "sim:ALPHA:spot",
  probabilities: { sell: 0.21398104773, hold: 0.47810023116, buy: 0.30791872111 },
  expectedReturn: 0.00038117248,
  spread: 0.00418812237,
  reason: "linear: expected 3.8 bp over 4 bars",
  modelVersion: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
  standIn: "none"
} as unknown as Opinion

const request = { questions: [question], model: "active" as const }
const answers = [opinion, opinion, opinion]
const requestBytes = Buffer.from(JSON.stringify(request))
const answerBytes = Buffer.from(JSON.stringify(answers))

const noLetters = Layer.succeed(DeadLetters, {
  record: () => Effect.void,
  unsafeRecord: () => undefined,
  latest: () => Effect.succeed([]),
  count: Effect.succeed(0)
})

const serve = BusRpcServer.serve(VoterRpcs, {
  run,
  agent,
  branch: "rpc",
  instance: "bench",
  owns: "all",
  tracing: false
}).pipe(
  Effect.provide(VoterRpcs.toLayer({ Opine: () => Effect.succeed(answers) })),
  Effect.provide(noLetters)
)

const natsBus = (url: string) =>
  NatsBus.layer.pipe(
    Layer.provideMerge(
      NatsConnection.layer({ url: Redacted.make(url), name: "bench", connectTimeoutMs: 5_000 })
    )
  )

/** The other process: answers calls and raw requests until its standard input ends. */
export const peer = (url: string): Promise<void> =>
  Effect.gen(function* () {
    const context = yield* Layer.build(natsBus(url))
    yield* Effect.provide(serve, context)
    const raw = yield* Effect.promise(() => connect({ servers: url }))
    raw.subscribe(rawSubject, {
      queue: "bench",
      callback: (_error, message) => void message.respond(answerBytes)
    })
    yield* Effect.promise(() => raw.flush())
    process.stdout.write("ready\n")
    yield* Effect.promise(() => once(process.stdin.resume(), "end"))
    yield* Effect.promise(() => raw.close())
  }).pipe(Effect.scoped, Effect.runPromise)

/** Calls in a window of some milliseconds, so many at a time; returns calls a second. */
const rawWindow = async (call: () => Promise<unknown>, atATime: number, windowMs: number) => {
  const begin = performance.now()
  let calls = 0
  const one = async () => {
    while (performance.now() - begin < windowMs) {
      await call()
      calls++
    }
  }
  await Promise.all(Array.from({ length: atATime }, one))
  return calls / ((performance.now() - begin) / 1_000)
}

const rpcWindow = (call: Effect.Effect<unknown, unknown>, atATime: number, windowMs: number) =>
  Effect.suspend(() => {
    const begin = performance.now()
    let calls = 0
    const one = Effect.whileLoop({
      while: () => performance.now() - begin < windowMs,
      body: () => call,
      step: () => {
        calls++
      }
    })
    return Effect.map(
      Effect.all(
        Array.from({ length: atATime }, () => one),
        { concurrency: "unbounded", discard: true }
      ),
      () => calls / ((performance.now() - begin) / 1_000)
    )
  })

const latencies = (call: Effect.Effect<unknown, unknown>, count: number) =>
  Effect.gen(function* () {
    const taken: Array<number> = []
    for (let i = 0; i < count; i++) {
      const begin = performance.now()
      yield* call
      taken.push(performance.now() - begin)
    }
    return taken
  })

const clientOf = BusRpcClient.make(VoterRpcs, { run, address: Address.any(agent), tracing: false })

export const rpc: Bench = {
  name: "rpc",
  run: ({ smoke }) =>
    Effect.gen(function* () {
      const windows = smoke ? 2 : 9
      const windowMs = smoke ? 150 : 1_500
      const server = yield* natsServer
      const child = yield* Effect.acquireRelease(
        Effect.sync(() =>
          spawn(process.execPath, [fileURLToPath(import.meta.url), "rpc-peer", server.url], {
            stdio: ["pipe", "pipe", "inherit"]
          })
        ),
        (spawned) =>
          Effect.promise(async () => {
            spawned.stdin.end()
            if (spawned.exitCode === null) await once(spawned, "exit")
          })
      )
      yield* Effect.promise(() => once(createInterface({ input: child.stdout }), "line"))
      const raw = yield* Effect.promise(() => connect({ servers: server.url }))
      const overNats = yield* Layer.build(natsBus(server.url))
      const remote = yield* Effect.provide(clientOf, overNats)
      const within = yield* Layer.build(InProcessBus.layer)
      yield* Effect.provide(serve, within)
      const local = yield* Effect.provide(clientOf, within)
      const callRaw = () => raw.request(rawSubject, requestBytes, { timeout: 5_000 })

      const rates: { raw: Array<number>; remote: Array<number>; local: Array<number> } = {
        raw: [],
        remote: [],
        local: []
      }
      for (let i = -1; i < windows; i++) {
        const measured = {
          raw: yield* Effect.promise(() => rawWindow(callRaw, inFlight, windowMs)),
          remote: yield* rpcWindow(remote.Opine(request), inFlight, windowMs),
          local: yield* rpcWindow(local.Opine(request), inFlight, windowMs)
        }
        // The first windows warm everything up.
        if (i < 0) continue
        rates.raw.push(measured.raw)
        rates.remote.push(measured.remote)
        rates.local.push(measured.local)
      }
      print(
        `rpc: ${requestBytes.length} bytes out, ${answerBytes.length} back, ${inFlight} in flight, ${windows} windows of ${windowMs} ms`
      )
      line("raw nats request and reply", spread(rates.raw, "calls/s"))
      line("RPC over NATS", spread(rates.remote, "calls/s"))
      line("RPC in process", spread(rates.local, "calls/s"))
      line("over NATS / raw", spread(ratio(rates.remote, rates.raw), ""), "aim 0.35, floor 0.25")
      line("in process / raw", spread(ratio(rates.local, rates.raw), ""))
      const count = smoke ? 50 : 2_000
      const one = {
        raw: yield* latencies(Effect.promise(callRaw), count),
        remote: yield* latencies(remote.Opine(request), count),
        local: yield* latencies(local.Opine(request), count)
      }
      for (const [label, taken] of [
        ["raw, one in flight", one.raw],
        ["RPC over NATS, one in flight", one.remote],
        ["RPC in process, one in flight", one.local]
      ] as const) {
        line(label, `p50 ${median(taken).toFixed(3)} ms, p99 ${quantile(taken, 0.99).toFixed(3)} ms`)
      }
      yield* Effect.promise(() => raw.close())
    }).pipe(Effect.scoped, Effect.runPromise)
}
