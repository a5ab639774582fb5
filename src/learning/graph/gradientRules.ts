/**
 * Derivatives, as one table: for each operation, what reaches its inputs of a gradient that reaches its output. A rule
 * builds graph; what it needs of the forward pass are the nodes themselves.
 */
import { invalid, type Node, type OpAttributes, type OpName, shapeOf, type Value, valueOf } from "./Graph.ts"
import * as ops from "./ops.ts"
import { type Shape, sameShape } from "./TensorType.ts"

/**
 * By input, the gradient or undefined where there is none. `wanted` says whose is of use; `gradient` is that of the
 * only output.
 */
type Rule<Attributes> = (
  context: {
    readonly inputs: ReadonlyArray<Value>
    readonly attributes: Attributes
    readonly output: Value
    readonly wanted: ReadonlyArray<boolean>
  },
  gradient: Value
) => ReadonlyArray<Value | undefined>

/** Sums over what was stretched. */
const unbroadcast = (gradient: Value, shape: Shape): Value => {
  const from = shapeOf(gradient)
  if (sameShape(from, shape)) return gradient
  const added = from.length - shape.length
  const axes = from.flatMap((dim, axis) =>
    axis < added || (shape[axis - added] === 1 && dim !== 1) ? [axis] : []
  )
  return ops.reshape(axes.length === 0 ? gradient : ops.reduceSum(gradient, axes, true), shape)
}

const first = (inputs: ReadonlyArray<Value>): Value => inputs[0] as Value
const second = (inputs: ReadonlyArray<Value>): Value => inputs[1] as Value

/** Derivative of one argument: the factor is made of the input x and the output y. */
const unary =
  (factor: (x: Value, y: Value, gradient: Value) => Value): Rule<unknown> =>
  ({ inputs, output }, gradient) => [factor(first(inputs), output, gradient)]

const binary =
  (
    of: (a: Value, b: Value, gradient: Value, output: Value) => readonly [() => Value, () => Value]
  ): Rule<unknown> =>
  ({ inputs, output, wanted }, gradient) => {
    const [a, b] = [first(inputs), second(inputs)]
    const [left, right] = of(a, b, gradient, output)
    return [
      wanted[0] === true ? unbroadcast(left(), shapeOf(a)) : undefined,
      wanted[1] === true ? unbroadcast(right(), shapeOf(b)) : undefined
    ]
  }

/** Keeps the reduced axes as sizes of 1. */
const keepingAxes = (value: Value, x: Value, axes: ReadonlyArray<number>): Value =>
  ops.reshape(
    value,
    shapeOf(x).map((dim, axis) => (axes.includes(axis) ? 1 : dim))
  )

const none: Rule<unknown> = ({ inputs }) => inputs.map(() => undefined)

const countOf = (x: Value, axes: ReadonlyArray<number>): number =>
  axes.reduce((count, axis) => {
    const size = shapeOf(x)[axis]
    return typeof size === "number" ? count * size : invalid("reduceMean", "the batch is not known")
  }, 1)

/** Zero where the condition does not hold. */
const masked = (gradient: Value, condition: Value): Value =>
  ops.mul(gradient, ops.cast(condition, gradient.type.elementType))

type Differentiable = Exclude<OpName, "scan" | "tap" | "input" | "constant" | "placeholder" | "lstm" | "gru">

