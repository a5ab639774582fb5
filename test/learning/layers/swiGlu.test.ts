import { describe, expect, it } from "@effect/vitest"
import { interpret } from "../../../src/learning/graph/interpret.ts"
import type { NdArray } from "../../../src/learning/graph/NdArray.ts"
import * as ops from "../../../src/learning/graph/ops.ts"
import { manifestOf, trainingBuilder } from "../../../src/learning/graph/Parameters.ts"
import { swiGlu, swiGluInner } from "../../../src/learning/layers/swiGlu.ts"
import { checkGradients, randomArray, weighted } from "../graph/check.ts"

const size = 3
const inner = 4
const { entries, size: count } = manifestOf((b) => swiGlu(b, "gated", size, inner))
const parameters = ops.input("parameters", [count])
const x = ops.input("x", [2, size])
const y = swiGlu(trainingBuilder({ entries, size: count }, parameters).builder, "gated", size, inner)(x)

describe("swiGlu", () => {
  it("is the product of a gate and a linear layer, projected back", () => {
    const given = randomArray("x", [2, size])
    const weights = randomArray("parameters", [count])
    const [result] = interpret(
      [y],
      new Map([
        [x, given],
        [parameters, weights]
      ])
    ) as [NdArray]
    const [gateUp, down] = entries.map(
      ({ offset }) =>
        (i: number, j: number, columns: number) =>
          weights.data[offset + i * columns + j] as number
    ) as [
      (i: number, j: number, columns: number) => number,
      (i: number, j: number, columns: number) => number
    ]
    for (let row = 0; row < 2; row++) {
      const into = (j: number) =>
        [0, 1, 2].reduce(
          (sum, i) => sum + (given.data[row * size + i] as number) * gateUp(i, j, 2 * inner),
          0
        )
      const hidden = [0, 1, 2, 3].map((j) => (into(j) / (1 + Math.exp(-into(j)))) * into(inner + j))
      for (let i = 0; i < size; i++) {
        const expected = hidden.reduce((sum, value, j) => sum + value * down(j, i, size), 0)
        expect(result.data[row * size + i]).toBeCloseTo(expected, 12)
      }
    }
  })

  it("has the gradients of that", () => {
    checkGradients(
      weighted(y),
      new Map([
        [x, randomArray("x", [2, size])],
        [parameters, randomArray("parameters", [count])]
      ])
    )
  })

  it("is as wide inside as published: two thirds of the expansion, rounded up to a multiple", () => {
    expect([16, 64, 96, 97, 512].map((width) => swiGluInner(width, 4, 256))).toEqual([
      256, 256, 256, 512, 1536
    ])
    expect(swiGluInner(64, 4, 32)).toBe(192)
  })
})
