import { describe, expect, it } from "@effect/vitest"
import { openWithOnnxruntime } from "../../../src/agents/training-host/onnxruntime.ts"
import {
  type DistillationSpec,
  distillation,
  taughtDataset,
  teacherOutputs,
  teacherSize
} from "../../../src/learning/compression/Distillation.ts"
import { CompressionInvalid } from "../../../src/learning/compression/errors.ts"
import { interpret } from "../../../src/learning/graph/interpret.ts"
import { type NdArray, ndArray } from "../../../src/learning/graph/NdArray.ts"
import { trainableOf } from "../../../src/learning/networks/models.ts"
import type { HeadSpec, NetworkSpec } from "../../../src/learning/networks/NetworkSpec.ts"
import type { Dataset } from "../../../src/learning/training/Dataset.ts"
import { adam } from "../../../src/learning/training/Optimiser.ts"
import { evaluateWith, type Objective, train } from "../../../src/learning/training/Trainer.ts"
import { type Trainable, trainingGraphs } from "../../../src/learning/training/TrainingGraphs.ts"
import { trainingDefaults } from "../../../src/learning/training/TrainingSpec.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"
import { toEnd } from "./networks.ts"

const length = 2
const features = 4
const classes = 4

const classification: HeadSpec = { kind: "classification", classes }
const regression: HeadSpec = { kind: "regression", outputs: 2 }

const student = (head: HeadSpec): NetworkSpec => ({
  length,
  features,
  body: { kind: "mlp", hidden: [16] },
  head
})
const teacher = (head: HeadSpec): NetworkSpec => ({
  length,
  features,
  body: { kind: "mlp", hidden: [64, 64] },
  head
})

const rows = 3

interface Case {
  readonly x: NdArray
  readonly y: NdArray
  readonly teacher: NdArray
}

const caseOf = (head: HeadSpec, key: string): Case => {
  const random = keyedRandom(key)
  const normals = (...shape: ReadonlyArray<number>) => {
    const array = ndArray(shape)
    return { ...array, data: array.data.map(() => random.normal()) }
  }
  const y = head.kind === "classification" ? ndArray([rows, classes]) : normals(rows, 2)
  if (head.kind === "classification") for (let row = 0; row < rows; row++) y.data[row * classes + row] = 1
  return { x: normals(rows, length, features), y, teacher: normals(rows, teacherSize(head)) }
}

/** Loss and gradient in float64. */
const differentiated = (trainable: Trainable, given: Case) => {
  const graphs = trainingGraphs(trainable, { rows, optimiser: adam })
  const arrays: Readonly<Record<string, NdArray>> = {
    ...given,
    weights: ndArray([rows], [1, 1, 1]),
    parameters: ndArray([graphs.manifest.size], graphs.initial(1))
  }
  const feeds = new Map(
    graphs.gradient.inputs.map((input) => {
      const { name } = input.node.attributes as { readonly name: string }
      return [input, arrays[name] as NdArray] as const
    })
  )
  const [loss, gradient] = interpret(
    graphs.gradient.outputs.map(([, value]) => value),
    feeds
  ) as [NdArray, NdArray]
  return { loss: loss.data[0] as number, gradient: gradient.data }
}

const objectiveWith = (head: HeadSpec, spec: DistillationSpec): Objective =>
  distillation(student(head), spec, new Float32Array())

const logitsOf = async (head: HeadSpec, given: Case): Promise<Float32Array> => {
  const graphs = trainingGraphs(trainableOf(student(head)), { rows, optimiser: adam })
  return teacherOutputs({
    network: student(head),
    manifest: graphs.manifest,
    parameters: graphs.initial(1),
    data: {
      rows,
      fill: (index, at, x) => {
        const size = length * features
        x.set(given.x.data.subarray(index * size, (index + 1) * size), at * size)
      },
      weight: () => 1
    },
    open: openWithOnnxruntime,
    batchRows: 2
  })
}

