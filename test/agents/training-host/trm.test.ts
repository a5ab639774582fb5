/** The training host with a recursive model: what is the same for all trainings is in TrainingHost.test.ts. */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Either, Fiber, Ref, Stream } from "effect"
import { runSizesOf, servedRowsPerRun, trmRowsPerRun } from "../../../src/agents/training-host/RunSizes.ts"
import { encodeTrainingData, type TrainingData } from "../../../src/agents/training-host/TrainingData.ts"
import {
  cancelMsMax,
  checkpointPath,
  start,
  type Training,
  type TrainingHostEvent,
  type TrainingJob
} from "../../../src/agents/training-host/TrainingHost.ts"
import { pricePredictor } from "../../../src/learning/networks/NetworkSpec.ts"
import { trainingDefaults } from "../../../src/learning/training/TrainingSpec.ts"
import { trmEpochsDefaults } from "../../../src/learning/trm/TrmEpochsSpec.ts"
import { trmManifest } from "../../../src/learning/trm/TrmOpinion.ts"
import { strategyTrm } from "../../../src/learning/trm/TrmSpec.ts"
import { monotonicMs } from "../../../src/runtime/MonotonicClock.ts"
import { classCount, type Examples, epochsSpec, examplesOf, featureCount } from "../../learning/trm/epochs.ts"
import { bundled } from "../../support/bundle.ts"
import { temporaryDirectory } from "../../support/directory.ts"
import { digestOf } from "./jobs.ts"

const script = bundled("src/agents/training-host/main.ts")

const dataOf = (training: Examples, validation: Examples): TrainingData => {
  const rowsFrom = (first: number, { labels }: Examples) => ({
    ends: Int32Array.from(labels, (_, i) => first + i),
    targets: Float32Array.from({ length: labels.length * classCount }, (_, i) =>
      labels[Math.floor(i / classCount)] === i % classCount ? 1 : 0
    ),
    weights: new Float32Array(labels.length).fill(1)
  })
  return {
    features: featureCount,
    length: 1,
    width: classCount,
    series: Float32Array.from([...training.inputs, ...validation.inputs]),
    training: rowsFrom(0, training),
    validation: rowsFrom(training.labels.length, validation)
  }
}

const data = dataOf(examplesOf("training", 320), examplesOf("validation", 64))

const jobIn = (folder: string, spec = epochsSpec(), of = data): TrainingJob => {
  const parts = encodeTrainingData(of)
  const path = join(folder, "rows.bin")
  writeFileSync(path, Buffer.concat(parts))
  return { spec, data: { path, digest: digestOf(parts) }, folder }
}

const drive = (
  job: TrainingJob,
  act: (event: TrainingHostEvent, training: Training) => Effect.Effect<void> = () => Effect.void
) =>
  Effect.gen(function* () {
    const training = yield* start(
      { script: yield* script, memoryBytesMax: 2 * 2 ** 30, runMsMax: 20_000, restartsMax: 3 },
      job
    )
    const events = yield* Ref.make<ReadonlyArray<TrainingHostEvent>>([])
    const watching = yield* Effect.fork(
      Stream.runForEach(training.events, (event) =>
        Effect.zipRight(
          Ref.update(events, (all) => [...all, event]),
          act(event, training)
        )
      )
    )
    const result = yield* Effect.either(training.result)
    yield* Fiber.join(watching)
    return { events: yield* Ref.get(events), result }
  })

