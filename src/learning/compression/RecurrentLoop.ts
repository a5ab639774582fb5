/**
 * LSTM and GRU with whole products, as a Scan over the steps: the input's part is one product for all steps, the
 * state's part is one for each.
 *
 * ONNX's own operations take floats only. A step here is a dozen small operations, so that a loop pays where there are
 * many rows, and costs where there is one.
 *
 * Invariants: the same sequence out, [time, 1, rows, hidden], of the same formulas: gates i, o, f, c and z, r, h
 * (`linear_before_reset` = 1), from zeros.
 */
import type { GraphProto, ValueInfoProto } from "../onnx/OnnxFile.ts"
import { type GraphEditor, int } from "./GraphEditor.ts"
import { type Codes, type IntegerMatrix, putProduct } from "./IntegerProduct.ts"
import type { RecurrentSite } from "./QuantisationPlan.ts"

export interface LoopParts {
  readonly input: IntegerMatrix
  readonly state: IntegerMatrix
  /** The input's codes. */
  readonly codes: Codes
  /** How the state is turned into codes inside the loop. */
  readonly stateCodes: (edit: GraphEditor, state: string) => Codes
}

/** Biases that are added to the input's part, for all gates. */
const ownBiases = ({ biases, hidden, kind }: RecurrentSite): Float64Array => {
  const gates = biases.length / 2
  // A GRU's candidate adds the state's bias before the reset gate.
  const joint = kind === "GRU" ? 2 * hidden : gates
  return Float64Array.from(
    { length: gates },
    (_, i) => (biases[i] as number) + (i < joint ? (biases[gates + i] as number) : 0)
  )
}

const floats = (name: string, width: number): ValueInfoProto => ({
  name,
  elementType: "float",
  dims: [null, width]
})

const parting =
  (edit: GraphEditor) =>
  (x: string, sizes: ReadonlyArray<number>, wish: string): ReadonlyArray<string> => {
    const outputs = sizes.map((_, i) => edit.fresh(`${wish}/${i}`))
    const lengths = edit.constant(`${wish}/sizes`, "int64", [sizes.length], sizes)
    edit.put("Split", [x, lengths], outputs, [int("axis", 1)])
    return outputs
  }

const lstmStep = (edit: GraphEditor, name: string, hidden: number, gates: string, cell: string) => {
  const split = parting(edit)
  const [three, raw] = split(gates, [3 * hidden, hidden], `${name}/gates`) as [string, string]
  const sigmoids = edit.add("Sigmoid", [three], `${name}/sigmoids`)
  const [i, o, f] = split(sigmoids, [hidden, hidden, hidden], `${name}/open`) as [string, string, string]
  const candidate = edit.add("Mul", [i, edit.add("Tanh", [raw], `${name}/tanh`)], `${name}/candidate`)
  const next = edit.add("Add", [edit.add("Mul", [f, cell], `${name}/kept`), candidate], `${name}/next-cell`)
  const state = edit.add("Mul", [o, edit.add("Tanh", [next], `${name}/squashed`)], `${name}/next-state`)
  return { cell: next, state }
}

const gruStep = (
  edit: GraphEditor,
  name: string,
  { biases, hidden }: RecurrentSite,
  { input, product, state }: { readonly input: string; readonly product: string; readonly state: string }
): string => {
  const split = parting(edit)
  const sizes = [2 * hidden, hidden]
  const [inputGates, inputCandidate] = split(input, sizes, `${name}/input`) as [string, string]
  const [stateGates, stateCandidate] = split(product, sizes, `${name}/state`) as [string, string]
  const sum = edit.add("Add", [inputGates, stateGates], `${name}/gates`)
  const sigmoids = edit.add("Sigmoid", [sum], `${name}/sigmoids`)
  const [z, r] = split(sigmoids, [hidden, hidden], `${name}/open`) as [string, string]
  const bias = edit.constant(`${name}/state-bias`, "float", [hidden], biases.slice(-hidden))
  const own = edit.add("Mul", [r, edit.add("Add", [stateCandidate, bias], `${name}/biased`)], `${name}/reset`)
  const raw = edit.add("Add", [inputCandidate, own], `${name}/raw`)
  const candidate = edit.add("Tanh", [raw], `${name}/candidate`)
  // (1 - z) candidate + z state
  const difference = edit.add("Sub", [state, candidate], `${name}/difference`)
  return edit.add("Add", [candidate, edit.add("Mul", [z, difference], `${name}/moved`)], `${name}/next-state`)
}

export const putLoop = (edit: GraphEditor, site: RecurrentSite, parts: LoopParts): void => {
  const { hidden, kind, node } = site
  const [x] = node.inputs as readonly [string]
  const [output] = node.outputs as readonly [string]
  const name = `${output}/loop`
  const width = parts.input.columns
  const products = edit.fresh(`${name}/products`)
  putProduct(edit, parts.codes, parts.input, products)
  const biases = edit.constant(`${name}/biases`, "float", [width], ownBiases(site))
  const projected = edit.add("Add", [products, biases], `${name}/projected`)

  const rows = edit.add("Shape", [x], `${name}/rows`, [int("start", 1), int("end", 2)])
  const size = edit.constant(`${name}/hidden`, "int64", [1], [hidden])
  const shape = edit.add("Concat", [rows, size], `${name}/shape`, [int("axis", 0)])
  const zeros = edit.add("ConstantOfShape", [shape], `${name}/zeros`)

  const inner = edit.inside()
  const state = edit.fresh(`${name}/state`)
  const item = edit.fresh(`${name}/item`)
  const product = edit.fresh(`${name}/product`)
  putProduct(inner, parts.stateCodes(inner, state), parts.state, product)
  const isLstm = kind === "LSTM"
  const cell = isLstm ? [edit.fresh(`${name}/cell`)] : []
  const carried = (): { readonly state: string; readonly cell: ReadonlyArray<string> } => {
    if (!isLstm) return { state: gruStep(inner, name, site, { input: item, product, state }), cell: [] }
    const gates = inner.add("Add", [product, item], `${name}/sums`)
    const next = lstmStep(inner, name, hidden, gates, cell[0] as string)
    return { state: next.state, cell: [next.cell] }
  }
  const next = carried()
  const given = inner.add("Identity", [next.state], `${name}/output`)
  const body: GraphProto = {
    name: edit.fresh(`${name}/body`),
    nodes: inner.nodes,
    initializers: [],
    inputs: [...[state, ...cell].map((one) => floats(one, hidden)), floats(item, width)],
    outputs: [next.state, ...next.cell, given].map((one) => floats(one, hidden))
  }
  const sequence = edit.fresh(`${name}/sequence`)
  const last = [state, ...cell].map((one) => edit.fresh(`${one}/last`))
  const attributes = [{ name: "body", type: "graph", value: body } as const, int("num_scan_inputs", 1)]
  edit.put("Scan", [...[state, ...cell].map(() => zeros), projected], [...last, sequence], attributes)
  const directions = edit.constant(`${name}/directions`, "int64", [1], [1])
  edit.put("Unsqueeze", [sequence, directions], [output])
}
