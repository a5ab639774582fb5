/**
 * Whether training delays answers: a running system with an LSTM of the mission's size is asked for one prediction after
 * the other at a fixed rate, with and without the training of another such LSTM beside it, in turns. Over NATS, from
 * outside; latency counts from when a request was due. Two cores, one of which a training may take.
 */
import { Effect, Fiber, Layer, Redacted, Schedule, Stream } from "effect"
import { DeepLearningControlRpcs, DeepLearningRpcs } from "../src/protocols/rpc/DeepLearningRpcs.ts"
import { MarketDataRpcs } from "../src/protocols/rpc/MarketDataRpcs.ts"
import * as Address from "../src/protocols/wire/Address.ts"
import { RunId } from "../src/protocols/wire/Ids.ts"
import * as BusRpcClient from "../src/runtime/BusRpcClient.ts"
import * as NatsBus from "../src/runtime/NatsBus.ts"
import * as NatsConnection from "../src/runtime/NatsConnection.ts"
import { natsServer } from "../test/support/natsServer.ts"
import { startConclave } from "./support/conclave.ts"
import { type Bench, line, print, quantile, spread } from "./support/report.ts"

const run = RunId.make("bench-training-load")
const everyMs = 50
/** So many that each is asked once for a bar: what was asked before is remembered, and would not be run. */
const instruments = 40
/** The published figure to stay under: p99 with training over p99 without. */
const ratioMax = 3

export const trainingLoad: Bench = {
  name: "training-load",
  run: ({ root, smoke }) =>
    Effect.gen(function* () {
      const windows = smoke ? 1 : 5
      const asksPerWindow = smoke ? 40 : 300
      const history = 700
      const server = yield* natsServer
      const running = startConclave(root, [
        ...[
          "--nats",
          server.url,
          "--run",
          run,
          "--speed",
          "60x",
          "--time-frame",
          "1m",
          "--instruments",
          `${instruments}`
        ],
        ...["--market-data.history", `${history}`, "--deep-learning.train", "never"],
        ...["--deep-learning.train-bars-max", smoke ? "250" : "500"],
        // One after the other for as long as it is measured.
        ...["--deep-learning.train-epochs", smoke ? "1" : "2", "--models.provider", "cpu"],
        ...(smoke ? ["--deep-learning.lstm-hidden-size", "32"] : [])
      ])
      yield* Effect.addFinalizer(() => Effect.promise(running.stop))
      const bus = yield* Layer.build(
        NatsBus.layer.pipe(
          Layer.provideMerge(
            NatsConnection.layer({ url: Redacted.make(server.url), name: "bench", connectTimeoutMs: 5_000 })
          )
        )
      )
      const connect = Effect.gen(function* () {
        const address = Address.any("deep-learning")
        return {
          feed: yield* BusRpcClient.make(MarketDataRpcs, { run, address: Address.any("market-data") }),
          agent: yield* BusRpcClient.make(DeepLearningRpcs, { run, address, tracing: false }),
          control: yield* BusRpcClient.make(DeepLearningControlRpcs, {
            run,
            address: Address.any("deep-learning", "control")
          })
        }
      })
      const { agent, control, feed } = yield* Effect.provide(connect, bus)
      yield* feed.Feed({}).pipe(
        Effect.filterOrFail(({ phase }) => phase === "trading"),
        Effect.retry(Schedule.spaced("200 millis")),
        Effect.raceFirst(Effect.promise(() => running.failed))
      )
      print("training-load: predictions of an LSTM at a fixed rate, with and without a training beside them")
      const training = Stream.runDrain(control.Train({ model: "lstm" }))
      yield* training

      const listed = yield* feed.Instruments({})
      const ask = (number: number, dueAt: number) =>
        Effect.map(
          agent.Predict({ instruments: [listed[number % instruments]?.id as string], model: "lstm" }),
          ([prediction]) => {
            if (prediction?.answer._tag !== "Opinion") throw new Error(JSON.stringify(prediction))
            return performance.now() - dueAt
          }
        )
      const window = Effect.gen(function* () {
        const begin = performance.now()
        const asked: Array<Fiber.RuntimeFiber<number, unknown>> = []
        for (let i = 0; i < asksPerWindow; i++) {
          const dueAt = begin + i * everyMs
          yield* Effect.sleep(Math.max(0, dueAt - performance.now()))
          asked.push(yield* Effect.fork(ask(i, dueAt)))
        }
        return yield* Effect.forEach(asked, (fiber) => Fiber.join(fiber))
      })
      /** Training goes on, again and again, for as long as the window. */
      const beside = Effect.gen(function* () {
        const busy = yield* Effect.fork(Effect.forever(training))
        const taken = yield* window
        yield* Fiber.interrupt(busy)
        // The process that trains has gone when another can be begun.
        yield* Effect.sleep("1 second")
        return taken
      })
      const alone: Array<ReadonlyArray<number>> = []
      const loaded: Array<ReadonlyArray<number>> = []
      for (let i = 0; i < windows; i++) {
        alone.push(yield* window)
        loaded.push(yield* beside)
      }
      const p99 = (all: ReadonlyArray<ReadonlyArray<number>>) => all.map((one) => quantile(one, 0.99))
      const p50 = (all: ReadonlyArray<ReadonlyArray<number>>) => all.map((one) => quantile(one, 0.5))
      line("alone, p50", spread(p50(alone), "ms"))
      line("  p99", spread(p99(alone), "ms"))
      line("while training, p50", spread(p50(loaded), "ms"))
      line("  p99", spread(p99(loaded), "ms"))
      const ratios = p99(loaded).map((value, i) => value / (p99(alone)[i] as number))
      line("p99 while training over p99 alone", spread(ratios, "x"), `aim below ${ratioMax}`)
    }).pipe(Effect.scoped, Effect.runPromise)
}
