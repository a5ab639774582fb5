/**
 * The plain interpreter: every operation in float64 and as its definition says. It is the oracle that the other ways of
 * running a graph are tested against, and is not fast.
 */
import { erf } from "../ErrorFunction.ts"
import {
  type BinaryOp,
  type CompareOp,
  type Node,
  nodesOf,
  type OpAttributes,
  type OpName,
  type ReduceOp,
  type ScanBody,
  type UnaryOp,
  type Value,
  valueOf
} from "./Graph.ts"
import {
  broadcastTo,
  countOf,
  itemOf,
  type NdArray,
  ndArray,
  place,
  reduced,
  sliced,
  transposed
} from "./NdArray.ts"
import { boundShape, type ElementType, type TensorType } from "./TensorType.ts"

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x))

const unary: Readonly<Record<UnaryOp, (x: number) => number>> = {
  neg: (x) => -x,
  exp: Math.exp,
  log: Math.log,
  sqrt: Math.sqrt,
  abs: Math.abs,
  sign: Math.sign,
  tanh: Math.tanh,
  sigmoid,
  softplus: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
  relu: (x) => Math.max(x, 0),
  erf,
  atan: Math.atan,
  sin: Math.sin,
  cos: Math.cos,
  not: (x) => 1 - x
}

const binary: Readonly<Record<BinaryOp | CompareOp, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  max: Math.max,
  min: Math.min,
  pow: (a, b) => a ** b,
  less: (a, b) => Number(a < b),
  greater: (a, b) => Number(a > b),
  equal: (a, b) => Number(a === b)
}

const same = (x: number) => x

/** As C does: towards zero, and anything but 0 is true. */
const casts: Readonly<Record<ElementType, (x: number) => number>> = {
  float: same,
  double: same,
  int64: Math.trunc,
  bool: (x) => Number(x !== 0)
}

const reductions: Readonly<Record<ReduceOp, (x: NdArray, axes: ReadonlyArray<number>) => NdArray>> = {
  reduceSum: (x, axes) => reduced(x, axes, 0, (total, value) => total + value),
  reduceMean: (x, axes) => {
    const count = axes.reduce((product, axis) => product * (x.shape[axis] as number), 1)
    const { data, shape } = reduced(x, axes, 0, (total, value) => total + value)
    return { shape, data: data.map((value) => value / count) }
  },
  reduceMax: (x, axes) => reduced(x, axes, Number.NEGATIVE_INFINITY, Math.max)
}

const matmul = (a: NdArray, b: NdArray, shape: ReadonlyArray<number>): NdArray => {
  const [rows, columns] = shape.slice(-2) as [number, number]
  const inner = a.shape.at(-1) as number
  const result = ndArray(shape)
  for (let batch = 0; batch < countOf(shape.slice(0, -2)); batch++) {
    for (let i = 0; i < rows; i++) {
      for (let k = 0; k < inner; k++) {
        const left = a.data[(batch * rows + i) * inner + k] as number
        for (let j = 0; j < columns; j++) {
          const at = (batch * rows + i) * columns + j
          result.data[at] =
            (result.data[at] as number) + left * (b.data[(batch * inner + k) * columns + j] as number)
        }
      }
    }
  }
  return result
}

const lastTwoSwapped = (array: NdArray): NdArray => {
  const axes = array.shape.map((_, axis) => axis)
  const [a, b] = axes.splice(-2) as [number, number]
  return transposed(array, [...axes, b, a])
}

const softmaxOf = (x: NdArray, axis: number, isLog: boolean): NdArray => {
  const highest = broadcastTo(reductions.reduceMax(x, [axis]), x.shape)
  const shifted = x.data.map((value, i) => value - (highest.data[i] as number))
  const total = broadcastTo(
    reductions.reduceSum({ shape: x.shape, data: shifted.map(Math.exp) }, [axis]),
    x.shape
  )
  const data = shifted.map((value, i) => {
    const log = value - Math.log(total.data[i] as number)
    return isLog ? log : Math.exp(log)
  })
  return { shape: x.shape, data }
}

