import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import { openWithOnnxruntime } from "../../../src/agents/training-host/onnxruntime.ts"
import { TrainingRefused } from "../../../src/learning/errors.ts"
import { decodeCheckpoint, encodeCheckpoint } from "../../../src/learning/training/Checkpoint.ts"
import type { Open, TrainingOutcome } from "../../../src/learning/training/Trainer.ts"
import {
  decodeTrmCheckpoint,
  encodeTrmCheckpoint,
  type TrmCheckpoint
} from "../../../src/learning/trm/TrmCheckpoint.ts"
import { type TrmTrainingEvent, trainTrm, validationRowsMax } from "../../../src/learning/trm/TrmEpochs.ts"
import type { TrmEpochsSpec } from "../../../src/learning/trm/TrmEpochsSpec.ts"
import { evaluateTrm, evaluationSpec } from "../../../src/learning/trm/TrmEvaluation.ts"
import { type Examples, epochsSpec, examplesOf, rowsOf } from "./epochs.ts"

const learnable = { training: examplesOf("training", 1_000), validation: examplesOf("validation", 200) }
const noise = {
  training: examplesOf("training", 1_000, false),
  validation: examplesOf("validation", 200, false)
}

const run = async (
  spec: TrmEpochsSpec,
  data: { readonly training: Examples; readonly validation: Examples } = learnable,
  options: { readonly from?: TrmCheckpoint; readonly open?: Open } = {}
) => {
  const events: Array<TrmTrainingEvent> = []
  const running = trainTrm({
    spec,
    training: rowsOf(data.training),
    validation: rowsOf(data.validation),
    open: options.open ?? openWithOnnxruntime,
    validationRowsPerRun: 64,
    ...(options.from === undefined ? {} : { from: options.from })
  })
  for (;;) {
    const { done, value } = await running.next()
    if (done === true) return { events, outcome: value }
    events.push(value)
  }
}

const sameNumbers = (a: Float32Array, b: Float32Array | undefined) =>
  b !== undefined && a.length === b.length && a.every((value, i) => value === b[i])

const checkpoints = (events: ReadonlyArray<TrmTrainingEvent>): ReadonlyArray<TrmCheckpoint> =>
  events.flatMap((event) => (event.type === "epoch" ? [event.checkpoint] : []))

const accuracyOn = async (spec: TrmEpochsSpec, outcome: TrainingOutcome, examples: Examples) => {
  const { rowAt, rows } = rowsOf(examples)
  const { solved } = await evaluateTrm({
    task: spec.trm.task,
    rows: 64,
    run: await openWithOnnxruntime(evaluationSpec(spec.trm, outcome.manifest, 64, spec.supervisionSteps)),
    parameters: outcome.parameters,
    examples: Array.from({ length: rows }, (_, i) => rowAt(i))
  })
  return solved
}

