/**
 * A graph as an ONNX model (opset 18, standard domain). Loops become Scan, their bodies its subgraphs.
 *
 * Invariants: equal graphs give equal bytes; every node of the graph is computed once; constants are kept once.
 */
import {
  type AttributeProto,
  type GraphProto,
  irVersion,
  type ModelProto,
  type NodeProto,
  opsetVersion,
  producerName,
  type ValueInfoProto
} from "../onnx/OnnxFile.ts"
import { elementCodes } from "../onnx/OnnxTensor.ts"
import {
  type BinaryOp,
  type CompareOp,
  isOp,
  type Node,
  nodesOf,
  type OpAttributes,
  type OpName,
  type ReduceOp,
  type UnaryOp,
  type Value,
  valueOf
} from "./Graph.ts"
import { infoOf, int, ints, operators, Shared } from "./onnxParts.ts"
import { isStatic, type Shape, type TensorType } from "./TensorType.ts"

export interface OnnxSpec {
  readonly name: string
  /** In the order in which they are to be listed; an input that is not here and is needed is refused by ONNX. */
  readonly inputs: ReadonlyArray<Value>
  readonly outputs: ReadonlyArray<readonly [name: string, value: Value]>
  readonly metadata?: ReadonlyMap<string, string>
}

type Emit<Attributes> = (
  node: Node,
  attributes: Attributes,
  level: Level
) => readonly [operator: string, inputs: ReadonlyArray<string>, attributes: ReadonlyArray<AttributeProto>]

type Direct = Exclude<
  OpName,
  | UnaryOp
  | BinaryOp
  | CompareOp
  | ReduceOp
  | "input"
  | "placeholder"
  | "constant"
  | "stopGradient"
  | "tap"
  | "scan"
  | "matmul"
  | "lstm"
  | "gru"
>

const shapeConstant = (level: Level, shape: Shape): string => {
  // Where the batch takes part it is what is left; there can be one such size only.
  const sizes = shape.map((dim) => (typeof dim === "number" ? dim : -1))
  return level.shared.constant("int64", [sizes.length], sizes)
}

const numbers = (level: Level, values: ReadonlyArray<number>): string =>
  level.shared.constant("int64", [values.length], values)

const typeOf = (node: Node): TensorType => node.outputs[0] as TensorType

const direct: { readonly [Name in Direct]: Emit<OpAttributes[Name]> } = {
  where: (node, _, level) => ["Where", level.namesOf(node.inputs), []],
  cast: (node, _, level) => [
    "Cast",
    level.namesOf(node.inputs),
    [int("to", elementCodes[typeOf(node).elementType])]
  ],
  reshape: (node, _, level) => [
    "Reshape",
    [...level.namesOf(node.inputs), shapeConstant(level, typeOf(node).shape)],
    []
  ],
  transpose: (node, { permutation }, level) => [
    "Transpose",
    level.namesOf(node.inputs),
    [ints("perm", permutation)]
  ],
  concat: (node, { axis }, level) => ["Concat", level.namesOf(node.inputs), [int("axis", axis)]],
  slice: (node, { axis, end, start }, level) => [
    "Slice",
    [...level.namesOf(node.inputs), numbers(level, [start]), numbers(level, [end]), numbers(level, [axis])],
    []
  ],
  pad: (node, { after, axis, before }, level) => {
    const rank = typeOf(node).shape.length
    const pads = [...Array<number>(2 * rank).fill(0)]
    pads[axis] = before
    pads[rank + axis] = after
    return ["Pad", [...level.namesOf(node.inputs), numbers(level, pads)], []]
  },
  broadcastLike: (node, _, level) => {
    const { shape } = typeOf(node)
    const [x, like] = level.namesOf(node.inputs) as [string, string]
    return ["Expand", [x, isStatic(shape) ? numbers(level, shape) : level.add("Shape", [like], [])], []]
  },
  gather: (node, _, level) => ["Gather", level.namesOf(node.inputs), [int("axis", 0)]],
  scatterAdd: (node, _, level) => {
    const { elementType, shape } = typeOf(node)
    const [ids, updates] = level.namesOf(node.inputs) as [string, string]
    const zeros = level.shared.constant(
      elementType,
      shape as ReadonlyArray<number>,
      new Float64Array((shape as ReadonlyArray<number>).reduce((product, size) => product * size, 1))
    )
    const rows = level.add("Unsqueeze", [ids, numbers(level, [-1])], [])
    return ["ScatterND", [zeros, rows, updates], [{ name: "reduction", type: "string", value: "add" }]]
  },
  softmax: (node, { axis }, level) => ["Softmax", level.namesOf(node.inputs), [int("axis", axis)]],
  logSoftmax: (node, { axis }, level) => ["LogSoftmax", level.namesOf(node.inputs), [int("axis", axis)]]
}

