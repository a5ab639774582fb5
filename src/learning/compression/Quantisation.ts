/**
 * Served ONNX models with the weights of their matrices as eight bits.
 *
 * Three schemes. `weights`: eight bits in the file alone; a runtime makes floats of them when it loads the model, whose
 * answers move by what the weights were rounded by and whose time does not change. `dynamic`: whole products, each
 * activation coded by the range that it has in the batch at hand. `static`: whole products, activations coded by ranges
 * that calibration rows had (Calibration.ts).
 *
 * What can go wrong: with `dynamic` the range is that of the whole batch, so that an answer depends, by a rounding, on
 * the rows that are asked beside it; where the same question must have the same answer, `static` or `weights` is to be
 * taken. With eight bits a processor that adds pairs of products in 16 bits (AVX2 without
 * VNNI) may overflow; `bits: 7` cannot. How much worse a model became is to be measured: `judgeCompression`.
 * Invariants: an input that is not finite is answered by NaN (FiniteGuard.ts); only operations of the standard domain; inputs, outputs and metadata stay what they were; equal models
 * give equal ones.
 */
import { Either } from "effect"
import type { GraphProto, ModelProto, NodeProto } from "../onnx/OnnxFile.ts"
import { withoutUnused } from "./ConstantFolding.ts"
import { QuantisationRefused } from "./errors.ts"
import { guarded } from "./FiniteGuard.ts"
import { type GraphEditor, graphEditor, toFloat } from "./GraphEditor.ts"
import { type ActivationRange, quantiseColumns, uint8Scale } from "./Int8.ts"
import { type Codes, dynamicCodes, type IntegerMatrix, putProduct, staticCodes } from "./IntegerProduct.ts"
import {
  type Matrix,
  type ProductSite,
  planQuantisation,
  type QuantisationOptions,
  type QuantisationPlan,
  type RecurrentSite
} from "./QuantisationPlan.ts"
import { putLoop } from "./RecurrentLoop.ts"

export type QuantisationScheme =
  | { readonly kind: "weights" }
  | { readonly kind: "dynamic" }
  | {
      readonly kind: "static"
      /** Of `activationsOf`, by name. */
      readonly ranges: ReadonlyMap<string, ActivationRange>
    }

export interface MatrixReport {
  /** The output that is made with it. */
  readonly name: string
  readonly op: string
  readonly dims: ReadonlyArray<number>
  readonly treatment: "whole product" | "stored as eight bits" | "float"
  /** Why it is float; empty otherwise. */
  readonly reason: string
}

export interface Quantised {
  readonly model: ModelProto
  readonly matrices: ReadonlyArray<MatrixReport>
}

/** Operations that are used came with these versions of the standard domain, and have not changed since. */
const opsetMin = 15

const isLoop = ({ recurrence = "stored" }: QuantisationOptions) => recurrence === "loop"

const activationsIn = (plan: QuantisationPlan, options: QuantisationOptions): ReadonlyArray<string> => {
  const loops = isLoop(options) ? [...plan.recurrences.values()] : []
  return [
    ...new Set([
      ...[...plan.products.values()].map(({ source }) => source),
      ...loops.flatMap(({ node }) => [node.inputs[0] as string, node.outputs[0] as string])
    ])
  ]
}

/** The values whose ranges the static scheme needs. */
export const activationsOf = (model: ModelProto, options: QuantisationOptions = {}): ReadonlyArray<string> =>
  activationsIn(planQuantisation(model, options), options)

/** The same model, with those values among its outputs, to be run over calibration rows. */
export const observedModel = (model: ModelProto, options: QuantisationOptions = {}): ModelProto => {
  const plan = planQuantisation(model, options)
  const known = new Set([...plan.graph.inputs, ...plan.graph.outputs].map(({ name }) => name))
  const added = activationsIn(plan, options)
    .filter((name) => !known.has(name))
    .map((name) => ({ name, elementType: "float" as const, dims: null }))
  return { ...model, graph: { ...plan.graph, outputs: [...plan.graph.outputs, ...added] } }
}

export const quantiseModel = (
  model: ModelProto,
  scheme: QuantisationScheme,
  options: QuantisationOptions = {}
): Either.Either<Quantised, QuantisationRefused> => {
  const refuse = (reason: string) => Either.left(new QuantisationRefused({ model: model.graph.name, reason }))
  const version = model.opsets.find(({ domain }) => domain === "")?.version ?? 0
  if (version < opsetMin) return refuse(`its operators are of version ${version}, not ${opsetMin} or later`)
  const plan = planQuantisation(model, options)
  if (plan.products.size + plan.recurrences.size === 0) {
    const reasons = [...new Set(plan.kept.map(({ name, reason }) => `of "${name}", ${reason}`))]
    return refuse(`none of its matrices can be: ${reasons.join("; ") || "it has none"}`)
  }
  if (scheme.kind === "static") {
    const missing = activationsIn(plan, options).find((name) => !scheme.ranges.has(name))
    if (missing !== undefined) return refuse(`the range of "${missing}" is not known`)
  }
  return Either.right({
    model: { ...model, graph: withoutUnused(rewritten(plan, scheme, options)) },
    matrices: reportOf(plan, scheme, options)
  })
}