export const gradientRules: { readonly [Name in Differentiable]: Rule<OpAttributes[Name]> } = {
  neg: unary((_x, _y, g) => ops.neg(g)),
  exp: unary((_x, y, g) => ops.mul(g, y)),
  log: unary((x, _y, g) => ops.div(g, x)),
  sqrt: unary((_x, y, g) => ops.div(g, ops.mul(y, 2))),
  abs: unary((x, _y, g) => ops.mul(g, ops.sign(x))),
  sign: none,
  tanh: unary((_x, y, g) => ops.mul(g, ops.sub(1, ops.mul(y, y)))),
  sigmoid: unary((_x, y, g) => ops.mul(g, ops.mul(y, ops.sub(1, y)))),
  softplus: unary((x, _y, g) => ops.mul(g, ops.sigmoid(x))),
  relu: unary((_x, y, g) => masked(g, ops.greater(y, 0))),
  erf: unary((x, _y, g) => ops.mul(g, ops.mul(ops.exp(ops.neg(ops.mul(x, x))), 2 / Math.sqrt(Math.PI)))),
  atan: unary((x, _y, g) => ops.div(g, ops.add(ops.mul(x, x), 1))),
  sin: unary((x, _y, g) => ops.mul(g, ops.cos(x))),
  cos: unary((x, _y, g) => ops.neg(ops.mul(g, ops.sin(x)))),
  not: none,

  add: binary((_a, _b, g) => [() => g, () => g]),
  sub: binary((_a, _b, g) => [() => g, () => ops.neg(g)]),
  mul: binary((a, b, g) => [() => ops.mul(g, b), () => ops.mul(g, a)]),
  div: binary((_a, b, g, y) => [() => ops.div(g, b), () => ops.neg(ops.div(ops.mul(g, y), b))]),
  // Where both are equal, each takes half.
  max: binary((a, b, g) => [() => ops.mul(g, share(a, b)), () => ops.mul(g, share(b, a))]),
  min: binary((a, b, g) => [() => ops.mul(g, share(b, a)), () => ops.mul(g, share(a, b))]),
  pow: ({ inputs, wanted }, g) => {
    const [base, exponent] = [first(inputs), second(inputs)]
    if (wanted[0] !== true) return [undefined, undefined]
    const slope = ops.mul(exponent, ops.pow(base, exponentOf(exponent) - 1))
    return [unbroadcast(ops.mul(g, slope), shapeOf(base)), undefined]
  },
  less: none,
  greater: none,
  equal: none,
  where: ({ inputs, wanted }, g) => {
    const [condition, a, b] = inputs as readonly [Value, Value, Value]
    return [
      undefined,
      wanted[1] === true ? unbroadcast(masked(g, condition), shapeOf(a)) : undefined,
      wanted[2] === true ? unbroadcast(masked(g, ops.not(condition)), shapeOf(b)) : undefined
    ]
  },
  cast: ({ inputs }, g) => [ops.cast(g, first(inputs).type.elementType)],

  reduceSum: ({ inputs, attributes }, g) => {
    const x = first(inputs)
    return [ops.broadcastLike(keepingAxes(g, x, attributes.axes), x)]
  },
  reduceMean: ({ inputs, attributes }, g) => {
    const x = first(inputs)
    const spread = ops.div(keepingAxes(g, x, attributes.axes), countOf(x, attributes.axes))
    return [ops.broadcastLike(spread, x)]
  },
  reduceMax: ({ inputs, attributes, output }, g) => {
    const x = first(inputs)
    const highest = keepingAxes(output, x, attributes.axes)
    const isHighest = ops.cast(ops.equal(x, ops.broadcastLike(highest, x)), x.type.elementType)
    const ties = ops.reduceSum(isHighest, attributes.axes, true)
    return [ops.mul(isHighest, ops.div(keepingAxes(g, x, attributes.axes), ties))]
  },

  reshape: ({ inputs }, g) => [ops.reshape(g, shapeOf(first(inputs)))],
  transpose: ({ attributes }, g) => {
    const inverse = attributes.permutation.map((_, axis) => attributes.permutation.indexOf(axis))
    return [ops.transpose(g, inverse)]
  },
  concat: ({ inputs, attributes }, g) => {
    const sizes = inputs.map((value) => shapeOf(value)[attributes.axis] as number)
    return ops.split(g, attributes.axis, sizes)
  },
  slice: ({ inputs, attributes: { axis, start, end } }, g) => {
    const size = shapeOf(first(inputs))[axis] as number
    return [ops.pad(g, axis, start, size - end)]
  },
  pad: ({ inputs, attributes: { axis, before } }, g) => {
    const size = shapeOf(first(inputs))[axis] as number
    return [ops.slice(g, axis, before, before + size)]
  },
  broadcastLike: ({ inputs }, g) => [unbroadcast(g, shapeOf(first(inputs))), undefined],
  gather: ({ inputs }, g) => [
    ops.scatterAdd(second(inputs), g, shapeOf(first(inputs))[0] as number),
    undefined
  ],
  scatterAdd: ({ inputs }, g) => [undefined, ops.gather(g, first(inputs))],

  matmul: ({ inputs, attributes: { transposeA, transposeB }, wanted }, g) => {
    const [a, b] = [first(inputs), second(inputs)]
    return [
      wanted[0] !== true
        ? undefined
        : transposeA
          ? ops.matmul(b, g, transposeB, true)
          : ops.matmul(g, b, false, !transposeB),
      wanted[1] !== true
        ? undefined
        : transposeB
          ? ops.matmul(g, a, true, transposeA)
          : ops.matmul(a, g, !transposeA, false)
    ]
  },
  softmax: ({ output, attributes: { axis } }, g) => {
    const weighted = ops.mul(g, output)
    return [ops.sub(weighted, ops.mul(output, ops.reduceSum(weighted, [axis], true)))]
  },
  logSoftmax: ({ output, attributes: { axis } }, g) => [
    ops.sub(g, ops.mul(ops.exp(output), ops.reduceSum(g, [axis], true)))
  ],
  stopGradient: none
}

/** 1 where a is larger, a half where both are equal. */
const share = (a: Value, b: Value): Value => {
  const { elementType } = a.type
  const larger = ops.cast(ops.greater(a, b), elementType)
  return ops.add(larger, ops.mul(ops.cast(ops.equal(a, b), elementType), 0.5))
}

const exponentOf = (exponent: Value): number =>
  (exponent.node.attributes as OpAttributes["constant"]).data[0] as number

/** Applies the rule of a node with one output. */
export const ruleOf = (node: Node, wanted: ReadonlyArray<boolean>, gradient: Value) => {
  const rule = gradientRules[node.op as Differentiable] as Rule<unknown> | undefined
  if (rule === undefined) return undefined
  return rule(
    { inputs: node.inputs, attributes: node.attributes, output: valueOf(node, 0), wanted },
    gradient
  )
}