/** One level: the model itself, or the body of a loop. */
class Level {
  readonly shared: Shared
  readonly nodes: Array<NodeProto> = []
  readonly #names = new Map<Value, string>()

  constructor(shared: Shared) {
    this.shared = shared
  }

  named(value: Value, name: string): void {
    this.#names.set(value, name)
  }

  nameOf(value: Value): string {
    return this.#names.get(value) ?? `missing.${value.node.op}`
  }

  namesOf(values: ReadonlyArray<Value>): ReadonlyArray<string> {
    return values.map((value) => this.nameOf(value))
  }

  /** Adds an operator with one output, and says its name. */
  add(
    operator: string,
    inputs: ReadonlyArray<string>,
    attributes: ReadonlyArray<AttributeProto>,
    wish: string = operator
  ): string {
    const [name] = this.addMany(operator, inputs, attributes, [wish]) as readonly [string]
    return name
  }

  addMany(
    operator: string,
    inputs: ReadonlyArray<string>,
    attributes: ReadonlyArray<AttributeProto>,
    wishes: ReadonlyArray<string>
  ): ReadonlyArray<string> {
    const outputs = wishes.map((wish) => this.shared.fresh(wish))
    this.nodes.push({ name: outputs[0] ?? operator, op: operator, domain: "", inputs, outputs, attributes })
    return outputs
  }

  /** Emits all that the outputs need and this level does not have yet. */
  emit(outputs: ReadonlyArray<Value>): void {
    const order = nodesOf(outputs)
    const taps = new Map<Node, Array<Node>>()
    for (const node of order) {
      if (node.op !== "tap") continue
      const scan = (node.inputs[0] as Value).node
      taps.set(scan, [...(taps.get(scan) ?? []), node])
    }
    for (const node of order) {
      if (node.op === "tap" || this.#names.has(valueOf(node, 0))) continue
      if (isOp(node, "scan")) this.#emitScan(node, taps.get(node) ?? [])
      else this.named(valueOf(node, 0), this.#emitNode(node))
    }
  }

  #emitNode(node: Node): string {
    const wish = node.layer === "" ? node.op : `${node.layer}/${node.op}`
    const { op } = node
    if (isOp(node, "constant")) {
      const { elementType, shape } = typeOf(node)
      return this.shared.constant(elementType, shape as ReadonlyArray<number>, node.attributes.data)
    }
    if (op === "stopGradient") return this.nameOf(node.inputs[0] as Value)
    if (isOp(node, "matmul")) return this.#emitMatmul(node, wish)
    if (isOp(node, "lstm") || isOp(node, "gru")) return this.#emitRecurrence(node, wish)
    if (op === "reduceSum" || op === "reduceMean" || op === "reduceMax") {
      const { axes, keepDims } = node.attributes as OpAttributes["reduceSum"]
      const inputs = [...this.namesOf(node.inputs), numbers(this, axes)]
      return this.add(operators[op], inputs, [int("keepdims", keepDims ? 1 : 0)], wish)
    }
    const emit = direct[op as Direct] as Emit<unknown> | undefined
    if (emit !== undefined) {
      const [operator, inputs, attributes] = emit(node, node.attributes, this)
      return this.add(operator, inputs, attributes, wish)
    }
    return this.add(operators[op as UnaryOp] ?? op, this.namesOf(node.inputs), [], wish)
  }

  #emitMatmul(node: Node<"matmul">, wish: string): string {
    const { transposeA, transposeB } = node.attributes
    const rank = typeOf(node).shape.length
    const [a, b] = this.namesOf(node.inputs) as [string, string]
    if (!transposeA && !transposeB) return this.add("MatMul", [a, b], [], wish)
    if (rank === 2) {
      const attributes = [int("transA", transposeA ? 1 : 0), int("transB", transposeB ? 1 : 0)]
      return this.add("Gemm", [a, b], attributes, wish)
    }
    const axes = Array.from({ length: rank }, (_, axis) => axis)
    const permutation = [...axes.slice(0, -2), rank - 1, rank - 2]
    const turned = (name: string, is: boolean) =>
      is ? this.add("Transpose", [name], [ints("perm", permutation)]) : name
    return this.add("MatMul", [turned(a, transposeA), turned(b, transposeB)], [], wish)
  }

