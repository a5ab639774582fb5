/**
 * The operations of a graph in TensorFlow.js, as one table: tensors in, a tensor out. Loops, constants and what is fed
 * are toTensorFlow.ts's.
 *
 * Invariant: a tensor of whole numbers or truth values is never on the tape, so that no gradient is asked of it.
 */
import type * as TensorFlowCore from "@tensorflow/tfjs-core"
import { invalid, type OpAttributes, type OpName } from "./Graph.ts"
import type { ElementType } from "./TensorType.ts"

/** The module: `@tensorflow/tfjs-core` with any backend, or `@tensorflow/tfjs-node-gpu`, which is all of it and more. */
export type TensorFlow = typeof TensorFlowCore
export type Tensor = TensorFlowCore.Tensor

/** A type whose batch is known. */
export interface BoundType {
  readonly elementType: ElementType
  readonly shape: ReadonlyArray<number>
}

/** The types that stand for ours. */
export const dataTypes = {
  float: "float32",
  double: "float32",
  int64: "int32",
  bool: "bool"
} as const satisfies Readonly<Record<ElementType, TensorFlowCore.DataType>>

/** Values as a tensor of the type that stands for the element type. */
export const tensorOf = (
  tf: TensorFlow,
  elementType: ElementType,
  shape: ReadonlyArray<number>,
  values: ArrayLike<number>
): Tensor => {
  const of = dataTypes[elementType]
  switch (of) {
    case "float32":
      return tf.tensor(Float32Array.from(values), [...shape], of)
    case "bool":
      return tf.tensor(Uint8Array.from(values), [...shape], of)
    case "int32": {
      const whole = Int32Array.from(values)
      if (whole.some((value, i) => value !== values[i]))
        invalid("tensor", "it holds what is no 32-bit integer")
      return tf.tensor(whole, [...shape], of)
    }
  }
}

export type Operation<Attributes> = (
  inputs: ReadonlyArray<Tensor>,
  attributes: Attributes,
  type: BoundType
) => Tensor

/** What is not made of the inputs of its node alone: it is fed, kept, or looped. */
type Apart = "input" | "placeholder" | "constant" | "scan" | "tap"
export type Direct = Exclude<OpName, Apart>
export type Operations = { readonly [Name in Direct]: Operation<OpAttributes[Name]> }

const one =
  (of: (x: Tensor) => Tensor): Operation<unknown> =>
  ([x]) =>
    of(x as Tensor)

const two =
  (of: (a: Tensor, b: Tensor) => Tensor): Operation<unknown> =>
  ([a, b]) =>
    of(a as Tensor, b as Tensor)

const isReal = (elementType: ElementType): boolean => dataTypes[elementType] === "float32"

export const hasShape = (x: Tensor, shape: ReadonlyArray<number>): boolean =>
  x.rank === shape.length && x.shape.every((size, axis) => size === shape[axis])

