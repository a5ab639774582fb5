/**
 * Training steps and predictions of the mission's networks by onnxruntime, one thread each, beside PyTorch (where some
 * Python has it) and TensorFlow.js on the same sizes. A step is all of it: masks made by the host, batch in, gradient, Adam, parameters
 * out. Windows are interleaved, ours and theirs in turn.
 */
import { InferenceSession, Tensor } from "onnxruntime-node"
import type { Manifest } from "../src/learning/graph/Parameters.ts"
import type { OnnxSpec } from "../src/learning/graph/toOnnx.ts"
import { toOnnx } from "../src/learning/graph/toOnnx.ts"
import { servingSpec, trainableOf } from "../src/learning/networks/models.ts"
import {
  type NetworkSpec,
  patternRecogniser,
  pricePredictor,
  transformerPredictor
} from "../src/learning/networks/NetworkSpec.ts"
import { encode } from "../src/learning/onnx/OnnxFile.ts"
import { fillMask } from "../src/learning/training/masks.ts"
import { adam, ratesOf } from "../src/learning/training/Optimiser.ts"
import { type Trainable, trainingGraphs } from "../src/learning/training/TrainingGraphs.ts"
import { trmServingSpec } from "../src/learning/trm/TrmServing.ts"
import { classesOf, inputsOf, strategyTrm, type TrmSpec } from "../src/learning/trm/TrmSpec.ts"
import { trmTrainable } from "../src/learning/trm/TrmTrainable.ts"
import { type Bench, line, print, ratio, spread } from "./support/report.ts"
import { tensorFlowName, timeGradient } from "./support/tensorFlow.ts"
import { startTorch } from "./support/torch.ts"

const rows = 32

interface Work {
  readonly name: "lstm" | "cnn" | "dqn" | "transformer" | "trm"
  readonly trainable: Trainable
  /** Classes that labels or targets name; 0 for numbers. */
  readonly classes: number
  /** Of one row to predict. */
  readonly shape: ReadonlyArray<number>
  readonly serving: (manifest: Manifest, parameters: Float32Array) => OnnxSpec
  /** Steps in one run. */
  readonly fused: number
  /** Steps in a window. */
  readonly steps: number
  readonly predictions: number
  readonly aim: string
}

/** A network by its spec. */
const network = (spec: NetworkSpec): Pick<Work, "trainable" | "classes" | "shape" | "serving"> => ({
  trainable: trainableOf(spec),
  classes: spec.head.kind === "classification" ? spec.head.classes : 0,
  shape: [spec.length, spec.features],
  serving: (manifest, parameters) => {
    const normalisation = { means: Array(spec.features).fill(0), deviations: Array(spec.features).fill(1) }
    return servingSpec(spec, manifest, parameters, normalisation)
  }
})

/** The Tiny Recursive Model over features, as shipped: a step of supervision is trained, and asked. */
const recursive = ({ sizes, task }: TrmSpec): Pick<Work, "trainable" | "classes" | "shape" | "serving"> => {
  const names = (count: number) => Array.from({ length: count }, (_, i) => `name${i}`)
  return {
    trainable: trmTrainable({ sizes, task }),
    classes: classesOf(task),
    shape: [inputsOf(task)],
    serving: (manifest, parameters) =>
      trmServingSpec({
        sizes,
        manifest,
        parameters,
        normalisation: { means: Array(inputsOf(task)).fill(0), deviations: Array(inputsOf(task)).fill(1) },
        featureNames: names(inputsOf(task)),
        classNames: names(classesOf(task)),
        supervisionSteps: 1
      })
  }
}

const works: ReadonlyArray<Work> = [
  { name: "lstm", ...network(pricePredictor), fused: 1, steps: 12, predictions: 100, aim: "1.1, aim 1.3" },
  { name: "cnn", ...network(patternRecogniser), fused: 4, steps: 80, predictions: 400, aim: "1.2, aim 1.5" },
  {
    name: "dqn",
    ...network({
      length: 1,
      features: 10,
      body: { kind: "mlp", hidden: [128, 128] },
      head: { kind: "regression", outputs: 3 }
    }),
    fused: 100,
    steps: 1_000,
    predictions: 2_000,
    aim: "2, aim 3"
  },
  {
    name: "transformer",
    ...network(transformerPredictor),
    fused: 1,
    steps: 3,
    predictions: 30,
    aim: "1.0, aim 1.3"
  },
  { name: "trm", ...recursive(strategyTrm), fused: 1, steps: 30, predictions: 200, aim: "1.0, aim 1.3" }
]

const create = (spec: OnnxSpec): Promise<InferenceSession> =>
  InferenceSession.create(encode(toOnnx(spec)), {
    executionProviders: ["cpu"],
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 3
  })

const countOf = (shape: ReadonlyArray<number>) => shape.reduce((product, size) => product * size, 1)
const floats = (shape: ReadonlyArray<number>, data: Float32Array) => new Tensor("float32", data, [...shape])

/** Numbers that are neither zero nor all alike; what they are does not matter to the time a step takes. */
const filler = (count: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => Math.sin(i * 0.37))