  #emitRecurrence(node: Node<"lstm"> | Node<"gru">, wish: string): string {
    const attributes = [int("hidden_size", node.attributes.hidden)]
    if (node.op === "gru") attributes.push(int("linear_before_reset", 1))
    const y = this.add(
      node.op === "gru" ? "GRU" : "LSTM",
      this.namesOf(node.inputs),
      attributes,
      `${wish}/all`
    )
    // [time, directions, batch, hidden]
    return this.add("Squeeze", [y, numbers(this, [1])], [], wish)
  }

  #emitScan(node: Node<"scan">, tapped: ReadonlyArray<Node>): void {
    const { body, reverse } = node.attributes
    const wish = node.layer === "" ? "scan" : `${node.layer}/scan`
    const inner = new Level(this.shared)
    const outer = this.namesOf(node.inputs)
    const given = [...body.states, ...body.items]
    const inputs = given.map((value) => {
      const name = this.shared.fresh(`${wish}/in`)
      inner.named(value, name)
      return infoOf(name, value.type)
    })
    // A body sees what is around it.
    body.captures.forEach((value, i) => {
      inner.named(value, outer[given.length + i] as string)
    })
    const wanted = [
      ...body.nextStates,
      ...body.outputs,
      ...tapped.map((tap) => (tap.attributes as OpAttributes["tap"]).value)
    ]
    inner.emit(wanted)
    const graph: GraphProto = {
      name: this.shared.fresh(`${wish}/body`),
      nodes: inner.nodes,
      initializers: [],
      inputs,
      outputs: inner.outputsFor(wanted, `${wish}/out`)
    }
    const direction = (count: number) => Array<number>(count).fill(reverse ? 1 : 0)
    const stacked = body.outputs.length + tapped.length
    const names = this.addMany(
      "Scan",
      outer.slice(0, given.length),
      [
        { name: "body", type: "graph", value: graph },
        int("num_scan_inputs", body.items.length),
        ints("scan_input_directions", direction(body.items.length)),
        ...(stacked > 0 ? [ints("scan_output_directions", direction(stacked))] : [])
      ],
      wanted.map(() => wish)
    )
    node.outputs.forEach((_, i) => {
      this.named(valueOf(node, i), names[i] as string)
    })
    tapped.forEach((tap, i) => {
      this.named(valueOf(tap, 0), names[node.outputs.length + i] as string)
    })
  }

  /** Results that each bear a name of their own and are computed at this level. */
  outputsFor(values: ReadonlyArray<Value>, wish: string): ReadonlyArray<ValueInfoProto> {
    const free = new Set(this.nodes.flatMap(({ outputs }) => outputs))
    return values.map((value) => {
      const name = this.nameOf(value)
      return infoOf(free.delete(name) ? name : this.add("Identity", [name], [], wish), value.type)
    })
  }
}

export const toOnnx = ({ inputs, metadata = new Map(), name, outputs }: OnnxSpec): ModelProto => {
  const shared = new Shared()
  const level = new Level(shared)
  for (const value of inputs) {
    const { name: own } = value.node.attributes as OpAttributes["input"]
    shared.reserve(own)
    level.named(value, own)
  }
  for (const [own] of outputs) shared.reserve(own)
  level.emit(outputs.map(([, value]) => value))
  for (const [own, value] of outputs) {
    level.nodes.push({
      name: own,
      op: "Identity",
      domain: "",
      inputs: [level.nameOf(value)],
      outputs: [own],
      attributes: []
    })
  }
  return {
    irVersion,
    opsets: [{ domain: "", version: opsetVersion }],
    producer: { name: producerName, version: "" },
    graph: {
      name,
      nodes: level.nodes,
      initializers: shared.initializers,
      inputs: inputs.map((value) =>
        infoOf((value.node.attributes as OpAttributes["input"]).name, value.type)
      ),
      outputs: outputs.map(([own, value]) => infoOf(own, value.type))
    },
    metadata
  }
}
