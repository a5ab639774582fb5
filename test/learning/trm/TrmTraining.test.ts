import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import { openWithOnnxruntime } from "../../../src/agents/training-host/onnxruntime.ts"
import { TrainingRefused } from "../../../src/learning/errors.ts"
import type { Value } from "../../../src/learning/graph/Graph.ts"
import { interpret } from "../../../src/learning/graph/interpret.ts"
import { type NdArray, ndArray } from "../../../src/learning/graph/NdArray.ts"
import * as ops from "../../../src/learning/graph/ops.ts"
import { adamAtan2, rateCount, update } from "../../../src/learning/training/Optimiser.ts"
import type { Open } from "../../../src/learning/training/Trainer.ts"
import type { TrmRow } from "../../../src/learning/trm/CarriedRows.ts"
import { evaluateTrm, evaluationSpec } from "../../../src/learning/trm/TrmEvaluation.ts"
import { makeTrmTraining, servedParameters, type TrmProgress } from "../../../src/learning/trm/TrmTraining.ts"
import {
  publishedTraining,
  type TrmTrainingSpec,
  trmRatesOf
} from "../../../src/learning/trm/TrmTrainingSpec.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"
import { randomArray } from "../graph/check.ts"
import { features, tokens } from "./specs.ts"

/** The answer at each place is the next place's token, the last's the first's. */
const rotated = (number: number): TrmRow => {
  const random = keyedRandom("rotated", number)
  const inputs = [random.int(5), random.int(5), random.int(5)]
  return { inputs, labels: [inputs[1] as number, inputs[2] as number, inputs[0] as number] }
}

const learnable = (changes: Partial<TrmTrainingSpec> = {}): TrmTrainingSpec => ({
  ...publishedTraining(tokens({ width: 48, innerMultiple: 8, expansion: 2 })),
  optimiser: { ...adamAtan2, weightDecay: 0.1 },
  schedule: { kind: "constant", rate: 0.003, warmUpSteps: 10 },
  rows: 32,
  supervisionSteps: 4,
  averageDecay: 0.97,
  ...changes
})

const run = async (
  training: Awaited<ReturnType<typeof makeTrmTraining>>,
  steps: number
): Promise<ReadonlyArray<TrmProgress>> => {
  const progress: Array<TrmProgress> = []
  for (let i = 0; i < steps; i++) progress.push(Either.getOrThrow(await training.step()))
  return progress
}