describe("a distilled loss", () => {
  it("is the network's own where the teacher has no part", () => {
    for (const head of [classification, regression]) {
      const given = caseOf(head, "own")
      const own = differentiated(trainableOf(student(head)), given)
      const taught = differentiated(objectiveWith(head, { alpha: 1, temperature: 3 }).trainable, given)
      expect(taught.loss).toBeCloseTo(own.loss, 12)
      taught.gradient.forEach((value, i) => {
        expect(value).toBeCloseTo(own.gradient[i] as number, 12)
      })
    }
  })

  it("is nothing, and flat, where the student already says what the teacher does", async () => {
    for (const head of [classification, regression]) {
      const given = caseOf(head, "same")
      const same = { ...given, teacher: ndArray(given.teacher.shape, await logitsOf(head, given)) }
      const { gradient, loss } = differentiated(
        objectiveWith(head, { alpha: 0, temperature: 2 }).trainable,
        same
      )
      expect(loss).toBeGreaterThanOrEqual(-1e-12)
      expect(loss).toBeLessThan(1e-10)
      expect(Math.max(...gradient.map(Math.abs))).toBeLessThan(1e-5)
    }
  })

  it("is the divergence of Hinton, Vinyals and Dean between softened probabilities", async () => {
    const given = caseOf(classification, "formula")
    const logits = await logitsOf(classification, given)
    const temperature = 2.5
    const softened = (all: ArrayLike<number>, row: number) => {
      const powers = Array.from({ length: classes }, (_, i) =>
        Math.exp((all[row * classes + i] as number) / temperature)
      )
      const sum = powers.reduce((a, b) => a + b, 0)
      return powers.map((power) => power / sum)
    }
    let soft = 0
    let hard = 0
    for (let row = 0; row < rows; row++) {
      const p = softened(given.teacher.data, row)
      const q = softened(logits, row)
      soft += p.reduce((sum, one, i) => sum + one * Math.log(one / (q[i] as number)), 0) / rows
      const powers = Array.from({ length: classes }, (_, i) => Math.exp(logits[row * classes + i] as number))
      hard -= Math.log((powers[row] as number) / powers.reduce((a, b) => a + b, 0)) / rows
    }
    const { loss } = differentiated(
      objectiveWith(classification, { alpha: 0.3, temperature }).trainable,
      given
    )
    expect(loss).toBeCloseTo(0.3 * hard + 0.7 * temperature ** 2 * soft, 5)
  })

  it("has a gradient that does not fade with the temperature", () => {
    const given = caseOf(classification, "temperature")
    const normAt = (temperature: number) => {
      const { gradient } = differentiated(
        objectiveWith(classification, { alpha: 0, temperature }).trainable,
        given
      )
      return Math.sqrt(gradient.reduce((sum, one) => sum + one * one, 0))
    }
    // At high temperatures it matches logits (their equation 4): nothing changes any more.
    expect(normAt(200) / normAt(100)).toBeCloseTo(1, 2)
  })

  it("is another objective with another weight, temperature or teacher", () => {
    const identity = (alpha: number, temperature: number, first: number) =>
      distillation(student(classification), { alpha, temperature }, Float32Array.of(first)).identity
    const all = [identity(0.5, 2, 1), identity(0.4, 2, 1), identity(0.5, 3, 1), identity(0.5, 2, 2)]
    expect(new Set(all).size).toBe(4)
    expect(identity(0.5, 2, 1)).toBe(all[0])
  })

  it("is refused for weights and temperatures that are none, heads without one, and outputs that do not fit", () => {
    for (const spec of [
      { alpha: -0.1, temperature: 1 },
      { alpha: 1.1, temperature: 1 },
      { alpha: Number.NaN, temperature: 1 },
      { alpha: 0.5, temperature: 0 },
      { alpha: 0.5, temperature: Number.POSITIVE_INFINITY }
    ]) {
      expect(() => objectiveWith(classification, spec)).toThrow(CompressionInvalid)
    }
    const gaussian: HeadSpec = { kind: "gaussian", outputs: 1 }
    expect(() => objectiveWith(gaussian, { alpha: 0.5, temperature: 1 })).toThrow(/means and deviations/)
    const data: Dataset = { rows: 2, fill: () => undefined, weight: () => 1 }
    expect(() => taughtDataset(data, new Float32Array(7), classification)).toThrow(
      /7 numbers for 2 rows of 4/
    )
    expect(() => taughtDataset(data, new Float32Array(8).fill(Number.NaN), classification)).toThrow(
      /not finite/
    )
  })
})