const reportOf = (
  { kept, products, recurrences }: QuantisationPlan,
  scheme: QuantisationScheme,
  options: QuantisationOptions
): ReadonlyArray<MatrixReport> => {
  const whole = scheme.kind === "weights" ? "stored as eight bits" : "whole product"
  const recurrent = isLoop(options) ? whole : "stored as eight bits"
  const done = (op: string, { columns, name, rows }: Matrix, treatment: MatrixReport["treatment"]) => ({
    name,
    op,
    dims: [rows, columns],
    treatment,
    reason: ""
  })
  return [
    ...[...products.values()].map(({ matrix, node }) => done(node.op, matrix, whole)),
    ...[...recurrences.values()].flatMap(({ input, node, state }) => [
      done(node.op, input, recurrent),
      done(node.op, state, recurrent)
    ]),
    ...kept.map((one) => ({ ...one, treatment: "float" as const }))
  ]
}

const rewritten = (
  { graph, products, recurrences }: QuantisationPlan,
  scheme: QuantisationScheme,
  options: QuantisationOptions
): GraphProto => {
  const edit = graphEditor(graph)
  const makers = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)))
  const matrixOf = (matrix: Matrix): IntegerMatrix => ({
    ...quantiseColumns(matrix.values, matrix.columns, options),
    rows: matrix.rows,
    columns: matrix.columns
  })

  /** Floats again, by operations that a runtime carries out on constants when it loads the model. */
  const restored = (matrix: Matrix): string => {
    const { codes, columns, rows, scales } = matrixOf(matrix)
    const weights = edit.constant(`${matrix.name}/codes`, "int8", [rows, columns], codes)
    const factor = edit.constant(`${matrix.name}/scales`, "float", [scales.length], scales)
    const floats = edit.add("Cast", [weights], `${matrix.name}/floats`, [toFloat])
    return edit.add("Mul", [floats, factor], `${matrix.name}/restored`)
  }

  /** @param range the name of the value whose range it is, where that is another than x */
  const coded = (at: GraphEditor, x: string, range = x): Codes => {
    if (scheme.kind !== "static") return dynamicCodes(at, x)
    return staticCodes(at, x, uint8Scale(scheme.ranges.get(range) as ActivationRange))
  }
  const codes = new Map<string, Codes>()
  const codesOf = (x: string, source: string): Codes => {
    const made = (): Codes => {
      if (x === source) return coded(edit, x)
      const { attributes, inputs, op } = makers.get(x) as NodeProto
      const [from, ...rest] = inputs as readonly [string, ...ReadonlyArray<string>]
      const moved = codesOf(from, source)
      return { ...moved, name: edit.add(op, [moved.name, ...rest], `${x}/codes`, attributes) }
    }
    // One value may be a source of its own and a part of another.
    const key = JSON.stringify([x, source])
    const known = codes.get(key) ?? made()
    codes.set(key, known)
    return known
  }

  const putMatrix = ({ bias, matrix, node, source, x }: ProductSite): void => {
    const [output] = node.outputs as readonly [string]
    const product = bias === undefined ? output : edit.fresh(`${output}/product`)
    if (scheme.kind === "weights") edit.put("MatMul", [x, restored(matrix)], [product])
    else putProduct(edit, codesOf(x, source), matrixOf(matrix), product)
    if (bias !== undefined) edit.put("Add", [product, bias], [output])
  }

  const putRecurrence = (site: RecurrentSite): void => {
    const { node } = site
    const [x, , , ...rest] = node.inputs as readonly [string, string, string, ...ReadonlyArray<string>]
    if (scheme.kind !== "weights" && isLoop(options)) {
      const [output] = node.outputs as readonly [string]
      putLoop(edit, site, {
        input: matrixOf(site.input),
        state: matrixOf(site.state),
        codes: codesOf(x, x),
        stateCodes: (inner, state) => coded(inner, state, output)
      })
      return
    }
    const directions = edit.constant(`${node.outputs[0]}/directions`, "int64", [1], [0])
    const asWanted = (matrix: Matrix): string => {
      const perm = [{ name: "perm", type: "ints", value: [1, 0] } as const]
      const turned = edit.add("Transpose", [restored(matrix)], `${matrix.name}/turned`, perm)
      return edit.add("Unsqueeze", [turned, directions], `${matrix.name}/one`)
    }
    edit.nodes.push({ ...node, inputs: [x, asWanted(site.input), asWanted(site.state), ...rest] })
  }

  for (const node of graph.nodes) {
    const product = products.get(node)
    const recurrence = recurrences.get(node)
    if (product !== undefined) putMatrix(product)
    else if (recurrence !== undefined) putRecurrence(recurrence)
    else edit.nodes.push(node)
  }
  const nodes =
    scheme.kind === "weights" ? edit.nodes : guarded(edit, graph, scheme.kind === "static" ? "rows" : "batch")
  return { ...graph, nodes, initializers: edit.initializers }
}