describe("the training host, with a recursive model", () => {
  it.scopedLive(
    "trains it, and goes on when its process is killed, to the same bytes",
    () =>
      Effect.gen(function* () {
        const job = jobIn(yield* temporaryDirectory)
        const whole = yield* drive(job)
        const result = Either.getOrThrow(whole.result)
        expect(result).toMatchObject({ reason: "epochs", restarts: 0 })
        expect(whole.events[0]).toMatchObject({
          type: "started",
          parameters: result.parameters?.length,
          trainingRows: 320,
          validationRows: 64,
          batches: 10,
          checkpoint: "none"
        })
        const epochs = whole.events.filter(({ type }) => type === "epoch")
        expect(epochs.map((event) => event.type === "epoch" && event.step)).toEqual([10, 20, 30, 40])

        let pid = 0
        const other = jobIn(yield* temporaryDirectory)
        const killed = yield* drive(other, (event) =>
          Effect.sync(() => {
            if (event.type === "started") pid = event.pid
            if (event.type === "epoch" && event.epoch < 2) process.kill(pid, "SIGKILL")
          })
        )
        const again = Either.getOrThrow(killed.result)
        expect(again.restarts).toBeGreaterThan(0)
        expect({ ...again, restarts: 0 }).toEqual(result)
        expect(readFileSync(checkpointPath(other)).equals(readFileSync(checkpointPath(job)))).toBe(true)
        const resumed = killed.events.filter((event) => event.type === "started").slice(1)
        expect(new Set(resumed.map(({ checkpoint }) => checkpoint))).toEqual(new Set(["resumed"]))
      }),
    30_000
  )

  for (const isStuck of [false, true]) {
    it.scopedLive(
      `stops it within ${cancelMsMax} ms ${isStuck ? "by force" : "between two runs"}, with what the last epoch came to`,
      () =>
        Effect.gen(function* () {
          const now = yield* monotonicMs
          let pid = 0
          let tookMs = Number.NaN
          const job = jobIn(yield* temporaryDirectory, epochsSpec({ epochsMax: 1_000 }))
          const { result } = yield* drive(job, (event, training) =>
            Effect.gen(function* () {
              if (event.type === "started") pid = event.pid
              if (event.type !== "epoch" || event.epoch !== 1) return
              if (isStuck) process.kill(pid, "SIGSTOP")
              const asked = now()
              yield* training.cancel
              tookMs = now() - asked
            })
          )
          const cancelled = Either.getOrThrow(result)
          expect(tookMs).toBeLessThan(cancelMsMax)
          expect(cancelled.reason).toBe("cancelled")
          expect(cancelled.history.length).toBeGreaterThanOrEqual(2)
          expect(cancelled.parameters?.length).toBe(trmManifest(epochsSpec().trm).size)
        }),
      30_000
    )
  }

  it.scopedLive("refuses data that are not of one class a row, and models that cannot be built", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryDirectory
      const refusal = (spec = epochsSpec(), of = data) =>
        Effect.map(
          drive(jobIn(folder, spec, of)),
          ({ result }) => Either.getOrThrow(Either.flip(result)).message
        )
      const { training } = data
      const changed = (values: Float32Array, at: number, value: number) =>
        values.map((old, i) => (i === at ? value : old))
      const soft = { ...training, targets: changed(training.targets, 9, 0.5) }
      expect(yield* refusal(epochsSpec(), { ...data, training: soft })).toContain(
        "row 3 of the targets of training names no class"
      )
      const heavy = { ...training, weights: changed(training.weights, 4, 2) }
      expect(yield* refusal(epochsSpec(), { ...data, training: heavy })).toContain(
        "row 5 of the weights of training is 2"
      )
      expect(yield* refusal(epochsSpec({ trm: strategyTrm }))).toContain(
        "it has 3 features, the network takes 10"
      )
      const { sizes, task } = epochsSpec().trm
      const odd = epochsSpec({ trm: { sizes: { ...sizes, heads: 5 }, task } })
      expect(yield* refusal(odd)).toMatch(/^The trm cannot be trained: /)
    })
  )
})

describe("the runs of a recursive model", () => {
  it("are of as many rows as one may take, by its size alone", () => {
    expect(trmRowsPerRun(strategyTrm)).toBe(64)
    const wide = { ...strategyTrm, sizes: { ...strategyTrm.sizes, width: 512 } }
    expect(trmRowsPerRun(wide)).toBe(2)
    expect(servedRowsPerRun(trmEpochsDefaults(strategyTrm), 128)).toBe(64)
    expect(servedRowsPerRun(trmEpochsDefaults(wide), 128)).toBe(1)
    expect(servedRowsPerRun(trainingDefaults(pricePredictor), 128)).toBe(128)
    expect(runSizesOf(pricePredictor, 32).microRows).toBeNull()
  })
})
