import { describe, expect, it } from "@effect/vitest"
import { GraphInvalid } from "../../../src/learning/errors.ts"
import { interpret } from "../../../src/learning/graph/interpret.ts"
import { type NdArray, ndArray } from "../../../src/learning/graph/NdArray.ts"
import * as ops from "../../../src/learning/graph/ops.ts"
import { manifestOf, trainingBuilder } from "../../../src/learning/graph/Parameters.ts"
import { rotaryAttention, rotation } from "../../../src/learning/layers/rotaryAttention.ts"
import { checkGradients, randomArray, weighted } from "../graph/check.ts"

const sizes = { places: 3, width: 8, heads: 2 }
const size = sizes.width / sizes.heads
const theta = 100

const attended = (isRotary: boolean) => {
  const rotate = isRotary ? rotation(sizes.places, size, theta) : undefined
  const manifest = manifestOf((b) => rotaryAttention(b, "attention", sizes, rotate))
  const parameters = ops.input("parameters", [manifest.size])
  const x = ops.input("x", [2 * sizes.places, sizes.width])
  const { builder } = trainingBuilder(manifest, parameters)
  return { parameters, x, manifest, y: rotaryAttention(builder, "attention", sizes, rotate)(x) }
}

/** The definition, one row and head at a time. */
const byDefinition = (x: Float64Array, weights: Float64Array, isRotary: boolean): Float64Array => {
  const { heads, places, width } = sizes
  const turned = (vector: ReadonlyArray<number>, place: number) =>
    vector.map((value, i) => {
      const half = size / 2
      const angle = isRotary ? place / theta ** ((2 * (i % half)) / size) : 0
      const other = i < half ? -(vector[i + half] as number) : (vector[i - half] as number)
      return value * Math.cos(angle) + other * Math.sin(angle)
    })
  const dot = (a: ReadonlyArray<number>, b: ReadonlyArray<number>) =>
    a.reduce((sum, value, i) => sum + value * (b[i] as number), 0)
  const result = new Float64Array(x.length)
  const out = weights.subarray(3 * width * width)
  for (let row = 0; row < 2; row++) {
    const mixed: Array<Array<number>> = Array.from({ length: places }, () => [])
    for (let head = 0; head < heads; head++) {
      const part = (kind: number, place: number) =>
        Array.from({ length: size }, (_, i) => {
          const column = kind * width + head * size + i
          const from = x.subarray((row * places + place) * width, (row * places + place + 1) * width)
          return from.reduce((sum, value, k) => sum + value * (weights[k * 3 * width + column] as number), 0)
        })
      for (let place = 0; place < places; place++) {
        const query = turned(part(0, place), place)
        const all = Array.from({ length: places }, (_, at) =>
          Math.exp(dot(query, turned(part(1, at), at)) / Math.sqrt(size))
        )
        const total = all.reduce((sum, value) => sum + value, 0)
        for (let i = 0; i < size; i++) {
          mixed[place]?.push(
            all.reduce((sum, value, at) => sum + (value / total) * (part(2, at)[i] as number), 0)
          )
        }
      }
    }
    mixed.forEach((vector, place) => {
      for (let j = 0; j < width; j++) {
        const column = Array.from({ length: width }, (_, i) => out[i * width + j] as number)
        result[(row * places + place) * width + j] = dot(vector, column)
      }
    })
  }
  return result
}

describe("rotaryAttention", () => {
  for (const isRotary of [false, true]) {
    it(`is its definition ${isRotary ? "with" : "without"} rotary positions`, () => {
      const { manifest, parameters, x, y } = attended(isRotary)
      const [given, weights] = [randomArray("x", [6, 8]), randomArray("parameters", [manifest.size])]
      const [result] = interpret(
        [y],
        new Map([
          [x, given],
          [parameters, weights]
        ])
      ) as [NdArray]
      byDefinition(given.data, weights.data, isRotary).forEach((value, i) => {
        expect(result.data[i]).toBeCloseTo(value, 10)
      })
    })

    it(`has the gradients of that ${isRotary ? "with" : "without"} rotary positions`, () => {
      const { manifest, parameters, x, y } = attended(isRotary)
      checkGradients(
        weighted(y),
        new Map([
          [x, randomArray("x", [6, 8], (value) => value / 2)],
          [parameters, randomArray("parameters", [manifest.size], (value) => value / 2)]
        ])
      )
    })
  }

  it("sees by rotary positions how far two places are apart, and not where they are", () => {
    const places = 6
    const rotate = rotation(places, size, theta)
    const x = ops.input("x", [1, 1, places, size])
    const [query, key] = [randomArray("query", [size]).data, randomArray("key", [size]).data]
    const productAt = (i: number, j: number) => {
      const vectors = ndArray([1, 1, places, size])
      vectors.data.set(query, i * size)
      const others = ndArray([1, 1, places, size])
      others.data.set(key, j * size)
      const at = (array: NdArray, place: number) => {
        const [turned] = interpret([rotate(x)], new Map([[x, array]])) as [NdArray]
        return turned.data.slice(place * size, (place + 1) * size)
      }
      const [a, b] = [at(vectors, i), at(others, j)]
      return a.reduce((sum, value, k) => sum + value * (b[k] as number), 0)
    }
    for (const apart of [0, 1, 3]) {
      for (let i = 0; i + apart < places; i++) {
        expect(productAt(i, i + apart)).toBeCloseTo(productAt(0, apart), 12)
      }
    }
    expect(Math.abs(productAt(0, 1) - productAt(0, 3))).toBeGreaterThan(1e-3)
  })

  it("refuses heads that do not share out the width, and vectors without halves", () => {
    expect(() => manifestOf((b) => rotaryAttention(b, "attention", { ...sizes, heads: 3 }))).toThrow(
      GraphInvalid
    )
    expect(() => rotation(3, 5, theta)).toThrow(GraphInvalid)
  })
})
