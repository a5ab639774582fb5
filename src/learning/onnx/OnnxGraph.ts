/**
 * An ONNX graph under construction: inputs, constants, nodes, outputs, in the order in which they are added.
 *
 * What can go wrong: a node that does not fit what feeds it, a name given twice, a value of another graph, an
 * output nobody computes. All are bugs of the emitter and throw GraphInvalid, which names the node.
 * Invariants: every value has a static shape but for a leading batch size; a node has one output, which bears
 * its name; nodes stand in the order in which they can be computed.
 */
import { GraphInvalid } from "../errors.ts"
import type { AttributeProto, ModelProto, NodeProto, ValueInfoProto } from "./OnnxFile.ts"
import { irVersion, opsetVersion, producerName } from "./OnnxFile.ts"
import { type Op, rules, type Shape, type Size, shapeText } from "./OnnxOps.ts"
import { type ElementType, elementCodes, elementCount, type TensorProto, tensor } from "./OnnxTensor.ts"

/** What flows along an edge of the graph. */
export interface Value extends Shape {
  readonly name: string
}

export const intAttribute = (name: string, value: number): AttributeProto => ({ name, type: "int", value })

export class OnnxGraph {
  readonly #name: string
  readonly #values = new Map<string, Value>()
  readonly #inputs: Array<ValueInfoProto> = []
  readonly #outputs: Array<ValueInfoProto> = []
  readonly #initializers: Array<TensorProto> = []
  readonly #nodes: Array<NodeProto> = []

  constructor(name: string) {
    this.#name = name
  }

  /** What the caller feeds. Only the leading size may be a name. */
  input(name: string, elementType: ElementType, dims: ReadonlyArray<Size>): Value {
    const sound = dims.every((dim, i) =>
      typeof dim === "string" ? i === 0 : Number.isSafeInteger(dim) && dim > 0
    )
    if (!sound)
      this.#refuse(name, "input", `its shape ${shapeText(dims)} is not static behind the leading size`)
    this.#inputs.push({ name, elementType, dims: [...dims] })
    return this.#add({ name, elementType, dims: [...dims] }, "input")
  }

  /** A constant of the model: row-major values of the given shape; no sizes make a scalar. */
  constant(
    name: string,
    dims: ReadonlyArray<number>,
    values: ArrayLike<number>,
    elementType: ElementType = "float"
  ): Value {
    if (elementCount(dims) !== values.length) {
      this.#refuse(name, "constant", `${values.length} values do not fill the shape ${shapeText(dims)}`)
    }
    this.#initializers.push(tensor(name, elementType, dims, values))
    return this.#add({ name, elementType, dims: [...dims] }, "constant")
  }

  scalar(name: string, value: number): Value {
    return this.constant(name, [], [value])
  }

  /** Adds an operator of ai.onnx; its one output takes the node's name. */
  node(
    op: Op,
    name: string,
    inputs: ReadonlyArray<Value>,
    attributes: ReadonlyArray<AttributeProto> = []
  ): Value {
    for (const input of inputs) {
      if (this.#values.get(input.name) !== input)
        this.#refuse(name, op, `"${input.name}" is no value of this graph`)
    }
    const shape = rules[op](inputs, attributes)
    if (typeof shape === "string") return this.#refuse(name, op, shape)
    const [opType, to] = op.split(":") as [string, ElementType | undefined]
    this.#nodes.push({
      name,
      op: opType,
      domain: "",
      inputs: inputs.map((input) => input.name),
      outputs: [name],
      attributes: to === undefined ? attributes : [...attributes, intAttribute("to", elementCodes[to])]
    })
    return this.#add({ name, elementType: shape.elementType, dims: shape.dims }, op)
  }

  /** Makes a value an output of the model, under its own name. */
  output(value: Value): void {
    if (this.#values.get(value.name) !== value) {
      this.#refuse(value.name, "output", "it is no value of this graph")
    }
    this.#outputs.push({ name: value.name, elementType: value.elementType, dims: [...value.dims] })
  }

  model(metadata: ReadonlyMap<string, string>): ModelProto {
    return {
      irVersion,
      opsets: [{ domain: "", version: opsetVersion }],
      producer: { name: producerName, version: "" },
      graph: {
        name: this.#name,
        nodes: [...this.#nodes],
        initializers: [...this.#initializers],
        inputs: [...this.#inputs],
        outputs: [...this.#outputs]
      },
      metadata: new Map(metadata)
    }
  }

  #add(value: Value, op: string): Value {
    if (value.name === "") this.#refuse(value.name, op, "it has no name")
    if (this.#values.has(value.name)) this.#refuse(value.name, op, "its name is taken")
    this.#values.set(value.name, value)
    return value
  }

  #refuse(node: string, op: string, reason: string): never {
    throw new GraphInvalid({ graph: this.#name, node, op, reason })
  }
}
