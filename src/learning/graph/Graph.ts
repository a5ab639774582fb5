/**
 * The graph: immutable nodes that know what feeds them. There is no list of nodes: a graph is what can be reached
 * from its outputs. What operations there are, with their attributes, is in `OpAttributes`; everything that is done
 * with a graph (gradients, evaluation, ONNX, TensorFlow.js) is a table over their names.
 *
 * What can go wrong: shapes that do not fit throw GraphInvalid where the node is made, with the layer's name.
 */
import { GraphInvalid } from "../errors.ts"
import { type Shape, showShape, type TensorType } from "./TensorType.ts"

type None = Readonly<Record<never, never>>

/** A body of a scan is closed: what it takes from outside comes in by its captures. */
export interface ScanBody {
  /** Carried from step to step. */
  readonly states: ReadonlyArray<Value>
  /** One step of each sequence. */
  readonly items: ReadonlyArray<Value>
  /** The same at every step. */
  readonly captures: ReadonlyArray<Value>
  readonly nextStates: ReadonlyArray<Value>
  /** Stacked over the steps. */
  readonly outputs: ReadonlyArray<Value>
}

export type UnaryOp =
  | "neg"
  | "exp"
  | "log"
  | "sqrt"
  | "abs"
  | "sign"
  | "tanh"
  | "sigmoid"
  | "softplus"
  | "relu"
  | "erf"
  | "atan"
  | "sin"
  | "cos"
  | "not"
export type BinaryOp = "add" | "sub" | "mul" | "div" | "max" | "min" | "pow"
export type CompareOp = "less" | "greater" | "equal"
export type ReduceOp = "reduceSum" | "reduceMean" | "reduceMax"

/** Operations and their attributes. */
export type OpAttributes = Readonly<Record<UnaryOp | BinaryOp | CompareOp, None>> &
  Readonly<Record<ReduceOp, { readonly axes: ReadonlyArray<number>; readonly keepDims: boolean }>> & {
    readonly input: { readonly name: string }
    readonly constant: { readonly data: Float64Array }
    /** A place in the body of a scan. */
    readonly placeholder: None
    readonly where: None
    readonly cast: None
    readonly reshape: None
    readonly transpose: { readonly permutation: ReadonlyArray<number> }
    readonly concat: { readonly axis: number }
    readonly slice: { readonly axis: number; readonly start: number; readonly end: number }
    /** Zeros before and after. */
    readonly pad: { readonly axis: number; readonly before: number; readonly after: number }
    /** To the shape of the second input, of which nothing else is used. */
    readonly broadcastLike: None
    /** Rows of the first input by the numbers in the second. */
    readonly gather: None
    /** Zeros of `rows` rows, to which the rows of the second input are added by the numbers in the first. */
    readonly scatterAdd: { readonly rows: number }
    readonly matmul: { readonly transposeA: boolean; readonly transposeB: boolean }
    readonly softmax: { readonly axis: number }
    readonly logSoftmax: { readonly axis: number }
    readonly stopGradient: None
    /** Inputs: first states, sequences, captures. Outputs: last states, stacked outputs. */
    readonly scan: { readonly body: ScanBody; readonly reverse: boolean }
    /** A value of the body of the scan that is the input, stacked over the steps. */
    readonly tap: { readonly value: Value }
    /** ONNX's own LSTM and GRU, for serving: X [time, batch, in], W, R, B in its gate order -> Y [time, batch, hidden]. */
    readonly lstm: { readonly hidden: number }
    readonly gru: { readonly hidden: number }
  }
export type OpName = keyof OpAttributes

export interface Node<Name extends OpName = OpName> {
  readonly op: Name
  readonly inputs: ReadonlyArray<Value>
  readonly attributes: OpAttributes[Name]
  readonly outputs: ReadonlyArray<TensorType>
  readonly layer: string
}

/** One output of a node. */
export interface Value {
  readonly node: Node
  readonly index: number
  readonly type: TensorType
}