/** ONNX's recurrences from zeros: gates i, o, f, c and z, r, h; weights [1, gates * hidden, ...]. */
const recurrence = (
  [x, w, r, b]: readonly [NdArray, NdArray, NdArray, NdArray],
  hidden: number,
  gates: number
): NdArray => {
  const [time, size, inputs] = x.shape as readonly [number, number, number]
  const y = ndArray([time, size, hidden])
  for (let row = 0; row < size; row++) {
    let h = new Float64Array(hidden)
    const c = new Float64Array(hidden)
    for (let t = 0; t < time; t++) {
      const at = (t * size + row) * inputs
      const sum = (weights: NdArray, gate: number, from: ArrayLike<number>, base: number, width: number) => {
        let total = 0
        for (let k = 0; k < width; k++)
          total += (weights.data[gate * width + k] as number) * (from[base + k] as number)
        return total
      }
      const bias = (gate: number) => b.data[gate] as number
      const recurrentBias = (gate: number) => b.data[gates * hidden + gate] as number
      const input = (gate: number) => sum(w, gate, x.data, at, inputs) + bias(gate)
      const recurrent = (gate: number) => sum(r, gate, h, 0, hidden) + recurrentBias(gate)
      const next = new Float64Array(hidden)
      for (let j = 0; j < hidden; j++) {
        const gate = (k: number) => input(k * hidden + j) + recurrent(k * hidden + j)
        if (gates === 4) {
          c[j] = sigmoid(gate(2)) * (c[j] as number) + sigmoid(gate(0)) * Math.tanh(gate(3))
          next[j] = sigmoid(gate(1)) * Math.tanh(c[j] as number)
        } else {
          const z = sigmoid(gate(0))
          const at3 = 2 * hidden + j
          const candidate = Math.tanh(input(at3) + sigmoid(gate(1)) * recurrent(at3))
          next[j] = (1 - z) * candidate + z * (h[j] as number)
        }
      }
      h = next
      y.data.set(h, (t * size + row) * hidden)
    }
  }
  return y
}

type Evaluate<Attributes> = (
  inputs: ReadonlyArray<NdArray>,
  attributes: Attributes,
  shape: ReadonlyArray<number>
) => NdArray

type Structural = Exclude<
  OpName,
  UnaryOp | BinaryOp | CompareOp | ReduceOp | "input" | "placeholder" | "scan" | "tap" | "cast"
>

const at = (inputs: ReadonlyArray<NdArray>, i: number): NdArray => inputs[i] as NdArray

const structural: { readonly [Name in Structural]: Evaluate<OpAttributes[Name]> } = {
  constant: (_, { data }, shape) => ({ shape, data }),
  where: (inputs, _, shape) => {
    const [condition, a, b] = inputs.map((one) => broadcastTo(one, shape).data) as [
      Float64Array,
      Float64Array,
      Float64Array
    ]
    return { shape, data: condition.map((is, i) => (is === 0 ? b[i] : a[i]) as number) }
  },
  reshape: (inputs, _, shape) => ({ shape, data: at(inputs, 0).data }),
  transpose: (inputs, { permutation }) => transposed(at(inputs, 0), permutation),
  concat: (inputs, { axis }, shape) => {
    const result = ndArray(shape)
    let start = 0
    for (const one of inputs) {
      place(result, one, axis, start)
      start += one.shape[axis] as number
    }
    return result
  },
  slice: (inputs, { axis, end, start }) => sliced(at(inputs, 0), axis, start, end),
  pad: (inputs, { axis, before }, shape) => {
    const result = ndArray(shape)
    place(result, at(inputs, 0), axis, before)
    return result
  },
  broadcastLike: (inputs, _, shape) => broadcastTo(at(inputs, 0), shape),
  gather: (inputs, _, shape) => {
    const size = countOf(at(inputs, 0).shape.slice(1))
    const result = ndArray(shape)
    at(inputs, 1).data.forEach((row, i) => {
      result.data.set(at(inputs, 0).data.subarray(row * size, (row + 1) * size), i * size)
    })
    return result
  },
  scatterAdd: (inputs, _, shape) => {
    const size = countOf(shape.slice(1))
    const result = ndArray(shape)
    at(inputs, 0).data.forEach((row, i) => {
      for (let k = 0; k < size; k++) {
        const to = row * size + k
        result.data[to] = (result.data[to] as number) + (at(inputs, 1).data[i * size + k] as number)
      }
    })
    return result
  },
  matmul: (inputs, { transposeA, transposeB }, shape) =>
    matmul(
      transposeA ? lastTwoSwapped(at(inputs, 0)) : at(inputs, 0),
      transposeB ? lastTwoSwapped(at(inputs, 1)) : at(inputs, 1),
      shape
    ),
  softmax: (inputs, { axis }) => softmaxOf(at(inputs, 0), axis, false),
  logSoftmax: (inputs, { axis }) => softmaxOf(at(inputs, 0), axis, true),
  stopGradient: (inputs) => at(inputs, 0),
  lstm: (inputs, { hidden }) => recurrence(inputs as [NdArray, NdArray, NdArray, NdArray], hidden, 4),
  gru: (inputs, { hidden }) => recurrence(inputs as [NdArray, NdArray, NdArray, NdArray], hidden, 3)
}

/** What is known while one graph, or one step of a body, is evaluated. */
type Known = Map<Value, NdArray>

