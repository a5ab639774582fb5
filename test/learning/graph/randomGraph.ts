/**
 * Graphs drawn at random, with loops in them and loops in those, to hold two ways of running or differentiating them
 * against each other. Values stay small, and none stands on a corner (two equal maxima, say), where gradients may
 * rightly differ.
 */
import { shapeOf, type Value } from "../../../src/learning/graph/Graph.ts"
import type { NdArray } from "../../../src/learning/graph/NdArray.ts"
import * as ops from "../../../src/learning/graph/ops.ts"
import { scan } from "../../../src/learning/graph/scan.ts"
import { broadcastShapes, sameShape } from "../../../src/learning/graph/TensorType.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"
import { randomArray, weighted } from "./check.ts"

type Sizes = ReadonlyArray<number>

const sizesOf = (value: Value) => shapeOf(value) as Sizes
const onePlusSquare = (x: Value) => ops.add(ops.mul(x, x), 1)
const apart = (x: Value) => ops.add(x, ops.constant(sizesOf(x), randomArray("apart", sizesOf(x)).data))

const ofOne: ReadonlyArray<(x: Value) => Value> = [
  ops.neg,
  (x) => ops.exp(ops.tanh(x)),
  (x) => ops.log(onePlusSquare(x)),
  (x) => ops.sqrt(onePlusSquare(x)),
  (x) => ops.pow(onePlusSquare(x), -0.7),
  ops.tanh,
  ops.sigmoid,
  ops.softplus,
  ops.erf,
  ops.atan,
  ops.sin,
  ops.cos,
  ops.relu,
  ops.abs,
  ops.stopGradient
]

const ofTwo: ReadonlyArray<(a: Value, b: Value) => Value> = [
  ops.add,
  ops.sub,
  (a, b) => ops.tanh(ops.mul(a, b)),
  (a, b) => ops.div(a, onePlusSquare(b)),
  (a, b) => ops.max(a, ops.add(b, 0.0123)),
  (a, b) => ops.min(a, ops.add(b, 0.0123)),
  (a, b) => ops.where(ops.greater(a, b), ops.tanh(a), b)
]

const ofAxis: ReadonlyArray<(x: Value, axis: number, size: number) => Value> = [
  (x, axis) => ops.reduceSum(x, [axis]),
  (x, axis) => ops.reduceMean(x, [axis], true),
  (x, axis) => ops.reduceMax(apart(x), [axis]),
  (x, axis) => ops.softmax(x, axis),
  (x, axis) => ops.logSoftmax(x, axis),
  (x, axis, size) => ops.pad(ops.slice(x, axis, size - 1, size), axis, size - 1, 0),
  (x, axis, size) => ops.concat([ops.slice(x, axis, size - 1, size), ops.slice(x, axis, 0, size)], axis),
  (x) => ops.gather(x, ops.constant([3], [0, (sizesOf(x)[0] as number) - 1, 0], "int64")),
  (x) => ops.reshape(ops.transpose(ops.tanh(x), [...sizesOf(x).keys()].reverse()), [-1])
]

/** The value, or something of that shape that depends on all of it. */
const fitted = (value: Value, shape: Sizes): Value =>
  sameShape(sizesOf(value), shape)
    ? value
    : ops.tanh(ops.broadcastLike(ops.mul(ops.sumAll(value), 0.3), ops.zeros(shape)))

const depthMax = 2
const nodesMax = 8

export interface RandomGraph {
  readonly inputs: ReadonlyArray<Value>
  readonly feeds: ReadonlyMap<Value, NdArray>
  /** Depends on every input. */
  readonly loss: Value
}

export const randomGraph = (seed: number): RandomGraph => {
  const random = keyedRandom(seed, "graph")
  const below = (count: number) => Math.floor(random.next() * count)
  const pick = <A>(list: ReadonlyArray<A>): A => list[below(list.length)] as A

  const first = ([[2, 3], [2, 3], [3], [2, 1], [1, 3], []] as ReadonlyArray<Sizes>).map((shape, i) =>
    ops.input(`x${i}`, shape)
  )
  const weights = ops.input("weights", [3, 3])
  const sequences = [ops.input("xs", [4, 2, 3]), ops.input("ys", [4, 3])]
  const inputs = [...first, weights, ...sequences]

  const loop = (pool: ReadonlyArray<Value>, depth: number): ReadonlyArray<Value> => {
    const states = pick([
      [],
      [fitted(pick(pool), [2, 3])],
      [fitted(pick(pool), [2, 3]), fitted(pick(pool), pick<Sizes>([[3], [2, 1], []]))]
    ])
    const paced = pick<ReadonlyArray<Value>>([[], ...sequences.map((one) => [one]), sequences])
    const { outputs, states: last } = scan(
      { states, sequences: paced, steps: 3, reverse: below(2) === 0 },
      (before, items) => {
        const grown = grow([...pool.slice(-4), ...before, ...items], 1 + below(nodesMax), depth + 1)
        return {
          states: states.map((state) => fitted(pick(grown.slice(-4)), sizesOf(state))),
          outputs: Array.from({ length: below(3) + (states.length === 0 ? 1 : 0) }, () =>
            pick(grown.slice(-4))
          )
        }
      }
    )
    return [...last, ...outputs].map((value) => fitted(ops.tanh(value), pick<Sizes>([[2, 3], [3]])))
  }

  const grow = (from: ReadonlyArray<Value>, count: number, depth: number): ReadonlyArray<Value> => {
    const pool = [...from]
    for (let i = 0; i < count; i++) {
      const a = pick(pool)
      const shape = sizesOf(a)
      const kind = below(depth < depthMax ? 6 : 5)
      if (kind === 0) pool.push(pick(ofOne)(a))
      else if (kind === 1) {
        pool.push(pick(ofTwo)(a, pick(pool.filter((b) => broadcastShapes(shape, sizesOf(b)) !== undefined))))
      } else if (kind === 2 && shape.length > 0) {
        const axis = below(shape.length)
        pool.push(pick(ofAxis)(a, axis, shape[axis] as number))
      } else if (kind === 3 && shape.length === 2 && shape[1] === 3) {
        pool.push(ops.tanh(ops.matmul(a, weights, false, below(2) === 0)))
      } else if (kind === 5) pool.push(...loop(pool, depth))
      else pool.push(fitted(a, pick<Sizes>([[2, 3], [3], [2, 1], [1, 3], []])))
    }
    return pool
  }

  const grown = grow(first, nodesMax, 0).slice(first.length)
  const everything = inputs.map((input) => ops.mul(ops.sumAll(input), 0.01)).reduce(ops.add)
  return {
    inputs,
    feeds: new Map(inputs.map((input, i) => [input, randomArray(`${seed}/${i}`, sizesOf(input))])),
    loss: grown.map((value, i) => weighted(value, `weights-${i}`)).reduce(ops.add, everything)
  }
}