/** The layers that are being built, outermost first. */
const layers: Array<string> = []

/** Names what is made inside: in errors, and in the names of ONNX nodes. */
export const within = <A>(layer: string, build: () => A): A => {
  layers.push(layer)
  try {
    return build()
  } finally {
    layers.pop()
  }
}

export const invalid = (op: string, reason: string): never => {
  throw new GraphInvalid({ graph: layers[0] ?? "graph", node: layers.join("/") || op, op, reason })
}

export const makeNode = <Name extends OpName>(
  op: Name,
  inputs: ReadonlyArray<Value>,
  attributes: OpAttributes[Name],
  outputs: ReadonlyArray<TensorType>,
  layer: string = layers.join("/")
): ReadonlyArray<Value> => {
  const node = { op, inputs, attributes, outputs, layer } as unknown as Node
  const values = outputs.map((type, index): Value => ({ node, index, type }))
  outputsOfNode.set(node, values)
  return values
}

/** The values of a node: each is one object, so that values can be compared and be keys. */
const outputsOfNode = new WeakMap<Node, ReadonlyArray<Value>>()

export const valueOf = (node: Node, index: number): Value =>
  (outputsOfNode.get(node) as ReadonlyArray<Value>)[index] as Value

/** A node with one output. */
export const makeValue = <Name extends OpName>(
  op: Name,
  inputs: ReadonlyArray<Value>,
  attributes: OpAttributes[Name],
  type: TensorType
): Value => makeNode(op, inputs, attributes, [type])[0] as Value

export const isOp = <Name extends OpName>(node: Node, op: Name): node is Node<Name> => node.op === op

export const describe = (...values: ReadonlyArray<Value>): string =>
  values.map(({ type }) => `${type.elementType} ${showShape(type.shape)}`).join(" and ")

export const shapeOf = (value: Value): Shape => value.type.shape

/** All nodes that the values need, each after what feeds it. Does not enter bodies. */
export const nodesOf = (outputs: ReadonlyArray<Value>): ReadonlyArray<Node> => {
  const order: Array<Node> = []
  const seen = new Set<Node>()
  // Not by recursion: an unrolled network is deeper than the stack.
  const stack: Array<{ readonly node: Node; next: number }> = []
  const visit = (node: Node) => {
    if (seen.has(node)) return
    seen.add(node)
    stack.push({ node, next: 0 })
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const input = top.node.inputs[top.next++]
      if (input === undefined) {
        order.push(top.node)
        stack.pop()
      } else if (!seen.has(input.node)) {
        seen.add(input.node)
        stack.push({ node: input.node, next: 0 })
      }
    }
  }
  for (const { node } of outputs) visit(node)
  return order
}

/** The nodes, of those that the outputs need, that depend on any of the given values. */
export const dependents = (outputs: ReadonlyArray<Value>, on: ReadonlyArray<Value>): ReadonlySet<Node> => {
  const sources = new Set(on.map(({ node }) => node))
  const found = new Set<Node>()
  for (const node of nodesOf(outputs)) {
    if (sources.has(node) || node.inputs.some((input) => found.has(input.node))) found.add(node)
  }
  return found
}

/** The values with others in the place of some: what depends on none of them stays the same object. */
export const substitute = (
  outputs: ReadonlyArray<Value>,
  replacements: ReadonlyMap<Value, Value>
): ReadonlyArray<Value> => {
  const made = new Map<Node, Node>()
  const replaced = (value: Value): Value => {
    const direct = replacements.get(value)
    if (direct !== undefined) return direct
    const node = made.get(value.node)
    return node === undefined ? value : valueOf(node, value.index)
  }
  for (const node of nodesOf(outputs)) {
    const inputs = node.inputs.map(replaced)
    if (inputs.every((input, i) => input === node.inputs[i])) continue
    const [first] = makeNode(node.op, inputs, node.attributes, node.outputs, node.layer)
    made.set(node, (first as Value).node)
  }
  return outputs.map(replaced)
}
