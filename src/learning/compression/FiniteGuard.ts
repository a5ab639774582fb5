/**
 * Keeps NaN and infinities visible in a model of whole products. Codes know neither: an input that is not finite would
 * come out as a number like any other.
 *
 * Each input less itself is 0 where it is finite and NaN where it is not; summed and added to every output, it changes
 * no bit of a finite answer.
 *
 * What can go wrong: what becomes infinite inside the model is coded as the end of a range, and is not seen.
 * Invariants: with `rows`, exactly the rows of a batch whose input is not finite answer NaN; with `batch` all of them
 * do, for one such row has spoilt the range that all are coded by.
 */
import type { GraphProto, NodeProto, ValueInfoProto } from "../onnx/OnnxFile.ts"
import { type GraphEditor, int } from "./GraphEditor.ts"

export type GuardReach = "rows" | "batch"

/** Whether the rows of all are the same: their first sizes bear one name. */
const shareRows = (all: ReadonlyArray<ValueInfoProto>): boolean => {
  const names = new Set(all.map(({ dims }) => dims?.[0]))
  return names.size === 1 && [...names].every((name) => typeof name === "string")
}

/** The node with other names for what it takes and gives, in its subgraphs as well. */
const renamedNode = (node: NodeProto, names: ReadonlyMap<string, string>): NodeProto => {
  const all = (given: ReadonlyArray<string>) => given.map((name) => names.get(name) ?? name)
  return {
    ...node,
    name: names.get(node.name) ?? node.name,
    inputs: all(node.inputs),
    outputs: all(node.outputs),
    attributes: node.attributes.map((one) =>
      one.type === "graph"
        ? {
            ...one,
            value: { ...one.value, nodes: one.value.nodes.map((inner) => renamedNode(inner, names)) }
          }
        : one
    )
  }
}

/**
 * The nodes of the editor, with the guard between them and the outputs.
 *
 * @param graph whose inputs and outputs it stands between
 */
export const guarded = (
  edit: GraphEditor,
  { inputs, outputs }: GraphProto,
  reach: GuardReach
): ReadonlyArray<NodeProto> => {
  const made = edit.nodes.splice(0)
  const makes = new Set(made.flatMap((node) => node.outputs))
  const given = inputs.filter(({ elementType }) => elementType === "float")
  const asked = outputs.filter(({ elementType, name }) => elementType === "float" && makes.has(name))
  const byRow = reach === "rows" && shareRows([...given, ...asked])
  /** [rows], or one number. */
  const sums = given.map(({ dims, name }) => {
    const zeros = edit.add("Sub", [name, name], `${name}/zeros`)
    const axes = (dims ?? []).slice(1).map((_, i) => i + 1)
    if (byRow && axes.length === 0) return zeros
    const others = byRow ? [edit.constant(`${name}/axes`, "int64", [axes.length], axes)] : []
    return edit.add("ReduceSum", [zeros, ...others], `${name}/finite`, [int("keepdims", 0)])
  })
  const [first, ...rest] = sums
  if (first === undefined) return made
  const sum = rest.reduce((total, one) => edit.add("Add", [total, one], "finite"), first)
  const names = new Map(
    asked.map(({ dims, name }) => {
      const axes = (dims ?? []).slice(1).map((_, i) => i + 1)
      const placed =
        byRow && axes.length > 0
          ? edit.add(
              "Unsqueeze",
              [sum, edit.constant(`${name}/axes`, "int64", [axes.length], axes)],
              `${name}/finite`
            )
          : sum
      const unguarded = edit.fresh(`${name}/unguarded`)
      edit.put("Add", [unguarded, placed], [name])
      return [name, unguarded]
    })
  )
  return [...made.map((node) => renamedNode(node, names)), ...edit.nodes]
}
