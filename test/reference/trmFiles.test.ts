/**
 * The Tiny Recursive Model is the paper's program, number for number: every golden file, step of supervision by step,
 * by onnxruntime in float32 and by the interpreter in float64.
 */
import { beforeAll, describe, expect, it } from "@effect/vitest"
import { openWithOnnxruntime } from "../../src/agents/training-host/onnxruntime.ts"
import type { Value } from "../../src/learning/graph/Graph.ts"
import { interpret } from "../../src/learning/graph/interpret.ts"
import { ndArray } from "../../src/learning/graph/NdArray.ts"
import { adamAtan2 } from "../../src/learning/training/Optimiser.ts"
import type { Fed, Open, Run } from "../../src/learning/training/Trainer.ts"
import { type TrainingGraphs, trainingGraphs } from "../../src/learning/training/TrainingGraphs.ts"
import { ignoredLabel } from "../../src/learning/trm/TrmLoss.ts"
import { trmOutputs, trmTrainable } from "../../src/learning/trm/TrmTrainable.ts"
import {
  computedNames,
  type Golden,
  goldenFiles,
  placed,
  readGolden,
  skippedTitle,
  specOf
} from "./trmGolden.ts"

const logitsTolerance = 1e-3
const gradientTolerance = 1e-3
/** Products of two numbers that the interpreter is asked for: some tens of seconds. */
const interpretedProductsMax = 5e9

/** The interpreter as what runs graphs. */
const openInterpreter: Open = async (spec) => async (feeds) => {
  const fed = spec.inputs.map((value: Value) => {
    const { name } = value.node.attributes as { readonly name: string }
    const { data, shape } = feeds[name] as Fed
    return [value, ndArray(shape, data)] as const
  })
  const results = interpret(
    spec.outputs.map(([, value]) => value),
    new Map(fed)
  )
  return Object.fromEntries(
    spec.outputs.map(([name], i) => [name, Float32Array.from(results[i]?.data ?? [])])
  )
}

type Results = Readonly<Record<string, Float32Array>>

const flat = (values: ReadonlyArray<unknown>): ReadonlyArray<number> =>
  values.flat(Number.POSITIVE_INFINITY) as ReadonlyArray<number>

const largestDifference = (actual: ArrayLike<number>, expected: ReadonlyArray<number>): number => {
  expect(actual.length).toBe(expected.length)
  return expected.reduce((most, value, i) => Math.max(most, Math.abs((actual[i] as number) - value)), 0)
}

const norm = (values: ArrayLike<number>): number =>
  Math.sqrt(Array.from(values).reduce((sum, value) => sum + value * value, 0))

const sumOf = (values: Float32Array): number => values.reduce((sum, value) => sum + value, 0)

const resultsOf = async (
  golden: Golden,
  graphs: TrainingGraphs,
  run: Run
): Promise<ReadonlyArray<Results>> => {
  const { batch, hidden, seq_len } = golden.config
  const parameters = new Float32Array(graphs.manifest.size)
  const weights = placed(graphs.manifest, golden.weights)
  for (const { offset, values } of weights) parameters.set(values, offset)
  const stateOf = (name: string) => {
    const initial = weights.find((one) => one.name === name)?.values ?? []
    return Float32Array.from({ length: batch * seq_len * hidden }, (_, i) => initial[i % hidden] as number)
  }
  let [y, z] = [stateOf("y-initial"), stateOf("z-initial")]
  const results: Array<Results> = []
  for (const _ of golden.steps) {
    const state = [batch, seq_len, hidden]
    const result = await run({
      parameters: { shape: [parameters.length], data: parameters },
      inputs: { shape: [batch, seq_len], data: Float32Array.from(flat(golden.inputs)) },
      labels: { shape: [batch, seq_len], data: Float32Array.from(flat(golden.labels)) },
      y: { shape: state, data: y },
      z: { shape: state, data: z },
      weights: { shape: [batch], data: new Float32Array(batch).fill(1) }
    })
    results.push(result)
    y = Float32Array.from(result[trmOutputs.y] as Float32Array)
    z = Float32Array.from(result[trmOutputs.z] as Float32Array)
  }
  return results
}