const trainer = async ({ classes, fused, trainable }: Work) => {
  const graphs = trainingGraphs(trainable, { rows, optimiser: adam })
  const { size } = graphs.manifest
  const session = await create(graphs.steps(fused))
  let parameters = graphs.initial(1)
  let moments = [new Float32Array(size), new Float32Array(size)]
  const batch = graphs.fields.map(({ name, shape }) => {
    const whole = [fused, ...shape]
    const count = countOf(whole)
    const values =
      name === "labels" ? Float32Array.from({ length: count }, (_, i) => i % classes) : filler(count)
    if (name === "weights") values.fill(1)
    // Classes of a network are given as probabilities; the states of a recursive one are numbers.
    if (name === "y" && classes > 0 && shape.length === 2) {
      values.fill(0)
      for (let row = 0; row < fused * rows; row++) values[row * classes + (row % classes)] = 1
    }
    return [name, floats(whole, values)] as const
  })
  const masks = graphs.masks.map((mask) => ({
    ...mask,
    values: new Float32Array(fused * countOf(mask.shape))
  }))
  let step = 0
  let loss = Number.NaN
  return async (count: number): Promise<number> => {
    const begin = performance.now()
    for (let done = 0; done < count; done += fused) {
      const rates = new Float32Array(fused * 4)
      for (let k = 0; k < fused; k++) rates.set(ratesOf(adam, 1e-3, step + k + 1), k * 4)
      for (const { name, rate, values } of masks) fillMask(values, rate, 1, step, name)
      const results = await session.run({
        ...Object.fromEntries(batch),
        ...Object.fromEntries(
          masks.map(({ name, shape, values }) => [name, floats([fused, ...shape], values)])
        ),
        parameters: floats([size], parameters),
        moment0: floats([size], moments[0] as Float32Array),
        moment1: floats([size], moments[1] as Float32Array),
        rates: floats([fused, 4], rates)
      })
      const of = (name: string) => (results[name] as Tensor).data as Float32Array
      parameters = of("next-parameters") as Float32Array<ArrayBuffer>
      moments = [
        of("next-moment0") as Float32Array<ArrayBuffer>,
        of("next-moment1") as Float32Array<ArrayBuffer>
      ]
      loss = of("losses")[0] as number
      step += fused
    }
    if (!Number.isFinite(loss)) throw new Error(`the loss is ${loss}`)
    return (performance.now() - begin) / count
  }
}

const predictor = async ({ serving, shape, trainable }: Work) => {
  const graphs = trainingGraphs(trainable, { rows, optimiser: adam })
  const session = await create(serving(graphs.manifest, graphs.initial(1)))
  return async (size: number, runs: number): Promise<number> => {
    const whole = [size, ...shape]
    const features = floats(whole, filler(countOf(whole)))
    const begin = performance.now()
    for (let i = 0; i < runs; i++) await session.run({ features })
    return (performance.now() - begin) / runs
  }
}

export const learning: Bench = {
  name: "learning",
  run: async ({ root, smoke }) => {
    const torch = await startTorch(root)
    print(
      `learning: one thread each, batch ${rows}; ${torch?.build ?? "no PyTorch here: apt-get install python3-torch"}`
    )
    const windows = smoke ? 2 : 5
    const share = smoke ? 0.1 : 1
    for (const work of works) {
      const train = await trainer(work)
      const steps = Math.max(work.fused, Math.round((work.steps * share) / work.fused) * work.fused)
      await train(work.fused)
      await torch?.ask({ name: work.name, steps: 2 })
      const ours: Array<number> = []
      const theirs: Array<number> = []
      for (let window = 0; window < windows; window++) {
        ours.push(await train(steps))
        if (torch !== undefined) theirs.push(await torch.ask({ name: work.name, steps }))
      }
      print(` ${work.name}`)
      line("training step, ours", spread(ours, "ms"), work.fused > 1 ? `${work.fused} steps a run` : "")
      if (torch !== undefined) {
        line("training step, PyTorch", spread(theirs, "ms"))
        line("times faster", spread(ratio(theirs, ours), ""), `to reach ${work.aim}`)
      }
      // A step of the larger ones takes it from ten seconds to minutes: one has to do.
      if (!smoke || work.name === "dqn") {
        const graphs = trainingGraphs(work.trainable, { rows, optimiser: adam })
        const elapsed = await timeGradient(graphs, (name, count) => {
          if (name === "weights") return new Float32Array(count).fill(1)
          return name === "labels" ? new Float32Array(count) : filler(count)
        })
        line(`gradient alone, ${tensorFlowName}`, `${elapsed.toFixed(elapsed < 100 ? 1 : 0)} ms`, "once")
      }
      const predict = await predictor(work)
      for (const size of [1, 64]) {
        const runs = Math.max(3, Math.round((work.predictions * share) / (size === 1 ? 1 : 20)))
        await predict(size, 2)
        await torch?.ask({ name: work.name, rows: size, runs: 2 })
        const own: Array<number> = []
        const other: Array<number> = []
        for (let window = 0; window < windows; window++) {
          own.push((await predict(size, runs)) / size)
          if (torch !== undefined) other.push((await torch.ask({ name: work.name, rows: size, runs })) / size)
        }
        line(`prediction at batch ${size}, ours`, spread(own, "ms a sample"))
        if (torch !== undefined) line(`prediction at batch ${size}, PyTorch`, spread(other, "ms a sample"))
      }
    }
    torch?.end()
  }
}