const shapedBy = (node: Node, batchSize: number) =>
  boundShape((node.outputs[0] as (typeof node.outputs)[number]).shape, batchSize)

const evaluateNode = (node: Node, inputs: ReadonlyArray<NdArray>, batchSize: number): NdArray => {
  const { op } = node
  const shape = shapedBy(node, batchSize)
  if (Object.hasOwn(unary, op)) {
    return { shape, data: at(inputs, 0).data.map(unary[op as UnaryOp]) }
  }
  if (op === "cast") {
    const { elementType } = node.outputs[0] as TensorType
    return { shape, data: at(inputs, 0).data.map(casts[elementType]) }
  }
  if (Object.hasOwn(binary, op)) {
    const of = binary[op as BinaryOp]
    const right = broadcastTo(at(inputs, 1), shape).data
    return { shape, data: broadcastTo(at(inputs, 0), shape).data.map((a, i) => of(a, right[i] as number)) }
  }
  if (Object.hasOwn(reductions, op)) {
    const { axes } = node.attributes as OpAttributes[ReduceOp]
    return { shape, data: reductions[op as ReduceOp](at(inputs, 0), axes).data }
  }
  const evaluate = structural[op as Structural] as Evaluate<unknown> | undefined
  if (evaluate === undefined) throw new Error(`"${op}" has no value: it was not fed`)
  return evaluate(inputs, node.attributes, shape)
}

/** What bodies are asked for beside their results, by scan. */
const tapsOf = (order: ReadonlyArray<Node>): ReadonlyMap<Node, ReadonlyArray<Node>> => {
  const taps = new Map<Node, Array<Node>>()
  for (const node of order) {
    const scan = node.op === "tap" ? (node.inputs[0] as Value).node : undefined
    if (scan !== undefined) taps.set(scan, [...(taps.get(scan) ?? []), node])
  }
  return taps
}

const evaluateScan = (
  node: Node,
  inputs: ReadonlyArray<NdArray>,
  tapped: ReadonlyArray<Node>,
  known: Known,
  batchSize: number
): void => {
  const { body, reverse } = node.attributes as { readonly body: ScanBody; readonly reverse: boolean }
  let states = inputs.slice(0, body.states.length)
  const sequences = inputs.slice(body.states.length, body.states.length + body.items.length)
  const captures = inputs.slice(body.states.length + body.items.length)
  const wanted = [...body.outputs, ...tapped.map((tap) => (tap.attributes as OpAttributes["tap"]).value)]
  const steps = at(sequences, 0).shape[0] as number
  const stacks = wanted.map(({ type }) => ndArray([steps, ...boundShape(type.shape, batchSize)]))
  for (let i = 0; i < steps; i++) {
    const step = reverse ? steps - 1 - i : i
    const fed: Known = new Map()
    const feed = (places: ReadonlyArray<Value>, values: ReadonlyArray<NdArray>) => {
      places.forEach((value, k) => {
        fed.set(value, at(values, k))
      })
    }
    feed(body.states, states)
    feed(
      body.items,
      sequences.map((stack) => itemOf(stack, step))
    )
    feed(body.captures, captures)
    const results = evaluateAll([...body.nextStates, ...wanted], fed, batchSize)
    states = results.slice(0, body.states.length)
    stacks.forEach((stack, k) => {
      const { data } = at(results, body.states.length + k)
      stack.data.set(data, step * data.length)
    })
  }
  states.forEach((state, k) => {
    known.set(valueOf(node, k), state)
  })
  body.outputs.forEach((_, k) => {
    known.set(valueOf(node, body.states.length + k), at(stacks, k))
  })
  tapped.forEach((tap, k) => {
    known.set(valueOf(tap, 0), at(stacks, body.outputs.length + k))
  })
}

const evaluateAll = (
  outputs: ReadonlyArray<Value>,
  known: Known,
  batchSize: number
): ReadonlyArray<NdArray> => {
  const order = nodesOf(outputs)
  const taps = tapsOf(order)
  for (const node of order) {
    if (node.op === "tap" || known.has(valueOf(node, 0))) continue
    const inputs = node.inputs.map((input) => known.get(input) as NdArray)
    if (node.op === "scan") evaluateScan(node, inputs, taps.get(node) ?? [], known, batchSize)
    else known.set(valueOf(node, 0), evaluateNode(node, inputs, batchSize))
  }
  return outputs.map((output) => known.get(output) as NdArray)
}

/** The values of a graph's outputs for values of its inputs. */
export const interpret = (
  outputs: ReadonlyArray<Value>,
  inputs: ReadonlyMap<Value, NdArray>,
  batchSize = 1
): ReadonlyArray<NdArray> => evaluateAll(outputs, new Map(inputs), batchSize)
