/**
 * Opinions of a running voter: a system with 100 instruments fits its models, then one request after the other asks
 * about all of them over NATS. Beside it onnxruntime alone, in this process, on the artefact that serves and a batch of
 * the same shape.
 */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { Effect, Layer, Redacted, Schedule } from "effect"
import { InferenceSession, Tensor } from "onnxruntime-node"
import type { Question } from "../src/protocols/Opinion.ts"
import { MarketDataRpcs } from "../src/protocols/rpc/MarketDataRpcs.ts"
import { VoterRpcs } from "../src/protocols/rpc/VoterRpcs.ts"
import * as Address from "../src/protocols/wire/Address.ts"
import { RunId } from "../src/protocols/wire/Ids.ts"
import * as BusRpcClient from "../src/runtime/BusRpcClient.ts"
import * as NatsBus from "../src/runtime/NatsBus.ts"
import * as NatsConnection from "../src/runtime/NatsConnection.ts"
import { natsServer } from "../test/support/natsServer.ts"
import { runDirectory, startConclave } from "./support/conclave.ts"
import { type Bench, line, print, spread } from "./support/report.ts"

const instruments = 100
const run = RunId.make("bench-opinions")
const requestsAtATime = 2

const clientOf = (agent: "deep-learning" | "reinforcement-learning") =>
  BusRpcClient.make(VoterRpcs, { run, address: Address.any(agent), tracing: false })

/** Rows a second of a voter's artefact alone. */
const alone = async (dataDirectory: string, agent: string, windowMs: number) => {
  const models = join(runDirectory(dataDirectory) ?? "", "models")
  const artefact = readdirSync(models)
    .map((name) => readFileSync(join(models, name)))
    .find((bytes) => bytes.includes(agent === "deep-learning" ? '"kind":"linear"' : '"kind":"q-table"'))
  if (artefact === undefined) throw new Error(`no artefact of ${agent} in ${models}`)
  const session = await InferenceSession.create(artefact, { intraOpNumThreads: 1, interOpNumThreads: 1 })
  const feeds = Object.fromEntries(
    session.inputMetadata.map((input) => {
      if (!input.isTensor) throw new Error(`the input ${input.name} is no tensor`)
      const shape = input.shape.map((size) => (typeof size === "number" && size > 0 ? size : instruments))
      return [
        input.name,
        new Tensor("float32", new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(0.01), shape)
      ]
    })
  )
  const begin = performance.now()
  let rows = 0
  while (performance.now() - begin < windowMs) {
    await session.run(feeds)
    rows += instruments
  }
  return rows / ((performance.now() - begin) / 1_000)
}

export const opinions: Bench = {
  name: "opinions",
  run: ({ root, smoke }) =>
    Effect.gen(function* () {
      const windows = smoke ? 2 : 9
      const windowMs = smoke ? 150 : 1_500
      const server = yield* natsServer
      const running = startConclave(root, [
        ...["--nats", server.url, "--run", run, "--speed", "1x", "--time-frame", "1m"],
        ...["--instruments", `${instruments}`, "--market-data.history", "300"]
      ])
      yield* Effect.addFinalizer(() => Effect.promise(running.stop))
      const bus = yield* Layer.build(
        NatsBus.layer.pipe(
          Layer.provideMerge(
            NatsConnection.layer({ url: Redacted.make(server.url), name: "bench", connectTimeoutMs: 5_000 })
          )
        )
      )
      const feed = yield* Effect.provide(
        BusRpcClient.make(MarketDataRpcs, { run, address: Address.any("market-data") }),
        bus
      )
      const { asOf, timeFrame } = yield* feed.Feed({}).pipe(
        Effect.filterOrFail(({ phase }) => phase === "trading"),
        Effect.retry(Schedule.spaced("200 millis")),
        Effect.raceFirst(Effect.promise(() => running.failed))
      )
      const listed = yield* feed.Instruments({})
      const questions = listed.map(
        ({ id }) =>
          ({
            ...{ instrument: id, timeFrame, asOf, horizonBars: 4 },
            ...{ band: 0.001, roundTripCost: 0.0014, sigma: 0.003 }
          }) as Question
      )
      print(
        `opinions: ${listed.length} instruments a request over NATS, ${requestsAtATime} requests in flight`
      )
      for (const agent of ["deep-learning", "reinforcement-learning"] as const) {
        const voter = yield* Effect.provide(clientOf(agent), bus)
        // The voter remembers what it was asked: no two requests ask the same.
        let asked = 0
        const changed = () => {
          const band = 0.001 * (1 + 1e-6 * asked++)
          return questions.map((question) => ({ ...question, band }))
        }
        const opine = Effect.suspend(() => voter.Opine({ questions: changed(), model: "active" }))
        const ask = Effect.map(opine, (answers) => {
          const given = answers.filter(({ _tag }) => _tag === "Opinion").length
          if (given !== questions.length)
            throw new Error(`${agent} gave ${given} of ${questions.length} opinions`)
          return given
        })
        const rates: Array<number> = []
        const ceilings: Array<number> = []
        for (let i = -1; i < windows; i++) {
          const begin = performance.now()
          let given = 0
          const one = Effect.whileLoop({
            while: () => performance.now() - begin < windowMs,
            body: () => ask,
            step: (count) => {
              given += count
            }
          })
          yield* Effect.all(
            Array.from({ length: requestsAtATime }, () => one),
            { concurrency: "unbounded" }
          )
          const rate = given / ((performance.now() - begin) / 1_000)
          const ceiling = yield* Effect.promise(() => alone(running.directory, agent, windowMs))
          if (i >= 0) {
            rates.push(rate)
            ceilings.push(ceiling)
          }
        }
        line(agent, spread(rates, "opinions/s"), "aim 10,000")
        line("  onnxruntime alone", spread(ceilings, "rows/s"))
      }
    }).pipe(Effect.scoped, Effect.runPromise)
}
