import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { constants, getPriority } from "node:os"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Deferred, Effect, Exit, Fiber, Ref, Scope, Stream } from "effect"
import { encodeTrainingData } from "../../../src/agents/training-host/TrainingData.ts"
import {
  cancelMsMax,
  checkpointPath,
  start,
  type Training,
  type TrainingHostEvent,
  type TrainingHostOptions,
  type TrainingJob,
  type TrainingResult
} from "../../../src/agents/training-host/TrainingHost.ts"
import { monotonicMs } from "../../../src/runtime/MonotonicClock.ts"
import { bundled } from "../../support/bundle.ts"
import { temporaryDirectory } from "../../support/directory.ts"
import { isAlive, runProgram, untilGone } from "../../support/program.ts"
import { digestOf, makeData, makeJob, specWith } from "./jobs.ts"

const script = bundled("src/agents/training-host/main.ts")

const host = (changes: Partial<TrainingHostOptions> = {}) =>
  Effect.map(script, (path) => ({
    script: path,
    memoryBytesMax: 2 * 2 ** 30,
    runMsMax: 20_000,
    restartsMax: 3,
    ...changes
  }))

const isType =
  <Type extends TrainingHostEvent["type"]>(type: Type) =>
  (event: TrainingHostEvent): event is Extract<TrainingHostEvent, { type: Type }> =>
    event.type === type

