/** Gradients against finite differences, by the interpreter. */
import { expect } from "@effect/vitest"
import { shapeOf, type Value } from "../../../src/learning/graph/Graph.ts"
import { gradientOf } from "../../../src/learning/graph/gradient.ts"
import { interpret } from "../../../src/learning/graph/interpret.ts"
import { type NdArray, ndArray } from "../../../src/learning/graph/NdArray.ts"
import * as ops from "../../../src/learning/graph/ops.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"

export const randomArray = (
  key: string,
  shape: ReadonlyArray<number>,
  of: (normal: number) => number = (x) => x
): NdArray => {
  const random = keyedRandom("array", key)
  const array = ndArray(shape)
  for (let i = 0; i < array.data.length; i++) array.data[i] = of(random.normal())
  return array
}

/** A scalar in which every element counts differently. */
export const weighted = (value: Value, key = "weights"): Value => {
  const shape = shapeOf(value) as ReadonlyArray<number>
  const { data } = randomArray(key, shape)
  return ops.sumAll(ops.mul(value, ops.constant(shape, data)))
}

/** Compares the gradients of a scalar by its inputs with central differences. */
export const checkGradients = (
  loss: Value,
  feeds: ReadonlyMap<Value, NdArray>,
  { step = 1e-5, tolerance = 1e-6 } = {}
): void => {
  const by = [...feeds.keys()].filter(({ type }) => type.elementType === "float")
  const gradients = interpret(gradientOf(loss, by), feeds)
  by.forEach((input, k) => {
    const { data, shape } = feeds.get(input) as NdArray
    const gradient = gradients[k] as NdArray
    expect(gradient.shape).toEqual(shape)
    for (let i = 0; i < data.length; i++) {
      const at = (shift: number) => {
        const moved = data.slice()
        moved[i] = (moved[i] as number) + shift
        const [value] = interpret([loss], new Map([...feeds, [input, { shape, data: moved }]]))
        return value?.data[0] as number
      }
      const expected = (at(step) - at(-step)) / (2 * step)
      const scale = Math.max(1, Math.abs(expected))
      expect(
        Math.abs((gradient.data[i] as number) - expected) / scale,
        `input ${k}, element ${i}`
      ).toBeLessThan(tolerance)
    }
  })
}
