import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import { openWithOnnxruntime } from "../../../src/agents/training-host/onnxruntime.ts"
import { TrainingRefused } from "../../../src/learning/errors.ts"
import { decodeCheckpoint, encodeCheckpoint } from "../../../src/learning/training/Checkpoint.ts"
import { type Dataset, windowDataset } from "../../../src/learning/training/Dataset.ts"
import {
  type Open,
  type TrainingEvent,
  type TrainingOutcome,
  train
} from "../../../src/learning/training/Trainer.ts"
import { type TrainingSpec, trainingDefaults } from "../../../src/learning/training/TrainingSpec.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"

const length = 3
const features = 2

/** y follows from the last two steps, with noise. */
const dataset = (key: string, rows: number, noise = 0.1): Dataset => {
  const random = keyedRandom("dataset", key)
  const series = Float32Array.from({ length: (rows + length) * features }, () => random.normal())
  const ends = Int32Array.from({ length: rows }, (_, i) => i + length - 1)
  const targets = Float32Array.from(ends, (end) => {
    const at = (step: number, k: number) => series[(end + step) * features + k] as number
    return Math.tanh(at(0, 0)) * at(-1, 1) + noise * random.normal()
  })
  return windowDataset({ series, features, length, ends, targets })
}

const specWith = (changes: Partial<TrainingSpec> = {}): TrainingSpec => ({
  ...trainingDefaults({
    length,
    features,
    body: { kind: "mlp", hidden: [16] },
    head: { kind: "regression", outputs: 1 }
  }),
  schedule: { kind: "constant", rate: 0.01, warmUpSteps: 5 },
  batchRows: 16,
  epochsMax: 6,
  ...changes
})

const training = dataset("training", 250)
const validation = dataset("validation", 60)

const drive = async (
  spec: TrainingSpec,
  from?: Parameters<typeof train>[0]["from"],
  open: Open = openWithOnnxruntime
): Promise<{ readonly events: ReadonlyArray<TrainingEvent>; readonly outcome: TrainingOutcome }> => {
  const events: Array<TrainingEvent> = []
  const running = train({ spec, training, validation, open, ...(from === undefined ? {} : { from }) })
  for (;;) {
    const { done, value } = await running.next()
    if (done === true) return { events, outcome: value }
    events.push(value)
  }
}

const epochsOf = (events: ReadonlyArray<TrainingEvent>) =>
  events.flatMap((event) => (event.type === "epoch" ? [event] : []))

const bytesOf = (values: Float32Array | undefined) =>
  Buffer.from(values?.buffer ?? new ArrayBuffer(0)).toString("base64")