describe("the training of a Tiny Recursive Model", () => {
  it("learns a rule, and when its answers are right", async () => {
    const spec = learnable()
    const training = await makeTrmTraining({ spec, rowAt: rotated, open: openWithOnnxruntime })
    const progress = await run(training, 300)
    const of = (part: ReadonlyArray<TrmProgress>, value: (one: TrmProgress) => number) =>
      part.reduce((sum, one) => sum + value(one), 0) / part.length
    const [first, last] = [progress.slice(0, 20), progress.slice(-20)]
    expect(of(last, ({ answerLoss }) => answerLoss)).toBeLessThan(
      of(first, ({ answerLoss }) => answerLoss) / 5
    )
    // At first every row takes all steps; then it halts early, and right.
    expect(of(first, ({ halted, haltedSteps }) => (halted === 0 ? 4 : haltedSteps / halted))).toBe(4)
    expect(of(last, ({ halted, haltedSteps }) => haltedSteps / halted)).toBeLessThan(1.5)
    expect(of(last, ({ halted, right }) => right / halted)).toBeGreaterThan(0.95)

    const examples = Array.from({ length: 50 }, (_, i) => rotated(1_000_000 + i))
    const evaluate = async (parameters: Float32Array) =>
      evaluateTrm({
        task: spec.trm.task,
        rows: 32,
        run: await openWithOnnxruntime(evaluationSpec(spec.trm, training.manifest, 32, 4)),
        parameters,
        examples
      })
    const trained = await evaluate(servedParameters(training.snapshot()))
    expect(trained.rows).toBe(50)
    expect(trained.solved).toBeGreaterThan(0.95)
    const begun = await makeTrmTraining({ spec, rowAt: rotated, open: openWithOnnxruntime })
    expect((await evaluate(servedParameters(begun.snapshot()))).solved).toBeLessThan(0.1)
  })

  it("learns a class of features", async () => {
    const spec = learnable({ trm: features({ width: 16, innerMultiple: 8, expansion: 2 }) })
    const rowAt = (number: number): TrmRow => {
      const random = keyedRandom("classes", number)
      const inputs = [random.normal(), random.normal(), random.normal()]
      return { inputs, labels: [(inputs[0] as number) > 0 ? 3 : (inputs[1] as number) > 0 ? 1 : 2] }
    }
    const training = await makeTrmTraining({ spec, rowAt, open: openWithOnnxruntime })
    await run(training, 150)
    const score = await evaluateTrm({
      task: spec.trm.task,
      rows: 64,
      run: await openWithOnnxruntime(evaluationSpec(spec.trm, training.manifest, 64, 4)),
      parameters: servedParameters(training.snapshot()),
      examples: Array.from({ length: 200 }, (_, i) => rowAt(1_000_000 + i))
    })
    expect(score.solved).toBeGreaterThan(0.85)
    expect(score.right).toBe(score.solved)
  })

  it("goes on from a snapshot to the same bytes", async () => {
    const spec = learnable({ rows: 8, exploration: 0.5 })
    const options = { spec, rowAt: rotated, open: openWithOnnxruntime }
    const whole = await makeTrmTraining(options)
    await run(whole, 9)
    const begun = await makeTrmTraining(options)
    await run(begun, 5)
    const resumed = await makeTrmTraining({ ...options, from: structuredClone(begun.snapshot()) })
    await run(resumed, 4)
    expect(resumed.snapshot()).toEqual(whole.snapshot())
    expect(whole.snapshot().step).toBe(9)
  })

  it("does not go on from a snapshot of another training", async () => {
    const options = { spec: learnable({ rows: 8 }), rowAt: rotated, open: openWithOnnxruntime }
    const from = (await makeTrmTraining(options)).snapshot()
    const other = makeTrmTraining({ ...options, spec: learnable({ rows: 4 }), from })
    await expect(other).rejects.toThrow(TrainingRefused)
  })

  it("keeps a moving average beside the parameters, and the first states fixed", async () => {
    const spec = learnable({ rows: 4 })
    const training = await makeTrmTraining({ spec, rowAt: rotated, open: openWithOnnxruntime })
    const first = training.snapshot()
    expect(servedParameters(first)).toEqual(first.parameters)
    await run(training, 1)
    const second = training.snapshot()
    servedParameters(second).forEach((value, i) => {
      const expected = 0.97 * (first.parameters[i] as number) + 0.03 * (second.parameters[i] as number)
      expect(value).toBeCloseTo(expected, 6)
    })
    for (const { frozen, offset, shape } of training.manifest.entries) {
      const part = (values: Float32Array) => values.slice(offset, offset + shape.reduce((a, b) => a * b, 1))
      if (frozen) expect(part(second.parameters)).toEqual(part(first.parameters))
      else expect(part(second.parameters)).not.toEqual(part(first.parameters))
    }
  })

  it("does not take a step whose row is refused or whose loss is no number", async () => {
    const spec = learnable({ rows: 2 })
    const wrong = await makeTrmTraining({
      spec,
      rowAt: () => ({ inputs: [0, 0, 77], labels: [0, 0, 0] }),
      open: openWithOnnxruntime
    })
    expect(Either.flip(await wrong.step()).pipe(Either.getOrThrow)).toMatchObject({
      _tag: "RowRefused",
      row: 0,
      column: "input 2"
    })
    expect(wrong.snapshot().step).toBe(0)

    const broken: Open = async (graph) => {
      const real = await openWithOnnxruntime(graph)
      return async (feeds) => ({ ...(await real(feeds)), losses: Float32Array.of(Number.NaN) })
    }
    const diverging = await makeTrmTraining({ spec, rowAt: rotated, open: broken })
    const before = diverging.snapshot()
    expect(Either.flip(await diverging.step()).pipe(Either.getOrThrow)).toMatchObject({
      _tag: "TrainingDiverged",
      step: 1
    })
    expect(diverging.snapshot()).toBe(before)
  })
})

describe("the optimiser of the Tiny Recursive Model", () => {
  it("is adam-atan2 as the paper's program has it", () => {
    const { optimiser } = publishedTraining(tokens())
    if (optimiser.kind !== "adam-atan2") throw new Error("it is another one")
    const { beta1, beta2, weightDecay } = optimiser
    const size = 6
    const [parameters, first, second, gradient] = ["parameters", "first", "second", "gradient"].map((name) =>
      ops.input(name, [size])
    ) as [Value, Value, Value, Value]
    const rates = ops.input("rates", [rateCount])
    const decayed = ops.constant([size], [1, 1, 1, 1, 1, 0])
    const next = update(optimiser, { parameters, moments: [first, second] }, gradient, rates, decayed)

    type State = readonly [NdArray, NdArray, NdArray]
    let ours: State = [randomArray("p", [size]), ndArray([size]), ndArray([size])]
    const theirs = {
      p: [...ours[0].data],
      m: Array<number>(size).fill(0),
      v: Array<number>(size).fill(0)
    }
    for (let step = 1; step <= 5; step++) {
      const rate = 0.01 * step
      const g = randomArray(`g-${step}`, [size], (x) => x * 10 ** (step - 3))
      g.data[2] = 0
      ours = interpret(
        [next.parameters, ...next.moments],
        new Map([
          [parameters, ours[0]],
          [first, ours[1]],
          [second, ours[2]],
          [gradient, g],
          [rates, ndArray([rateCount], trmRatesOf(optimiser, rate, step))]
        ])
      ) as unknown as State
      for (let i = 0; i < size; i++) {
        const value = g.data[i] as number
        const m = beta1 * (theirs.m[i] as number) + (1 - beta1) * value
        const v = beta2 * (theirs.v[i] as number) + (1 - beta2) * value * value
        const kept = (theirs.p[i] as number) * (i < 5 ? 1 - rate * weightDecay : 1)
        const denominator = Math.sqrt(v) / Math.sqrt(1 - beta2 ** step)
        theirs.p[i] = kept - (rate / (1 - beta1 ** step)) * Math.atan2(m, denominator)
        theirs.m[i] = m
        theirs.v[i] = v
        expect(ours[0].data[i]).toBeCloseTo(theirs.p[i] as number, 6)
      }
    }
  })
})
