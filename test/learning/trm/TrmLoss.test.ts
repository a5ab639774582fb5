import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import { gradientOf } from "../../../src/learning/graph/gradient.ts"
import { interpret } from "../../../src/learning/graph/interpret.ts"
import { type NdArray, ndArray } from "../../../src/learning/graph/NdArray.ts"
import * as ops from "../../../src/learning/graph/ops.ts"
import { ignoredLabel, stableMax, trmLosses } from "../../../src/learning/trm/TrmLoss.ts"
import { checkGradients, randomArray } from "../graph/check.ts"
import { runOnnx } from "../graph/onnx.ts"

const rows = 3
const answers = 4
const classes = 5

const logits = ops.input("logits", [rows, answers, classes])
const halting = ops.input("halting", [rows])
const labels = ops.input("labels", [rows, answers], "int64")
const losses = trmLosses(logits, halting, labels)

/** Some answers have no label, and a row has none at all. */
const given = ndArray(
  [rows, answers],
  [0, 4, ignoredLabel, 2, 1, 1, 3, ignoredLabel, ...Array(4).fill(ignoredLabel)]
)

const s = (v: number) => (v >= 0 ? v + 1 : 1 / (1 - v))

const feedsOf = (values: NdArray, q: NdArray, of: NdArray = given) =>
  new Map([
    [logits, values],
    [halting, q],
    [labels, of]
  ])

const finite = (size: number, most = 50) =>
  fc.array(fc.double({ min: -most, max: most, noNaN: true }), { minLength: size, maxLength: size })

describe("stable-max", () => {
  const x = ops.input("x", [classes])
  const probabilities = stableMax(x)
  const of = (values: ReadonlyArray<number>) =>
    interpret([probabilities], new Map([[x, ndArray([classes], values)]]))[0]?.data as Float64Array

  it("is a distribution in the order of the logits", () => {
    fc.assert(
      fc.property(finite(classes, 1e6), (values) => {
        const p = of(values)
        expect(p.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 12)
        values.forEach((a, i) => {
          values.forEach((b, j) => {
            if (a > b) expect(p[i]).toBeGreaterThanOrEqual(p[j] as number)
          })
        })
      })
    )
  })

  it("is its definition, on both sides of 0 and on it", () => {
    const values = [-3, -0.5, 0, 0.5, 7]
    const total = values.map(s).reduce((sum, value) => sum + value, 0)
    of(values).forEach((p, i) => {
      expect(p).toBeCloseTo(s(values[i] as number) / total, 14)
    })
  })
})

describe("the loss of a supervision step", () => {
  it("is the mean of the labelled answers' cross-entropies and half that of halting", () => {
    fc.assert(
      fc.property(finite(rows * answers * classes), finite(rows, 20), (values, q) => {
        const found = interpret(
          [losses.answer, losses.halt, losses.total, losses.isRight],
          feedsOf(ndArray([rows, answers, classes], values), ndArray([rows], q))
        )
        for (let row = 0; row < rows; row++) {
          let sum = 0
          let count = 0
          let isRight = true
          for (let k = 0; k < answers; k++) {
            const label = given.data[row * answers + k] as number
            if (label === ignoredLabel) continue
            const own = values.slice((row * answers + k) * classes, (row * answers + k + 1) * classes)
            const total = own.map(s).reduce((all, value) => all + value, 0)
            sum -= Math.log(s(own[label] as number) / total)
            count++
            isRight &&= own[label] === Math.max(...own)
          }
          const target = isRight ? 1 : 0
          const logit = q[row] as number
          const halt = Math.max(logit, 0) - logit * target + Math.log1p(Math.exp(-Math.abs(logit)))
          const answer = sum / Math.max(1, count)
          expect(found[0]?.data[row]).toBeCloseTo(answer, 9)
          expect(found[1]?.data[row]).toBeCloseTo(halt, 9)
          expect(found[2]?.data[row]).toBeCloseTo(answer + halt / 2, 9)
          expect(found[3]?.data[row]).toBe(target)
        }
      })
    )
  })

  it("says that a row is right when all labelled answers are", () => {
    const values = ndArray([rows, answers, classes])
    given.data.forEach((label, k) => {
      if (label !== ignoredLabel) values.data[k * classes + label] = 2
    })
    const isRight = (array: NdArray) => [
      ...(interpret([losses.isRight], feedsOf(array, ndArray([rows])))[0]?.data ?? [])
    ]
    expect(isRight(values)).toEqual([1, 1, 1])
    // One wrong answer of the second row.
    values.data[4 * classes + 3] = 3
    expect(isRight(values)).toEqual([1, 0, 1])
  })

  it("has the gradients of that", () => {
    const feeds = feedsOf(randomArray("logits", [rows, answers, classes]), randomArray("q", [rows]))
    checkGradients(ops.sumAll(losses.total), feeds)
  })

  it("has finite gradients at 0, at 1 and far out, by onnxruntime too", async () => {
    const values = ndArray([rows, answers, classes])
    values.data.forEach((_, i) => {
      values.data[i] = [0, 1, -1, 1e6, -1e6][i % 5] as number
    })
    const feeds = feedsOf(values, ndArray([rows], [0, 80, -80]))
    const outputs = [losses.total, ...gradientOf(ops.sumAll(losses.total), [logits, halting])]
    for (const results of [interpret(outputs, feeds), await runOnnx(outputs, feeds)]) {
      for (const { data } of results) expect(data.every(Number.isFinite)).toBe(true)
    }
  })

  it("tells apart, in float64, what float32 would not", async () => {
    // The logarithm of a probability next to 1.
    const values = ndArray([rows, answers, classes])
    values.data.fill(-1e5)
    for (let k = 0; k < rows * answers; k++) values.data[k * classes] = 1e5
    const zeros = ndArray([rows, answers])
    const [byOnnx] = await runOnnx([losses.answer], feedsOf(values, ndArray([rows]), zeros))
    const [expected] = interpret([losses.answer], feedsOf(values, ndArray([rows]), zeros))
    expect(expected?.data[0]).toBeGreaterThan(0)
    expect((byOnnx?.data[0] as number) / (expected?.data[0] as number)).toBeCloseTo(1, 5)
  })
})
