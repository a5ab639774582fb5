/**
 * Which matrices of a served model can be kept as eight bits, and why the others cannot.
 *
 * A matrix is a constant that a MatMul or Gemm multiplies from the right, or the weights of an LSTM or GRU of one
 * direction that begins at zero. Biases, tables, and matrices so small that nothing is gained stay as they are.
 *
 * Invariants: pure data; equal models give equal plans; every constant of two dimensions is in the plan, in one way
 * or the other.
 */
import type { GraphProto, ModelProto, NodeProto } from "../onnx/OnnxFile.ts"
import { elementCount, type TensorProto, valuesOf } from "../onnx/OnnxTensor.ts"
import { attributeOf, constantsOf, foldConstants } from "./ConstantFolding.ts"
import type { WeightBits } from "./Int8.ts"

export interface QuantisationOptions {
  /** Matrices with fewer elements stay float; `elementsMinDefault` unless said otherwise. */
  readonly elementsMin?: number
  readonly bits?: WeightBits
  /** A scale for each column of a matrix (the default), or one for all of it: quicker with fixed ranges, less exact. */
  readonly perColumn?: boolean
  /**
   * What becomes of LSTM and GRU, for which the standard operations have no whole numbers. "stored": their weights are
   * eight bits in the file, and floats from loading on. "loop": step by step with whole products; measured on 128 units
   * it takes two thirds of the time for 64 rows, and three times as long for one.
   */
  readonly recurrence?: "stored" | "loop"
}

/** Below it the scales and nodes that are added weigh as much as what is saved. */
export const elementsMinDefault = 1_024

/** [rows, columns], row-major, as it stands on the right of a product. */
export interface Matrix {
  readonly name: string
  readonly rows: number
  readonly columns: number
  readonly values: ArrayLike<number>
}

export interface ProductSite {
  readonly node: NodeProto
  readonly matrix: Matrix
  /** The left factor. */
  readonly x: string
  /** What is turned into codes: x, or where several parts of one value are multiplied, that value. */
  readonly source: string
  /** To be added to the product. */
  readonly bias: string | undefined
}

export interface RecurrentSite {
  readonly node: NodeProto
  readonly kind: "LSTM" | "GRU"
  readonly hidden: number
  /** Of the input, [in, gates x hidden], and of the state, [hidden, gates x hidden]. */
  readonly input: Matrix
  readonly state: Matrix
  /** [2, gates x hidden]: of the input, then of the state. */
  readonly biases: Float64Array
}

/** A matrix that stays float. */
export interface KeptMatrix {
  readonly name: string
  readonly op: string
  readonly dims: ReadonlyArray<number>
  readonly reason: string
}

export interface QuantisationPlan {
  /** With what can be known of the constants known. */
  readonly graph: GraphProto
  readonly products: ReadonlyMap<NodeProto, ProductSite>
  readonly recurrences: ReadonlyMap<NodeProto, RecurrentSite>
  readonly kept: ReadonlyArray<KeptMatrix>
}

const turned = (values: ArrayLike<number>, rows: number, columns: number): Float64Array => {
  const result = new Float64Array(rows * columns)
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) result[j * rows + i] = values[i * columns + j] as number
  }
  return result
}

/** What a Gemm asks for that a product does not give; undefined where there is nothing. */
const gemmRefusal = (node: NodeProto): string | undefined => {
  if ((attributeOf(node, "transA", "int") ?? 0) !== 0) return "its left factor is transposed"
  const factors = ["alpha", "beta"].map((name) => attributeOf(node, name, "float") ?? 1)
  return factors.some((factor) => factor !== 1) ? "it scales its terms" : undefined
}

type Product = Omit<ProductSite, "source">

const productOf = (node: NodeProto, weights: TensorProto): Product | string => {
  const [first, second] = weights.dims as readonly [number, number]
  const name = node.outputs[0] as string
  const x = node.inputs[0] as string
  if (node.inputs[0] === weights.name) return "it stands on the left of its product"
  if (node.op === "MatMul") {
    const matrix = { name, rows: first, columns: second, values: valuesOf(weights) }
    return { node, matrix, x, bias: undefined }
  }
  if (node.inputs[1] !== weights.name) return "it is a sum's second term"
  const refusal = gemmRefusal(node)
  if (refusal !== undefined) return refusal
  const isTurned = attributeOf(node, "transB", "int") === 1
  const values = valuesOf(weights)
  const matrix = isTurned
    ? { name, rows: second, columns: first, values: turned(values, first, second) }
    : { name, rows: first, columns: second, values }
  return { node, matrix, x, bias: node.inputs[2] === "" ? undefined : node.inputs[2] }
}

/** Attributes that leave an LSTM or GRU as the loop writes it. */
const isPlain = (node: NodeProto): boolean =>
  node.attributes.every((attribute) => {
    if (attribute.name === "hidden_size") return true
    if (attribute.name === "direction") return attribute.type === "string" && attribute.value === "forward"
    return attribute.name === "linear_before_reset" && attribute.type === "int" && attribute.value === 1
  }) &&
  (node.op === "LSTM" || attributeOf(node, "linear_before_reset", "int") === 1)