/** Classes drawn from probabilities, or numbers with noise, that follow from the rows in a way that is not linear. */
const taskRows = (head: HeadSpec, key: string, count: number): Dataset => {
  const random = keyedRandom("distillation", key)
  const size = length * features
  const x = Float32Array.from({ length: count * size }, () => random.normal())
  const width = head.kind === "classification" ? classes : 2
  const y = new Float32Array(count * width)
  for (let row = 0; row < count; row++) {
    const at = (i: number) => x[row * size + i] as number
    const scores = [at(0) * at(1), at(2) + at(3), Math.abs(at(4)) - at(5), at(6) * at(7)]
    if (head.kind === "classification") {
      const powers = scores.map((score) => Math.exp(1.5 * score))
      let left = random.next() * powers.reduce((a, b) => a + b, 0)
      let drawn = 0
      while (drawn < classes - 1 && left >= (powers[drawn] as number)) left -= powers[drawn++] as number
      y[row * width + drawn] = 1
    } else for (let i = 0; i < 2; i++) y[row * width + i] = (scores[i] as number) + random.normal()
  }
  return {
    rows: count,
    fill: (index, at, toX, toY) => {
      toX.set(x.subarray(index * size, (index + 1) * size), at * size)
      toY.set(y.subarray(index * width, (index + 1) * width), at * width)
    },
    weight: () => 1
  }
}

const trainingOf = (network: NetworkSpec, seed: number, epochsMax: number) => ({
  ...trainingDefaults(network),
  schedule: { kind: "constant", rate: 3e-3, warmUpSteps: 0 } as const,
  epochsMax,
  stepsPerRun: 4,
  seed
})

/** Mean losses of the students over the held-out rows, by seed: on labels alone, and taught as well. */
const compared = async (head: HeadSpec, spec: DistillationSpec) => {
  const many = taskRows(head, "many", 6_000)
  const validation = taskRows(head, "validation", 300)
  const held = taskRows(head, "held out", 2_000)
  const open = openWithOnnxruntime
  const known = await toEnd(
    train({ spec: trainingOf(teacher(head), 1, 8), training: many, validation, open })
  )
  const own = student(head)
  const graphs = trainingGraphs(trainableOf(own), { rows: 50, optimiser: adam })
  const heldOut = evaluateWith(graphs, await open(graphs.evaluate), 50)
  const results: Array<{ readonly alone: number; readonly taught: number }> = []
  for (const seed of [1, 2, 3]) {
    const few = taskRows(head, `few/${seed}`, 300)
    const options = { spec: trainingOf(own, seed, 60), validation, open }
    const alone = await toEnd(train({ ...options, training: few }))
    const outputs = await teacherOutputs({
      network: teacher(head),
      manifest: known.manifest,
      parameters: known.parameters,
      data: few,
      open,
      batchRows: 64
    })
    const taught = await toEnd(
      train({
        ...options,
        training: taughtDataset(few, outputs, head),
        objective: distillation(own, spec, outputs)
      })
    )
    results.push({
      alone: await heldOut(alone.parameters, held),
      taught: await heldOut(taught.parameters, held)
    })
  }
  return results
}

describe("a student whose teacher has seen more", () => {
  it("forecasts classes better than on the same labels alone, for every seed", async () => {
    const results = await compared(classification, { alpha: 0.3, temperature: 2 })
    for (const { alone, taught } of results) expect(taught).toBeLessThan(alone)
  })

  it("forecasts numbers better than on the same targets alone, for every seed", async () => {
    const results = await compared(regression, { alpha: 0.3, temperature: 1 })
    for (const { alone, taught } of results) expect(taught).toBeLessThan(alone)
  })
})