export const operationsOf = (tf: TensorFlow): Operations => {
  /**
   * Computes what no gradient goes through, unseen by the tape: comparisons have none there and would throw, and a
   * gradient of zero, times an infinite slope further down, would become NaN.
   */
  const untaped = (of: () => Tensor): Tensor => tf.customGrad(() => ({ value: of(), gradFunc: () => [] }))()

  const slopeless =
    (of: (x: Tensor) => Tensor): Operation<unknown> =>
    ([x]) =>
      untaped(() => of(x as Tensor))

  const compared =
    (of: (a: Tensor, b: Tensor) => Tensor): Operation<unknown> =>
    ([a, b]) =>
      untaped(() => of(a as Tensor, b as Tensor))

  // Not by broadcastTo: the gradient of its tiling ends at four axes.
  const stretched = (x: Tensor, shape: ReadonlyArray<number>): Tensor => {
    if (hasShape(x, shape)) return x
    return x.dtype === "float32"
      ? tf.add(x, tf.zeros([...shape]))
      : untaped(() => tf.broadcastTo(x, [...shape]))
  }

  /** For what has gradients for operands of one shape only. */
  const alike =
    (of: (a: Tensor, b: Tensor) => Tensor): Operation<unknown> =>
    ([a, b], _, { shape }) =>
      of(stretched(a as Tensor, shape), stretched(b as Tensor, shape))

  /** For what knows the last axis only. A swap of two axes is its own inverse. */
  const alongLast = (x: Tensor, axis: number, of: (x: Tensor) => Tensor): Tensor => {
    const last = x.rank - 1
    if (axis === last) return of(x)
    const swap = x.shape.map((_, at) => (at === axis ? last : at === last ? axis : at))
    return tf.transpose(of(tf.transpose(x, swap)), swap)
  }

  /** ONNX's recurrences from zeros; all steps' projections are one product. */
  const recurrence = (
    [x, w, r, b]: ReadonlyArray<Tensor>,
    hidden: number,
    gates: number,
    step: (
      projected: Tensor,
      h: Tensor,
      c: Tensor,
      r: Tensor,
      recurrentBias: Tensor
    ) => readonly [Tensor, Tensor]
  ): Tensor => {
    const [time, rows, size] = (x as Tensor).shape as [number, number, number]
    const width = gates * hidden
    const [bias, recurrentBias] = tf.split(tf.reshape(b as Tensor, [2 * width]), 2) as [Tensor, Tensor]
    const weights = tf.reshape(w as Tensor, [width, size])
    const recurrent = tf.reshape(r as Tensor, [width, hidden])
    const flat = tf.matMul(tf.reshape(x as Tensor, [time * rows, size]), weights, false, true)
    const projected = tf.reshape(tf.add(flat, bias), [time, rows, width])
    let h: Tensor = tf.zeros([rows, hidden])
    let c = h
    const outputs = tf.unstack(projected).map((item) => {
      ;[h, c] = step(item, h, c, recurrent, recurrentBias)
      return h
    })
    return tf.stack(outputs)
  }

  const lstmStep = (projected: Tensor, h: Tensor, c: Tensor, r: Tensor, bias: Tensor) => {
    const all = tf.add(tf.add(projected, tf.matMul(h, r, false, true)), bias)
    const [i, o, f, candidate] = tf.split(all, 4, 1) as [Tensor, Tensor, Tensor, Tensor]
    const kept = tf.mul(tf.sigmoid(f), c)
    const cell: Tensor = tf.add(kept, tf.mul(tf.sigmoid(i), tf.tanh(candidate)))
    return [tf.mul(tf.sigmoid(o), tf.tanh(cell)) as Tensor, cell] as const
  }

  const gruStep = (projected: Tensor, h: Tensor, c: Tensor, r: Tensor, bias: Tensor) => {
    const [pz, pr, ph] = tf.split(projected, 3, 1) as [Tensor, Tensor, Tensor]
    const recurrent = tf.add(tf.matMul(h, r, false, true), bias)
    const [rz, rr, rh] = tf.split(recurrent, 3, 1) as [Tensor, Tensor, Tensor]
    const z = tf.sigmoid(tf.add(pz, rz))
    const candidate = tf.tanh(tf.add(ph, tf.mul(tf.sigmoid(tf.add(pr, rr)), rh)))
    return [tf.add(tf.mul(tf.sub(1, z), candidate), tf.mul(z, h)) as Tensor, c] as const
  }

  return {
    neg: one(tf.neg),
    exp: one(tf.exp),
    log: one(tf.log),
    sqrt: one(tf.sqrt),
    abs: one(tf.abs),
    sign: slopeless(tf.sign),
    tanh: one(tf.tanh),
    sigmoid: one(tf.sigmoid),
    softplus: one(tf.softplus),
    relu: one(tf.relu),
    erf: one(tf.erf),
    atan: one(tf.atan),
    sin: one(tf.sin),
    cos: one(tf.cos),
    not: slopeless(tf.logicalNot),
    add: two(tf.add),
    sub: two(tf.sub),
    mul: two(tf.mul),
    div: two(tf.div),
    max: alike(tf.maximum),
    min: alike(tf.minimum),
    pow: two(tf.pow),
    less: compared(tf.less),
    greater: compared(tf.greater),
    equal: compared(tf.equal),
    reduceSum: ([x], { axes, keepDims }) => tf.sum(x as Tensor, [...axes], keepDims),
    reduceMean: ([x], { axes, keepDims }) => tf.mean(x as Tensor, [...axes], keepDims),
    reduceMax: ([x], { axes, keepDims }) => tf.max(x as Tensor, [...axes], keepDims),
    where: (inputs, _, { shape }) => {
      const [condition, a, b] = inputs.map((x) => stretched(x, shape)) as [Tensor, Tensor, Tensor]
      return tf.where(condition, a, b)
    },
    cast: ([x], _, { elementType }) => {
      const cast = () => tf.cast(x as Tensor, dataTypes[elementType])
      return isReal(elementType) ? cast() : untaped(cast)
    },
    reshape: ([x], _, { shape }) => tf.reshape(x as Tensor, [...shape]),
    transpose: ([x], { permutation }) => tf.transpose(x as Tensor, [...permutation]),
    concat: (inputs, { axis }) => tf.concat([...inputs], axis),
    slice: ([x], { axis, end, start }) => {
      const { shape } = x as Tensor
      const begin = shape.map((_, at) => (at === axis ? start : 0))
      const sizes = shape.map((size, at) => (at === axis ? end - start : size))
      return tf.slice(x as Tensor, begin, sizes)
    },
    pad: ([x], { after, axis, before }) => {
      const around = (x as Tensor).shape.map((_, at): [number, number] =>
        at === axis ? [before, after] : [0, 0]
      )
      return tf.pad(x as Tensor, around)
    },
    broadcastLike: ([x], _, { shape }) => stretched(x as Tensor, shape),
    gather: two(tf.gather),
    scatterAdd: ([ids, updates], { rows }, { shape }) => {
      const { size } = ids as Tensor
      const flat = tf.reshape(updates as Tensor, [size, ...shape.slice(1)])
      return tf.unsortedSegmentSum(flat, tf.reshape(ids as Tensor, [size]), rows)
    },
    matmul: ([a, b], { transposeA, transposeB }) =>
      tf.matMul(a as Tensor, b as Tensor, transposeA, transposeB),
    softmax: ([x], { axis }) => alongLast(x as Tensor, axis, tf.softmax),
    logSoftmax: ([x], { axis }) => alongLast(x as Tensor, axis, tf.logSoftmax),
    stopGradient: slopeless(tf.clone),
    lstm: (inputs, { hidden }) => recurrence(inputs, hidden, 4, lstmStep),
    gru: (inputs, { hidden }) => recurrence(inputs, hidden, 3, gruStep)
  }
}
