/**
 * What each operator gives for what it is fed: the shape rules of the operators that emitters use, as ONNX's
 * operator reference states them (https://onnx.ai/onnx/operators, opset 18).
 *
 * What can go wrong: shapes or types that disagree. A rule then returns a sentence instead of a shape, and
 * the graph under construction names the node.
 * Invariant: sizes are positive integers, or the name of the batch size in the leading place.
 */
import type { AttributeProto } from "./OnnxFile.ts"
import type { ElementType } from "./OnnxTensor.ts"

/** A positive size, or the name of the batch size. */
export type Size = number | string

export interface Shape {
  readonly elementType: ElementType
  readonly dims: ReadonlyArray<Size>
}

export type Rule = (inputs: ReadonlyArray<Shape>, attributes: ReadonlyArray<AttributeProto>) => Shape | string

export const shapeText = (dims: ReadonlyArray<Size>): string => `[${dims.join(", ")}]`

const intAttribute = (attributes: ReadonlyArray<AttributeProto>, name: string, otherwise: number): number => {
  const attribute = attributes.find((candidate) => candidate.name === name)
  return attribute?.type === "int" ? attribute.value : otherwise
}

const fed = (count: number, rule: (...inputs: ReadonlyArray<Shape>) => Shape | string): Rule => {
  return (inputs) =>
    inputs.length === count ? rule(...inputs) : `it takes ${count} inputs, not ${inputs.length}`
}

/** Numpy's rule: aligned at the last dimension, sizes equal or one of them 1. */
const broadcast = (a: ReadonlyArray<Size>, b: ReadonlyArray<Size>): ReadonlyArray<Size> | undefined => {
  const rank = Math.max(a.length, b.length)
  const dims: Array<Size> = []
  for (let i = 0; i < rank; i++) {
    const left = a[a.length - rank + i] ?? 1
    const right = b[b.length - rank + i] ?? 1
    if (left !== right && left !== 1 && right !== 1) return undefined
    dims.push(left === 1 ? right : left)
  }
  return dims
}

const elementwise = (result?: ElementType): Rule =>
  fed(2, (a, b) => {
    const [left, right] = [a as Shape, b as Shape]
    if (left.elementType !== right.elementType)
      return `${left.elementType} and ${right.elementType} do not mix`
    const dims = broadcast(left.dims, right.dims)
    if (dims === undefined) return `${shapeText(left.dims)} and ${shapeText(right.dims)} cannot be broadcast`
    return { elementType: result ?? left.elementType, dims }
  })

const unary: Rule = fed(1, (x) => x as Shape)

const clip: Rule = fed(3, (x, low, high) => {
  const [value, from, to] = [x as Shape, low as Shape, high as Shape]
  if (from.dims.length > 0 || to.dims.length > 0) return "its bounds must be scalars"
  return from.elementType === value.elementType && to.elementType === value.elementType
    ? value
    : "its bounds are of another type than what it bounds"
})

/** A matrix by a matrix or by a vector. */
const matMul: Rule = fed(2, (a, b) => {
  const [left, right] = [a as Shape, b as Shape]
  if (left.elementType !== right.elementType) return `${left.elementType} and ${right.elementType} do not mix`
  if (
    left.dims.length !== 2 ||
    right.dims.length < 1 ||
    right.dims.length > 2 ||
    left.dims[1] !== right.dims[0]
  ) {
    return `${shapeText(left.dims)} cannot be multiplied by ${shapeText(right.dims)}`
  }
  return { elementType: left.elementType, dims: [left.dims[0] as Size, ...right.dims.slice(1)] }
})

const concat: Rule = (inputs, attributes) => {
  const first = inputs[0]
  if (first === undefined) return "it is fed nothing"
  const axis = intAttribute(attributes, "axis", Number.NaN)
  let size = 0
  for (const input of inputs) {
    const along = input.dims[axis]
    const others = input.dims.every((dim, i) => i === axis || dim === first.dims[i])
    if (typeof along !== "number" || !others || input.dims.length !== first.dims.length) {
      return `${inputs.map(({ dims }) => shapeText(dims)).join(" and ")} cannot be joined along axis ${axis}`
    }
    if (input.elementType !== first.elementType) return "its inputs are of several types"
    size += along
  }
  return { elementType: first.elementType, dims: first.dims.map((dim, i) => (i === axis ? size : dim)) }
}

const gather: Rule = (inputs, attributes) => {
  const [from, at] = inputs
  if (from === undefined || at === undefined || inputs.length !== 2)
    return `it takes 2 inputs, not ${inputs.length}`
  const axis = intAttribute(attributes, "axis", 0)
  if (at.elementType !== "int64" && at.elementType !== "int32")
    return `its indices are ${at.elementType}, not integers`
  if (axis < 0 || axis >= from.dims.length) return `${shapeText(from.dims)} has no axis ${axis}`
  return {
    elementType: from.elementType,
    dims: [...from.dims.slice(0, axis), ...at.dims, ...from.dims.slice(axis + 1)]
  }
}

const castTo = (elementType: ElementType): Rule => fed(1, (x) => ({ elementType, dims: (x as Shape).dims }))

/** The element type that a Cast turns to stands in its name here, and as the attribute `to` in the file. */
export const rules = {
  Add: elementwise(),
  Sub: elementwise(),
  Mul: elementwise(),
  Div: elementwise(),
  GreaterOrEqual: elementwise("bool"),
  Log: unary,
  Softmax: unary,
  Clip: clip,
  MatMul: matMul,
  Concat: concat,
  Gather: gather,
  "Cast:float": castTo("float"),
  "Cast:int64": castTo("int64")
} satisfies Record<string, Rule>

export type Op = keyof typeof rules
