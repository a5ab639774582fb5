import { describe, expect, it } from "@effect/vitest"
import { openWithOnnxruntime } from "../../../src/agents/training-host/onnxruntime.ts"
import { type PruningSchedule, sparsityAfter, sparsityOf } from "../../../src/learning/compression/Pruning.ts"
import {
  type PruningEvent,
  type PruningOutcome,
  pruneAndTrain
} from "../../../src/learning/compression/PruningTraining.ts"
import { adamAtan2, adamW, type OptimiserSpec } from "../../../src/learning/training/Optimiser.ts"
import { type Open, train } from "../../../src/learning/training/Trainer.ts"
import { type TrainingSpec, trainingDefaults } from "../../../src/learning/training/TrainingSpec.ts"
import { firstParameters, graphsOf, networkNamed, rowsFor, toEnd, trainedParameters } from "./networks.ts"

const mlp = networkNamed("mlp")
const training = rowsFor(mlp, "training", 600)
const validation = rowsFor(mlp, "validation", 100)

const specWith = (changes: Partial<TrainingSpec> = {}): TrainingSpec => ({
  ...trainingDefaults(mlp),
  epochsMax: 8,
  schedule: { kind: "constant", rate: 3e-3, warmUpSteps: 0 },
  ...changes
})

const schedule: PruningSchedule = { rounds: 3, initialSparsity: 0, finalSparsity: 0.8 }

const prune = async (
  parameters: Float32Array,
  changes: Partial<Parameters<typeof pruneAndTrain>[0]> = {}
): Promise<{ readonly events: ReadonlyArray<PruningEvent>; readonly outcome: PruningOutcome }> => {
  const events: Array<PruningEvent> = []
  const running = pruneAndTrain({
    spec: specWith(),
    parameters,
    schedule,
    scope: "global",
    training,
    validation,
    open: openWithOnnxruntime,
    ...changes
  })
  for (;;) {
    const { done, value } = await running.next()
    if (done === true) return { events, outcome: value }
    events.push(value)
  }
}

const isZeroWhere = (parameters: Float32Array, mask: Float32Array) =>
  parameters.every((value, i) => mask[i] !== 0 || value === 0)