const engines = { "by onnxruntime": openWithOnnxruntime, "by the interpreter": openInterpreter } as const

describe.skipIf(goldenFiles.length === 0)(
  goldenFiles.length === 0 ? skippedTitle("the Tiny Recursive Model") : "the Tiny Recursive Model",
  () => {
    describe.each(goldenFiles)("%s", (_, path) => {
      const golden = readGolden(path)
      const graphs = trainingGraphs(trmTrainable(specOf(golden)), {
        rows: golden.config.batch,
        optimiser: adamAtan2
      })

      it("has every weight of the file, and no other", () => {
        const ours = placed(graphs.manifest, golden.weights)
        expect(ours.length).toBe(graphs.manifest.entries.length)
        const theirs = Object.keys(golden.weights).filter(
          (name) => !(computedNames as ReadonlyArray<string>).includes(name)
        )
        expect(ours.map((one) => one.theirs).sort()).toEqual(theirs.sort())
        expect(golden.ignore_label).toBe(ignoredLabel)
        expect(golden.steps.length).toBeGreaterThan(0)
      })

      const { T, batch, n, seq_len } = golden.config
      // Forward by every recursion, and back by the last.
      const passes = (T + 2) * (n + 1) * golden.steps.length
      const products = graphs.manifest.size * seq_len * batch * passes
      const chosen = Object.entries(engines).filter(
        ([name]) => name === "by onnxruntime" || products < interpretedProductsMax
      )

      describe.each(chosen)("%s", (_engine, open) => {
        const found: Array<Results> = []
        const of = (step: number, name: string) => found[step]?.[name] as Float32Array

        beforeAll(async () => {
          found.push(...(await resultsOf(golden, graphs, await open(graphs.gradient))))
        })

        describe.each(golden.steps.map((step, i) => [step.step, i, step] as const))(
          "step %i",
          (_step, i, expected) => {
            it("gives its logits, and whether to halt", () => {
              const data = of(i, trmOutputs.logits)
              expect(largestDifference(data, flat(expected.logits))).toBeLessThan(logitsTolerance)
              expect(largestDifference(of(i, trmOutputs.halting), expected.q_halt_logits)).toBeLessThan(
                logitsTolerance
              )
              const classes = golden.config.vocab_size
              const predictions = flat(expected.preds).map((_class, place) => {
                const row = Array.from(data).slice(place * classes, (place + 1) * classes)
                return row.indexOf(Math.max(...row))
              })
              expect(predictions).toEqual(flat(expected.preds))
            })

            it("gives its states", () => {
              expect(largestDifference(of(i, trmOutputs.y), flat(expected.z_y))).toBeLessThan(logitsTolerance)
              expect(largestDifference(of(i, trmOutputs.z), flat(expected.z_latent))).toBeLessThan(
                logitsTolerance
              )
            })

            it("gives its losses", () => {
              const rows = golden.config.batch
              const near = (actual: number, sum: number) =>
                expect(Math.abs(actual - sum)).toBeLessThan(1e-3 * Math.max(1, Math.abs(sum)))
              near(sumOf(of(i, trmOutputs.answerLosses)), expected.lm_loss)
              near(sumOf(of(i, trmOutputs.haltLosses)), expected.q_halt_loss)
              near(rows * sumOf(of(i, "loss")), expected.total_loss)
            })

            if (expected.grad === undefined || expected.grad === null) return
            it("gives its gradients", () => {
              const gradients = placed(graphs.manifest, expected.grad ?? {})
              expect(gradients.length).toBe(Object.keys(expected.grad ?? {}).length)
              const data = of(i, "gradient")
              for (const { name, offset, rest, values } of gradients) {
                const ours = values.map((_value, k) => golden.config.batch * (data[offset + k] as number))
                const difference = norm(values.map((value, k) => value - (ours[k] as number)))
                expect(difference / norm(values), name).toBeLessThan(gradientTolerance)
                expect(norm(rest), name).toBe(0)
              }
            })
          }
        )

        it("gives gradients at the first and the last step", () => {
          expect(golden.steps.at(0)?.grad).toBeTruthy()
          expect(golden.steps.at(-1)?.grad).toBeTruthy()
        })
      })
    })
  }
)
