/** Adds nodes and constants to an ONNX graph under names that nothing in it has. */
import type { AttributeProto, GraphProto, NodeProto } from "../onnx/OnnxFile.ts"
import { type ElementType, elementCodes, type TensorProto, tensor } from "../onnx/OnnxTensor.ts"

export const int = (name: string, value: number): AttributeProto => ({ name, type: "int", value })

export const toFloat = int("to", elementCodes.float)

export interface GraphEditor {
  readonly nodes: Array<NodeProto>
  /** Of all levels. */
  readonly initializers: Array<TensorProto>
  readonly fresh: (wish: string) => string
  /** A node whose outputs have names already. */
  readonly put: (
    op: string,
    inputs: ReadonlyArray<string>,
    outputs: ReadonlyArray<string>,
    attributes?: ReadonlyArray<AttributeProto>
  ) => void
  /** A node with one new output, whose name it gives. */
  readonly add: (
    op: string,
    inputs: ReadonlyArray<string>,
    wish: string,
    attributes?: ReadonlyArray<AttributeProto>
  ) => string
  readonly constant: (
    wish: string,
    type: ElementType,
    dims: ReadonlyArray<number>,
    values: ArrayLike<number>
  ) => string
  /** For the body of a loop: nodes of its own, names and constants shared. */
  readonly inside: () => GraphEditor
}

const namesOf = ({ initializers, inputs, nodes, outputs }: GraphProto): ReadonlyArray<string> => [
  ...[...initializers, ...inputs, ...outputs].map(({ name }) => name),
  ...nodes.flatMap((node) => [
    node.name,
    ...node.outputs,
    ...node.attributes.flatMap((one) => (one.type === "graph" ? namesOf(one.value) : []))
  ])
]

export const graphEditor = (graph: GraphProto): GraphEditor => {
  const taken = new Set(namesOf(graph))
  const initializers = [...graph.initializers]
  const fresh = (wish: string): string => {
    let name = wish
    for (let count = 2; taken.has(name); count++) name = `${wish}.${count}`
    taken.add(name)
    return name
  }
  const constant: GraphEditor["constant"] = (wish, type, dims, values) => {
    const name = fresh(wish)
    initializers.push(tensor(name, type, dims, values))
    return name
  }
  const level = (): GraphEditor => {
    const nodes: Array<NodeProto> = []
    const put: GraphEditor["put"] = (op, inputs, outputs, attributes = []) => {
      nodes.push({ name: outputs[0] ?? op, op, domain: "", inputs, outputs, attributes })
    }
    const add: GraphEditor["add"] = (op, inputs, wish, attributes) => {
      const name = fresh(wish)
      put(op, inputs, [name], attributes)
      return name
    }
    return { nodes, initializers, fresh, put, add, constant, inside: level }
  }
  return level()
}