describe("the training of a recursive model in epochs", () => {
  it("learns what can be learned", async () => {
    const spec = epochsSpec({ epochsMax: 8 })
    const { events, outcome } = await run(spec)
    expect(outcome.reason).toBe("epochs")
    const batches = Math.ceil(1_000 / 32)
    const progress = events.filter(({ type }) => type === "progress")
    expect(progress.length).toBe(8 * batches)
    expect(progress.at(-1)).toMatchObject({ epoch: 7, batch: batches, batches, step: 8 * batches })
    expect(outcome.history.length).toBe(8)
    expect(outcome.validationLoss).toBe(Math.min(...outcome.history.map(({ validation }) => validation)))
    expect(await accuracyOn(spec, outcome, examplesOf("test", 500))).toBeGreaterThan(0.9)
  })

  it("does not become better on what cannot be", async () => {
    const spec = epochsSpec({ epochsMax: 6 })
    const { outcome } = await run(spec, noise)
    // Of four classes that are equally frequent: the surprise of a guess, and its share of right ones.
    expect(outcome.validationLoss).toBeGreaterThan(Math.log(4) - 0.05)
    expect(await accuracyOn(spec, outcome, examplesOf("test", 500, false))).toBeLessThan(0.32)
  })

  it("goes on from a checkpoint, through its bytes, to the same bytes", async () => {
    const spec = epochsSpec({ exploration: 0.5, epochsMax: 3 })
    const whole = await run(spec)
    const bytes = checkpoints(whole.events).map(encodeTrmCheckpoint)
    const last = bytes.at(-1) as Uint8Array
    for (const one of bytes.slice(0, -1)) {
      const from = Either.getOrThrow(decodeTrmCheckpoint(one))
      expect(Buffer.compare(encodeTrmCheckpoint(from), one)).toBe(0)
      const resumed = await run(spec, learnable, { from })
      const [again] = checkpoints(resumed.events).slice(-1).map(encodeTrmCheckpoint)
      expect(Buffer.compare(again as Uint8Array, last)).toBe(0)
      expect(resumed.outcome.history).toEqual(whole.outcome.history)
      expect(sameNumbers(resumed.outcome.parameters, whole.outcome.parameters)).toBe(true)
    }
    // What was at its end has nothing to go on with.
    const ended = await run(spec, learnable, { from: Either.getOrThrow(decodeTrmCheckpoint(last)) })
    expect(ended.events).toEqual([])
    expect(ended.outcome.reason).toBe("epochs")
    expect(sameNumbers(ended.outcome.parameters, whole.outcome.parameters)).toBe(true)
  })

  it("ends by patience, and gives the best parameters and not the last", async () => {
    const impatient = epochsSpec({ epochsMax: 60, patience: 2 })
    const { events, outcome } = await run(impatient, noise)
    expect(outcome.reason).toBe("patience")
    const losses = outcome.history.map(({ validation }) => validation)
    const best = losses.indexOf(Math.min(...losses))
    expect(losses.length - 1 - best).toBe(2)
    const made = checkpoints(events)
    expect(sameNumbers(outcome.parameters, made.at(-1)?.best)).toBe(true)
    expect(sameNumbers(outcome.parameters, made[best]?.moments.at(-1))).toBe(true)
  })

  it("ends as diverged with the best so far where a loss is no number", async () => {
    let runs = 0
    const broken: Open = async (graph) => {
      const real = await openWithOnnxruntime(graph)
      return async (feeds) => {
        const results = await real(feeds)
        if (graph.name !== "steps" || ++runs <= 40) return results
        return { ...results, losses: Float32Array.of(Number.NaN) }
      }
    }
    const { events, outcome } = await run(epochsSpec(), learnable, { open: broken })
    expect(outcome.reason).toBe("diverged")
    expect(outcome.history.length).toBe(1)
    expect(sameNumbers(outcome.parameters, checkpoints(events)[0]?.best)).toBe(true)
    const invalid: Open = async (graph) => {
      const real = await openWithOnnxruntime(graph)
      return async (feeds) => {
        const results = await real(feeds)
        return graph.name === "answer"
          ? { ...results, logits: (results.logits as Float32Array).map(() => Number.NaN) }
          : results
      }
    }
    expect((await run(epochsSpec(), learnable, { open: invalid })).outcome).toMatchObject({
      reason: "diverged",
      history: []
    })
  })

  it("validates on no more rows than it says, from all over the validation", async () => {
    const long = examplesOf("long", 3 * validationRowsMax)
    const seen = new Set<number>()
    const running = trainTrm({
      spec: epochsSpec({ epochsMax: 1 }),
      training: rowsOf(learnable.training),
      validation: {
        rows: long.labels.length,
        rowAt: (index) => {
          seen.add(index)
          return rowsOf(long).rowAt(index)
        }
      },
      open: openWithOnnxruntime,
      validationRowsPerRun: 64
    })
    while ((await running.next()).done !== true);
    expect(seen.size).toBe(validationRowsMax)
    expect(Math.min(...seen)).toBeLessThan(3)
    expect(Math.max(...seen)).toBeGreaterThanOrEqual(long.labels.length - 3)
  })

  it("is refused without rows, and from a checkpoint of another training", async () => {
    const none = examplesOf("none", 0)
    for (const data of [
      { ...learnable, training: none },
      { ...learnable, validation: none }
    ]) {
      await expect(run(epochsSpec(), data)).rejects.toThrow(TrainingRefused)
    }
    const [from] = checkpoints((await run(epochsSpec({ epochsMax: 1 }))).events)
    const other = run(epochsSpec({ seed: 2 }), learnable, { from: from as TrmCheckpoint })
    await expect(other).rejects.toThrow("the checkpoint is of another training")
  })
})

describe("the checkpoint of a recursive model", () => {
  it("is unreadable where it is damaged, and as that of another kind of training", async () => {
    const [checkpoint] = checkpoints((await run(epochsSpec({ epochsMax: 1 }))).events)
    const bytes = encodeTrmCheckpoint(checkpoint as TrmCheckpoint)
    for (const damaged of [
      bytes.subarray(0, -1),
      bytes.subarray(1),
      bytes.with(100, 7),
      bytes.subarray(0, 9)
    ]) {
      expect(Either.isLeft(decodeTrmCheckpoint(damaged))).toBe(true)
    }
    expect(Either.isLeft(decodeCheckpoint(bytes))).toBe(true)
    const { carried: _, ...plain } = checkpoint as TrmCheckpoint
    expect(Either.isLeft(decodeTrmCheckpoint(encodeCheckpoint(plain)))).toBe(true)
  })
})