const recurrentOf = (
  node: NodeProto,
  constants: ReadonlyMap<string, TensorProto>
): RecurrentSite | string => {
  const [, w, r, b] = node.inputs.map((input) => constants.get(input))
  const hidden = attributeOf(node, "hidden_size", "int")
  if (w === undefined || r === undefined || hidden === undefined) return "its weights are no constants"
  if (!isPlain(node)) return "it is not of the one form that is known: forward, its usual functions"
  if (node.inputs.slice(4).some((input) => input !== "")) return "it takes more than weights and biases"
  if (node.outputs.slice(1).some((output) => output !== "")) return "more than its sequence is used"
  if ((node.inputs[3] ?? "") !== "" && b === undefined) return "its biases are no constant"
  const [, gates, size] = w.dims as readonly [number, number, number]
  const name = node.outputs[0] as string
  return {
    node,
    kind: node.op === "LSTM" ? "LSTM" : "GRU",
    hidden,
    input: { name: `${name}/w`, rows: size, columns: gates, values: turned(valuesOf(w), gates, size) },
    state: { name: `${name}/r`, rows: hidden, columns: gates, values: turned(valuesOf(r), gates, hidden) },
    biases: b === undefined ? new Float64Array(2 * gates) : valuesOf(b)
  }
}

/** Operations that only move elements, and for which it is the same whether they move floats or codes. */
const moving = new Set(["Reshape", "Slice"])

/**
 * Where to turn a left factor into codes. Parts of one value that overlap (the places of a convolution) are cut from
 * its codes, so that it is done once.
 */
const sourcesOf = (graph: GraphProto, xs: Iterable<string>): ReadonlyMap<string, string> => {
  const makers = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)))
  const chains = new Map<string, ReadonlyArray<NodeProto>>()
  const parts = new Map<string, Set<NodeProto>>()
  for (const x of xs) {
    const chain: Array<NodeProto> = []
    for (let by = makers.get(x); by !== undefined && moving.has(by.op); ) {
      chain.push(by)
      const from = by.inputs[0] as string
      if (by.op === "Slice") parts.set(from, (parts.get(from) ?? new Set()).add(by))
      by = makers.get(from)
    }
    chains.set(x, chain)
  }
  const sourceOf = (x: string, chain: ReadonlyArray<NodeProto>): string => {
    const cut = chain.findLast(
      (node) => node.op === "Slice" && (parts.get(node.inputs[0] as string)?.size ?? 0) > 1
    )
    return cut === undefined ? x : (cut.inputs[0] as string)
  }
  return new Map([...chains].map(([x, chain]) => [x, sourceOf(x, chain)]))
}

const nodesInside = (node: NodeProto): ReadonlyArray<NodeProto> =>
  node.attributes.flatMap((one) =>
    one.type === "graph" ? one.value.nodes.flatMap((inner) => [inner, ...nodesInside(inner)]) : []
  )

export const planQuantisation = (
  model: ModelProto,
  { elementsMin = elementsMinDefault }: QuantisationOptions
): QuantisationPlan => {
  const graph = foldConstants(model.graph)
  const constants = constantsOf(graph)
  const products: Array<Product> = []
  const recurrences = new Map<NodeProto, RecurrentSite>()
  const kept: Array<KeptMatrix> = []
  const matricesOf = (node: NodeProto): ReadonlyArray<TensorProto> =>
    node.inputs.flatMap((input) => {
      const found = constants.get(input)
      const isMatrix = found !== undefined && found.elementType === "float" && found.dims.length >= 2
      // A row that is added to all others is a bias.
      return isMatrix && found.dims.filter((size) => size > 1).length >= 2 ? [found] : []
    })
  const keep = (node: NodeProto, { dims, name }: TensorProto, reason: string) =>
    kept.push({ name: node.outputs[0] ?? name, op: node.op, dims, reason })
  /** Of the matrices of one operation: all of them or none. */
  const refusalOf = (...all: ReadonlyArray<TensorProto>): string | undefined => {
    const elements = all.reduce((sum, { dims }) => sum + elementCount(dims), 0)
    if (elements < elementsMin) return `it has ${elements} elements, fewer than ${elementsMin}`
    const isFinite = all.every((one) => valuesOf(one).every(Number.isFinite))
    return isFinite ? undefined : "it holds values that are not finite"
  }

  for (const node of graph.nodes) {
    for (const inner of nodesInside(node)) {
      for (const one of matricesOf(inner)) keep(inner, one, "it is used inside a loop")
    }
    const matrices = matricesOf(node)
    if (node.op === "LSTM" || node.op === "GRU") {
      const site = refusalOf(...matrices) ?? recurrentOf(node, constants)
      if (typeof site !== "string") recurrences.set(node, site)
      else for (const one of matrices) keep(node, one, site)
      continue
    }
    for (const one of matrices) {
      const isProduct = (node.op === "MatMul" || node.op === "Gemm") && one.dims.length === 2
      const site = isProduct ? (refusalOf(one) ?? productOf(node, one)) : `${node.op} takes it in float`
      if (typeof site === "string") keep(node, one, site)
      else products.push(site)
    }
  }
  const sources = sourcesOf(
    graph,
    products.map(({ x }) => x)
  )
  return {
    graph,
    products: new Map(products.map((one) => [one.node, { ...one, source: sources.get(one.x) ?? one.x }])),
    recurrences,
    kept
  }
}
