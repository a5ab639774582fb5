/**
 * Computes at once what an ONNX graph would make of its constants by moving them about, so that a matrix is found where
 * it is used. Arithmetic is left to the runtime.
 *
 * Invariants: the outputs do not change by a bit; constants that nothing needs any more are gone.
 */
import { type NdArray, ndArray, place, sliced, transposed } from "../graph/NdArray.ts"
import type { AttributeProto, GraphProto, NodeProto } from "../onnx/OnnxFile.ts"
import { type TensorProto, tensor, valuesOf } from "../onnx/OnnxTensor.ts"

type AttributeValues = {
  readonly [Type in AttributeProto["type"]]: Extract<AttributeProto, { readonly type: Type }>["value"]
}

export const attributeOf = <Type extends AttributeProto["type"]>(
  node: NodeProto,
  name: string,
  type: Type
): AttributeValues[Type] | undefined =>
  node.attributes.find((one) => one.name === name && one.type === type)?.value as
    | AttributeValues[Type]
    | undefined

/** Names that a node needs, those of its subgraphs among them. */
export const neededBy = ({ attributes, inputs }: NodeProto): ReadonlyArray<string> => [
  ...inputs,
  ...attributes.flatMap((attribute) =>
    attribute.type === "graph"
      ? [...attribute.value.nodes.flatMap(neededBy), ...attribute.value.outputs.map(({ name }) => name)]
      : []
  )
]

/** Without nodes and constants that no output needs. */
export const withoutUnused = (graph: GraphProto): GraphProto => {
  const needed = new Set(graph.outputs.map(({ name }) => name))
  const nodes: Array<NodeProto> = []
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some((name) => needed.has(name))) continue
    nodes.push(node)
    for (const name of neededBy(node)) needed.add(name)
  }
  return {
    ...graph,
    nodes: nodes.reverse(),
    initializers: graph.initializers.filter(({ name }) => needed.has(name))
  }
}

/** Constants by name; one that is an input as well may be given another value, and is none. */
export const constantsOf = (graph: GraphProto): Map<string, TensorProto> => {
  const inputs = new Set(graph.inputs.map(({ name }) => name))
  return new Map(
    graph.initializers.flatMap((one) => (inputs.has(one.name) ? [] : [[one.name, one] as const]))
  )
}

type Fold = (node: NodeProto, inputs: ReadonlyArray<NdArray>) => NdArray | undefined

const reshaped: Fold = (_, [array, sizes]) => {
  if (array === undefined || sizes === undefined) return undefined
  const shape = Array.from(sizes.data, (size, i) => (size === 0 ? (array.shape[i] ?? 0) : size))
  const known = shape.reduce((product, size) => (size === -1 ? product : product * size), 1)
  return { shape: shape.map((size) => (size === -1 ? array.data.length / known : size)), data: array.data }
}

const folds: Readonly<Record<string, Fold>> = {
  Identity: (_, [array]) => array,
  Reshape: reshaped,
  Transpose: (node, [array]) => {
    if (array === undefined) return undefined
    return transposed(array, attributeOf(node, "perm", "ints") ?? array.shape.map((_, i) => i).reverse())
  },
  Squeeze: (_, [array, axes]) => {
    if (array === undefined || axes === undefined) return undefined
    const dropped = new Set(Array.from(axes.data, (axis) => (axis < 0 ? axis + array.shape.length : axis)))
    return { shape: array.shape.filter((_size, axis) => !dropped.has(axis)), data: array.data }
  },
  Slice: (_, [array, starts, ends, axes, steps]) => {
    if (array === undefined || starts === undefined || ends === undefined) return undefined
    if (steps?.data.some((step) => step !== 1) === true) return undefined
    return starts.data.reduce((part: NdArray, start, i) => {
      const given = axes?.data[i] ?? i
      const axis = given < 0 ? given + part.shape.length : given
      const size = part.shape[axis] as number
      const within = (at: number) => Math.max(0, Math.min(size, at < 0 ? at + size : at))
      return sliced(part, axis, within(start), within(ends.data[i] as number))
    }, array)
  },
  Concat: (node, arrays) => {
    const [first] = arrays
    const given = attributeOf(node, "axis", "int")
    if (first === undefined || given === undefined) return undefined
    const axis = given < 0 ? given + first.shape.length : given
    const sizes = arrays.map(({ shape }) => shape[axis] as number)
    const total = sizes.reduce((sum, size) => sum + size, 0)
    const joined = ndArray(first.shape.map((size, i) => (i === axis ? total : size)))
    let at = 0
    arrays.forEach((array, i) => {
      place(joined, array, axis, at)
      at += sizes[i] as number
    })
    return joined
  }
}

const foldable = ({ elementType }: TensorProto) => elementType === "float" || elementType === "int64"

export const foldConstants = (graph: GraphProto): GraphProto => {
  const constants = constantsOf(graph)
  const outputs = new Set(graph.outputs.map(({ name }) => name))
  const nodes: Array<NodeProto> = []
  for (const node of graph.nodes) {
    const [name] = node.outputs
    const inputs = node.inputs.map((input) => constants.get(input))
    const fold = node.domain === "" ? folds[node.op] : undefined
    const isFolded = (known: typeof inputs): known is Array<TensorProto> =>
      known.every((one) => one !== undefined && foldable(one))
    const folded =
      fold !== undefined && name !== undefined && !outputs.has(name) && isFolded(inputs)
        ? fold(
            node,
            inputs.map((one) => ndArray(one.dims, valuesOf(one)))
          )
        : undefined
    if (folded === undefined || name === undefined) nodes.push(node)
    else {
      const type = inputs[0]?.elementType ?? "float"
      constants.set(name, tensor(name, type, folded.shape, folded.data))
    }
  }
  const folded = [...constants.values()].filter((one) => !graph.initializers.includes(one))
  return withoutUnused({ ...graph, nodes, initializers: [...graph.initializers, ...folded] })
}