describe("pruning with training", () => {
  it("has exactly the asked sparsity in every round, and gets back the loss that pruning cost", async () => {
    const parameters = await trainedParameters(mlp)
    const { events, outcome } = await prune(parameters)
    expect(outcome.reason).toBe("rounds")
    const { prunable, zeros } = sparsityOf(outcome.manifest, outcome.parameters)
    expect(zeros).toBe(Math.round(0.8 * prunable))
    expect(isZeroWhere(outcome.parameters, outcome.mask)).toBe(true)
    expect(outcome.rounds.map(({ sparsity }) => sparsity)).toEqual(
      [1, 2, 3].map((round) => sparsityAfter(schedule, round))
    )
    for (const round of outcome.rounds) {
      expect(round.lossPruned).toBeGreaterThan(round.lossBefore)
      expect(round.lossAfter).toBeLessThan(round.lossPruned)
    }
    // Taken at one blow, and not trained, the same share costs far more.
    const { outcome: blow } = await prune(parameters, {
      schedule: { ...schedule, rounds: 1 },
      spec: specWith({ epochsMax: 1 })
    })
    const dense = outcome.rounds[0]?.lossBefore ?? Number.NaN
    const cost = (blow.rounds[0]?.lossPruned ?? Number.NaN) - dense
    expect(cost).toBeGreaterThan(0)
    expect((outcome.rounds.at(-1)?.lossAfter ?? Number.NaN) - dense).toBeLessThan(cost / 2)
    expect(events.filter(({ type }) => type === "round").length).toBe(3)
  })

  it("leaves every pruned weight at 0 for each optimiser, with decay, averages, parts and runs of steps", async () => {
    const optimisers: ReadonlyArray<OptimiserSpec> = [
      adamW,
      adamAtan2,
      { kind: "sgd", momentum: 0.9, weightDecay: 0.01 }
    ]
    const variants: ReadonlyArray<Partial<TrainingSpec>> = [
      ...optimisers.map((optimiser) => ({ optimiser })),
      { averageDecay: 0.9 },
      { microRows: 8 },
      { stepsPerRun: 5 },
      { gradientNormMax: 0.01 }
    ]
    const parameters = firstParameters(mlp, 2)
    for (const variant of variants) {
      const { outcome } = await prune(parameters, {
        spec: specWith({ epochsMax: 1, ...variant }),
        schedule: { rounds: 1, initialSparsity: 0, finalSparsity: 0.6 },
        scope: "layer"
      })
      expect(isZeroWhere(outcome.parameters, outcome.mask), JSON.stringify(variant)).toBe(true)
      const { matrices } = sparsityOf(outcome.manifest, outcome.parameters)
      expect(matrices.map(({ zeros }) => zeros)).toEqual(
        matrices.map(({ prunable }) => Math.round(0.6 * prunable))
      )
      // The others are trained.
      const kept = outcome.parameters.filter((value, i) => outcome.mask[i] === 1 && value === parameters[i])
      expect(kept.length).toBeLessThan(0.2 * outcome.parameters.length)
    }
  })

  it("prunes networks of every kind, and their recurrent matrices too", async () => {
    for (const name of ["lstm", "gru", "cnn", "transformer", "dlinear"]) {
      const spec = networkNamed(name)
      const { outcome } = await prune(firstParameters(spec, 2), {
        spec: { ...trainingDefaults(spec), epochsMax: 1 },
        schedule: { rounds: 1, initialSparsity: 0, finalSparsity: 0.5 },
        training: rowsFor(spec, "training", 64),
        validation: rowsFor(spec, "validation", 32)
      })
      const { matrices, prunable, zeros } = sparsityOf(outcome.manifest, outcome.parameters)
      expect(zeros, name).toBe(Math.round(0.5 * prunable))
      if (name === "lstm") {
        expect(matrices.map((one) => one.name)).toContain("lstm0/r")
        expect(matrices.find((one) => one.name === "lstm0/r")?.zeros).toBeGreaterThan(0)
      }
    }
  })

  it("comes to the same bytes each time", async () => {
    const spec = specWith({ epochsMax: 2 })
    const [first, second] = [
      await prune(firstParameters(mlp, 1), { spec }),
      await prune(firstParameters(mlp, 1), { spec })
    ]
    expect(second.outcome.parameters).toEqual(first.outcome.parameters)
    expect(second.outcome.rounds).toEqual(first.outcome.rounds)
  })

  it("ends with the round before where a training diverges", async () => {
    let opened = 0
    const poisoned: Open = async (spec) => {
      const run = await openWithOnnxruntime(spec)
      const isLast = spec.name === "steps" && ++opened > 1
      return async (feeds) => ({
        ...(await run(feeds)),
        ...(isLast ? { losses: Float32Array.of(Number.NaN) } : {})
      })
    }
    const { outcome } = await prune(firstParameters(mlp, 1), {
      open: poisoned,
      spec: specWith({ epochsMax: 1 })
    })
    expect(outcome.reason).toBe("diverged")
    expect(outcome.rounds.length).toBe(1)
    expect(isZeroWhere(outcome.parameters, outcome.mask)).toBe(true)
    const { prunable, zeros } = sparsityOf(outcome.manifest, outcome.parameters)
    expect(zeros).toBe(Math.round((outcome.rounds[0]?.sparsity ?? 0) * prunable))
  })
})

describe("a training of some numbers", () => {
  it("is that of all where all are meant, to the bit", async () => {
    const { manifest } = graphsOf(mlp)
    const options = {
      spec: specWith({ epochsMax: 2, optimiser: adamW }),
      training,
      validation,
      open: openWithOnnxruntime
    }
    const all = await toEnd(train(options))
    const trained = new Float32Array(manifest.size).fill(1)
    const meant = await toEnd(train({ ...options, trained, initial: firstParameters(mlp, 1) }))
    expect(meant.parameters).toEqual(all.parameters)
  })

  it("keeps the others as they came, decay or not", async () => {
    const initial = firstParameters(mlp, 1)
    const trained = Float32Array.from(initial, (_, i) => i % 3 && 1)
    const spec = specWith({ epochsMax: 1, optimiser: { ...adamW, weightDecay: 0.5 }, averageDecay: 0.5 })
    const { parameters } = await toEnd(
      train({ spec, training, validation, open: openWithOnnxruntime, initial, trained })
    )
    parameters.forEach((value, i) => {
      if (i % 3 === 0) expect(value).toBe(initial[i])
    })
    expect(parameters.some((value, i) => value !== initial[i])).toBe(true)
  })

  it("is another training to a checkpoint, and refuses vectors of another size", async () => {
    const options = { spec: specWith({ epochsMax: 1 }), training, validation, open: openWithOnnxruntime }
    const running = train({ ...options, initial: firstParameters(mlp, 3) })
    let event = await running.next()
    while (event.done !== true && event.value.type !== "epoch") event = await running.next()
    const from = event.done === true || event.value.type !== "epoch" ? undefined : event.value.checkpoint
    if (from === undefined) throw new Error("there was no epoch")
    await expect(train({ ...options, from }).next()).rejects.toThrow(/another training/)
    await expect(train({ ...options, initial: new Float32Array(3) }).next()).rejects.toThrow(/is given 3/)
    await expect(train({ ...options, trained: new Float32Array(3) }).next()).rejects.toThrow(/is given 3/)
  })
})