/** Runs a training to its end, with something done at each event. */
const drive = (
  options: TrainingHostOptions,
  job: TrainingJob,
  act: (event: TrainingHostEvent, training: Training) => Effect.Effect<void> = () => Effect.void
) =>
  Effect.gen(function* () {
    const training = yield* start(options, job)
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

const succeeded = (driven: Effect.Effect.Success<ReturnType<typeof drive>>): TrainingResult => {
  if (driven.result._tag === "Left") throw driven.result.left
  return driven.result.right
}

const failure = (driven: Effect.Effect.Success<ReturnType<typeof drive>>) => {
  if (driven.result._tag === "Right") throw new Error("it was trained")
  return driven.result.left
}

const bytesOf = ({ parameters }: TrainingResult) =>
  parameters === null ? "" : Buffer.from(parameters.buffer).toString("base64")

/** One that takes long, and lets be watched for long. */
const endless = () => specWith({ epochsMax: 1_000 })

describe("the training host", () => {
  it.scopedLive("trains, says what happens, and comes to the same bytes again", () =>
    Effect.gen(function* () {
      const options = yield* host()
      const one = yield* drive(options, makeJob(yield* temporaryDirectory))
      const result = succeeded(one)
      expect(result).toMatchObject({ reason: "epochs", restarts: 0 })
      expect(result.history.length).toBe(4)
      expect(result.validationLoss).toBe(Math.min(...result.history.map(({ validation }) => validation)))

      const [first] = one.events
      expect(first).toMatchObject({
        type: "started",
        trainingRows: 240,
        validationRows: 60,
        epoch: 0,
        batches: 15
      })
      expect(first).toMatchObject({ checkpoint: "none", parameters: result.parameters?.length })
      const epochs = one.events.filter(isType("epoch"))
      expect(epochs.map(({ epoch, step }) => [epoch, step])).toEqual(
        [0, 1, 2, 3].map((epoch) => [epoch, 15 * (epoch + 1)])
      )
      expect(epochs.map(({ validationLoss }) => validationLoss)).toEqual(
        result.history.map(({ validation }) => validation)
      )
      const left = epochs.map(({ secondsLeft }) => secondsLeft ?? Number.NaN)
      expect(left.every((seconds) => seconds >= 0)).toBe(true)
      expect(left.at(-1)).toBe(0)

      const again = yield* drive(options, makeJob(yield* temporaryDirectory))
      expect(bytesOf(succeeded(again))).toBe(bytesOf(result))
    })
  )

  it.scopedLive(
    "goes on from the last checkpoint when its process is killed, to the same bytes",
    () =>
      Effect.gen(function* () {
        const options = yield* host()
        const long = specWith({ epochsMax: 20 })
        const whole = succeeded(yield* drive(options, makeJob(yield* temporaryDirectory, long)))
        // Two lives are ended by their first epoch, whichever it is: what was done by then may not be known yet.
        const pids: Array<number> = []
        let alive = 0
        const killed = yield* drive(options, makeJob(yield* temporaryDirectory, long), (event) =>
          Effect.sync(() => {
            if (event.type === "started") {
              alive = event.pid
              pids.push(alive)
            }
            if (event.type !== "epoch" || alive === 0 || pids.length > 2) return
            process.kill(alive, "SIGKILL")
            alive = 0
          })
        )
        const result = succeeded(killed)
        expect(result.restarts).toBe(2)
        expect(bytesOf(result)).toBe(bytesOf(whole))
        expect(result.history).toEqual(whole.history)
        expect(killed.events.filter(isType("died")).map(({ reason }) => reason)).toEqual([
          "it ended with SIGKILL",
          "it ended with SIGKILL"
        ])
        const started = killed.events.filter(isType("started"))
        expect(started.map(({ checkpoint }) => checkpoint)).toEqual(["none", "resumed", "resumed"])
        expect(started.map(({ epoch }) => epoch)[1]).toBeGreaterThan(0)
      }),
    30_000
  )

  it.scopedLive("does not train on what patience had ended before the process died", () =>
    Effect.gen(function* () {
      const options = yield* host()
      const impatient = specWith({
        epochsMax: 200,
        patience: 2,
        schedule: { kind: "constant", rate: 0.3, warmUpSteps: 0 }
      })
      const job = makeJob(yield* temporaryDirectory, impatient)
      const whole = succeeded(yield* drive(options, job))
      expect(whole.reason).toBe("patience")
      // The last checkpoint is that after the last epoch: as if the result had been lost on its way.
      const again = yield* drive(options, job)
      expect(succeeded(again)).toEqual(whole)
      expect(again.events.filter(isType("epoch"))).toEqual([])
    })
  )

  it.scopedLive("begins again where the checkpoint is damaged, to the same bytes", () =>
    Effect.gen(function* () {
      const options = yield* host()
      const job = makeJob(yield* temporaryDirectory)
      const whole = succeeded(yield* drive(options, job))
      const bytes = readFileSync(checkpointPath(job))
      writeFileSync(checkpointPath(job), bytes.subarray(0, bytes.length - 7))
      const again = yield* drive(options, job)
      expect(again.events[0]).toMatchObject({ type: "started", checkpoint: "unreadable", epoch: 0 })
      expect(bytesOf(succeeded(again))).toBe(bytesOf(whole))
    })
  )

  it.scopedLive("is given up when its process dies too often, and says how it died", () =>
    Effect.gen(function* () {
      const options = yield* host({ restartsMax: 1 })
      const driven = yield* drive(options, makeJob(yield* temporaryDirectory, endless()), (event) =>
        Effect.sync(() => {
          if (event.type === "started") process.kill(event.pid, "SIGKILL")
        })
      )
      expect(failure(driven)).toMatchObject({ _tag: "TrainingFailed", restarts: 1 })
      expect(failure(driven).message).toBe(
        "The training of the lstm has failed after 1 restarts: it ended with SIGKILL."
      )
    })
  )

  it.scopedLive("is killed when it takes more memory than it may", () =>
    Effect.gen(function* () {
      const options = yield* host({ memoryBytesMax: 30 * 2 ** 20, restartsMax: 0 })
      const driven = yield* drive(options, makeJob(yield* temporaryDirectory, endless()))
      expect(failure(driven).message).toMatch(/failed: it took \d+ bytes of memory, 31457280 are allowed\.$/)
    })
  )

  it.scopedLive("is killed when a run does not end", () =>
    Effect.gen(function* () {
      const options = yield* host({ runMsMax: 400, restartsMax: 0 })
      const driven = yield* drive(options, makeJob(yield* temporaryDirectory, endless()), (event) =>
        Effect.sync(() => {
          if (event.type === "started") process.kill(event.pid, "SIGSTOP")
        })
      )
      expect(failure(driven).message).toContain("a request took longer than 400 ms")
    })
  )

  for (const [what, isStuck] of [
    ["between two runs", false],
    ["by force, when it does not listen", true]
  ] as const) {
    it.scopedLive(`stops ${what} within ${cancelMsMax} ms, with what the last epoch came to`, () =>
      Effect.gen(function* () {
        const now = yield* monotonicMs
        let pid = 0
        let tookMs = Number.NaN
        const job = makeJob(yield* temporaryDirectory, endless())
        const driven = yield* drive(yield* host(), job, (event, training) =>
          Effect.gen(function* () {
            if (event.type === "started") pid = event.pid
            if (event.type !== "epoch" || event.epoch !== 2) return
            if (isStuck) process.kill(pid, "SIGSTOP")
            const asked = now()
            yield* training.cancel
            tookMs = now() - asked
          })
        )
        const result = succeeded(driven)
        expect(tookMs).toBeLessThan(cancelMsMax)
        expect(result.reason).toBe("cancelled")
        expect(result.history.length).toBeGreaterThanOrEqual(3)
        expect(result.parameters?.length).toBeGreaterThan(0)
        expect(result.validationLoss).toBe(Math.min(...result.history.map(({ validation }) => validation)))
        yield* untilGone(pid)
      })
    )
  }

  it.scopedLive("ends with its scope, and gives way to others while it works", () =>
    Effect.gen(function* () {
      const options = yield* host()
      const job = makeJob(yield* temporaryDirectory, endless())
      const scope = yield* Scope.make()
      const training = yield* Scope.extend(start(options, job), scope)
      const pid = yield* Deferred.make<number>()
      yield* Effect.forkScoped(
        Stream.runForEach(training.events, (event) =>
          event.type === "started" ? Deferred.succeed(pid, event.pid) : Effect.void
        )
      )
      const started = yield* Deferred.await(pid)
      expect(isAlive(started)).toBe(true)
      expect(getPriority(started)).toBe(constants.priority.PRIORITY_BELOW_NORMAL)
      yield* Scope.close(scope, Exit.void)
      yield* untilGone(started)
      expect(Exit.isInterrupted(yield* Effect.exit(training.result))).toBe(true)
    })
  )

  it.scopedLive("ends by itself when its parent is killed, in the middle of a training", () =>
    Effect.gen(function* () {
      const job = makeJob(yield* temporaryDirectory, endless())
      const parent = `
        const child = require("node:child_process").spawn(process.execPath, [process.argv[1]], {
          stdio: ["ignore", "ignore", "ignore", "pipe"], detached: true
        })
        const pipe = child.stdio[3]
        const frame = (kind, id, header) => {
          const json = Buffer.from(JSON.stringify(header))
          const head = Buffer.alloc(13)
          head.writeUInt32LE(9 + json.length, 0)
          head.writeUInt8(kind, 4)
          head.writeUInt32LE(id, 5)
          head.writeUInt32LE(json.length, 9)
          return Buffer.concat([head, json])
        }
        let said = false
        pipe.on("data", () => {
          if (said) return
          said = true
          pipe.write(frame(16, 1, JSON.parse(process.argv[2])))
          console.log(child.pid)
        })
        setInterval(() => {}, 1000)`
      const header = { spec: job.spec, data: job.data, checkpoint: checkpointPath(job) }
      const program = yield* runProgram("-e", [parent, yield* script, JSON.stringify(header)])
      const pid = Number(yield* program.says(() => true))
      const look: Effect.Effect<void> = Effect.suspend(() =>
        existsSync(checkpointPath(job)) ? Effect.void : Effect.zipRight(Effect.sleep(10), look)
      )
      yield* Effect.timeout(look, "10 seconds")
      expect(isAlive(pid)).toBe(true)
      yield* program.kill
      yield* untilGone(pid)
    })
  )

  it.scopedLive("leaves nothing but the checkpoint behind", () =>
    Effect.gen(function* () {
      const job = makeJob(yield* temporaryDirectory)
      succeeded(yield* drive(yield* host(), job))
      expect(readdirSync(job.folder).sort()).toEqual(
        ["rows.bin", checkpointPath(job).split("/").at(-1)].sort()
      )
      expect(checkpointPath(job)).not.toBe(checkpointPath({ ...job, spec: specWith({ seed: 2 }) }))
      expect(checkpointPath(job)).not.toBe(checkpointPath({ ...job, data: { ...job.data, digest: "other" } }))
    })
  )
})

describe("the training host refuses", () => {
  const refusal = (change: (job: TrainingJob) => TrainingJob) =>
    Effect.gen(function* () {
      const driven = yield* drive(yield* host(), change(makeJob(yield* temporaryDirectory)))
      expect(driven.events.filter(({ type }) => type !== "started")).toEqual([])
      return failure(driven)
    })

  it.scopedLive("data that are not there, or not those that were named", () =>
    Effect.gen(function* () {
      const gone = yield* refusal((job) => ({ ...job, data: { ...job.data, path: "/nowhere/rows.bin" } }))
      expect(gone).toMatchObject({ _tag: "TrainingDataUnfit" })
      expect(gone.message).toBe(
        "The training data in /nowhere/rows.bin cannot be used: there is no such file."
      )
      const changed = yield* refusal((job) => {
        const bytes = readFileSync(job.data.path)
        bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1
        writeFileSync(job.data.path, bytes)
        return job
      })
      expect(changed.message).toMatch(/its digest is [0-9a-f]{64}, not [0-9a-f]{64}\.$/)
    })
  )

  it.scopedLive("data that do not fit the network, or that nothing can be learned from", () =>
    Effect.gen(function* () {
      const wider = specWith()
      const shape = yield* refusal((job) => ({
        ...job,
        spec: { ...wider, network: { ...wider.network, features: 3 } }
      }))
      expect(shape.message).toContain("it has 2 features, the network takes 3")
      const with_ = (change: (data: ReturnType<typeof makeData>) => ReturnType<typeof makeData>) =>
        refusal((job) => {
          const parts = encodeTrainingData(change(makeData()))
          writeFileSync(job.data.path, Buffer.concat(parts))
          return { ...job, data: { ...job.data, digest: digestOf(parts) } }
        })
      const none = yield* with_((data) => {
        const { ends, targets, weights } = data.training
        return {
          ...data,
          training: { ends: ends.slice(0, 0), targets: targets.slice(0, 0), weights: weights.slice(0, 0) }
        }
      })
      expect(none).toMatchObject({ _tag: "TrainingRefused" })
      expect(none.message).toContain("the data are shorter than a sequence")
      const poisoned = yield* with_((data) => ({
        ...data,
        series: data.series.map((x, i) => (i === 9 ? Number.NaN : x))
      }))
      expect(poisoned.message).toContain("row 5 of its series holds NaN")
    })
  )

  it.scopedLive("a network that cannot be built, or is too large", () =>
    Effect.gen(function* () {
      const spec = specWith()
      const of = (body: (typeof spec)["network"]["body"]) =>
        refusal((job) => ({ ...job, spec: { ...spec, network: { ...spec.network, body } } }))
      const odd = yield* of({ kind: "transformer", width: 10, heads: 3, layers: 1, inner: 8, dropout: 0 })
      expect(odd.message).toBe(
        "The transformer cannot be trained: a width of 10 cannot be shared out to 3 heads."
      )
      const large = yield* of({ kind: "mlp", hidden: [4_096, 4_096, 4_096] })
      expect(large.message).toMatch(/its \d+ parameters make an artefact/)
    })
  )

  it.scopedLive("to go on with a loss that is no number, and says so", () =>
    Effect.gen(function* () {
      const spec = specWith({
        gradientNormMax: null,
        optimiser: { kind: "sgd", momentum: 0, weightDecay: 0 },
        schedule: { kind: "stepped", rate: 0.01, warmUpSteps: 0, every: 15, factor: 1e30 },
        network: { ...specWith().network, body: { kind: "linear" } }
      })
      const driven = yield* drive(yield* host(), makeJob(yield* temporaryDirectory, spec))
      const result = succeeded(driven)
      expect(result.reason).toBe("diverged")
      expect(result.history.length).toBe(1)
      expect(result.parameters?.every(Number.isFinite)).toBe(true)
      expect(Chunk.fromIterable(driven.events.filter(isType("epoch"))).length).toBe(1)
    })
  )
})