describe("the trainer", () => {
  it("learns what there is to learn, and says how far it is", async () => {
    const { events, outcome } = await drive(specWith({ epochsMax: 40, patience: 40 }))
    const epochs = epochsOf(events)
    const [first] = epochs
    expect(epochs.length).toBe(40)
    expect(outcome.validationLoss).toBeLessThan(0.3 * (first?.validationLoss ?? 0))
    expect(outcome.validationLoss).toBe(Math.min(...epochs.map(({ validationLoss }) => validationLoss)))
    const progress = events.filter(({ type }) => type === "progress")
    expect(progress.length).toBe(40 * 16)
    expect(progress.at(-1)).toMatchObject({ batch: 16, batches: 16, step: 640, rate: 0.01 })
    expect(progress[0]).toMatchObject({ step: 1, rate: 0.002 })
  })

  it("comes to the same bytes whether it is interrupted after any epoch or not", async () => {
    const spec = specWith({
      averageDecay: 0.9,
      network: { ...specWith().network, body: { kind: "lstm", hidden: 5, layers: 2, dropout: 0.3 } }
    })
    const whole = await drive(spec)
    for (const { checkpoint } of epochsOf(whole.events).slice(0, 3)) {
      const restored = Either.getOrThrow(decodeCheckpoint(encodeCheckpoint(checkpoint)))
      const rest = await drive(spec, restored)
      expect(bytesOf(rest.outcome.parameters)).toBe(bytesOf(whole.outcome.parameters))
      expect(rest.outcome.history).toEqual(whole.outcome.history)
    }
  })

  it("comes to the same bytes however many steps are made in one run", async () => {
    const single = await drive(specWith({ epochsMax: 2 }))
    const several = await drive(specWith({ epochsMax: 2, stepsPerRun: 7 }))
    expect(bytesOf(several.outcome.parameters)).toBe(bytesOf(single.outcome.parameters))
  })

  it("adds up the gradients of parts of a batch to that of the whole", async () => {
    const whole = await drive(specWith({ epochsMax: 1, gradientNormMax: 0.1 }))
    const parts = await drive(specWith({ epochsMax: 1, gradientNormMax: 0.1, microRows: 4 }))
    whole.outcome.parameters.forEach((value, i) => {
      expect(Math.abs(value - (parts.outcome.parameters[i] as number))).toBeLessThan(1e-4)
    })
  })

  it("ends when validation has not become better for a while, and gives back the best", async () => {
    const { events, outcome } = await drive(
      specWith({ epochsMax: 300, patience: 3, schedule: { kind: "constant", rate: 0.1, warmUpSteps: 0 } })
    )
    expect(outcome.reason).toBe("patience")
    const epochs = epochsOf(events)
    const best = epochs.filter(({ isBest }) => isBest).at(-1)
    expect(epochs.length - 1 - (best?.epoch ?? 0)).toBe(3)
    expect(bytesOf(outcome.parameters)).toBe(bytesOf(best?.checkpoint.best))
  })

  it("has nothing to go on with where it had come to its end", async () => {
    const spec = specWith({
      epochsMax: 300,
      patience: 3,
      schedule: { kind: "constant", rate: 0.1, warmUpSteps: 0 }
    })
    const whole = await drive(spec)
    const again = await drive(spec, epochsOf(whole.events).at(-1)?.checkpoint)
    expect(again.events).toEqual([])
    expect(again.outcome.reason).toBe("patience")
    expect(bytesOf(again.outcome.parameters)).toBe(bytesOf(whole.outcome.parameters))
  })

  it("stops where the loss is no number any more, and keeps the last good parameters", async () => {
    const poisoned: Open = async (spec) => {
      const run = await openWithOnnxruntime(spec)
      let runs = 0
      return async (feeds) => {
        const results = await run(feeds)
        if (spec.name !== "steps" || ++runs <= 20) return results
        return { ...results, losses: Float32Array.of(Number.NaN) }
      }
    }
    const { events, outcome } = await drive(specWith(), undefined, poisoned)
    expect(outcome.reason).toBe("diverged")
    expect(outcome.epochs).toBe(1)
    expect(bytesOf(outcome.parameters)).toBe(bytesOf(epochsOf(events)[0]?.checkpoint.best))
  })

  it("refuses at once what cannot be trained", async () => {
    const empty = { ...training, rows: 0 }
    const starting = (options: Partial<Parameters<typeof train>[0]>) =>
      train({ spec: specWith(), training, validation, open: openWithOnnxruntime, ...options }).next()
    await expect(starting({ training: empty })).rejects.toThrow(TrainingRefused)
    await expect(starting({ validation: empty })).rejects.toThrow(/validate/)
    await expect(starting({ spec: specWith({ microRows: 5 }) })).rejects.toThrow(/cannot be cut/)
    const huge = specWith({
      network: {
        ...specWith().network,
        body: {
          kind: "mlp",
          hidden: [4_096, 4_096, 4_096, 4_096, 4_096, 4_096, 4_096, 4_096, 4_096, 4_096, 4_096]
        }
      }
    })
    await expect(starting({ spec: huge })).rejects.toThrow(/memory/)
    const { events } = await drive(specWith({ epochsMax: 1 }))
    const [epoch] = epochsOf(events)
    await expect(starting({ spec: specWith({ seed: 2 }), from: epoch?.checkpoint as never })).rejects.toThrow(
      /another training/
    )
  })
})

describe("a checkpoint", () => {
  it("is refused when a byte of it has changed, or some are missing", async () => {
    const { events } = await drive(specWith({ epochsMax: 1 }))
    const bytes = encodeCheckpoint(epochsOf(events)[0]?.checkpoint as never)
    for (const at of [0, 3, 10, 200, bytes.length - 40, bytes.length - 1]) {
      const flipped = Uint8Array.from(bytes)
      flipped[at] = (flipped[at] as number) ^ 1
      expect(Either.isLeft(decodeCheckpoint(flipped))).toBe(true)
    }
    for (const length of [0, 20, 100, bytes.length - 1]) {
      expect(Either.isLeft(decodeCheckpoint(bytes.slice(0, length)))).toBe(true)
    }
  })
})
