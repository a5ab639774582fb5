/**
 * Reverse-mode differentiation, graph to graph.
 *
 * A loop is differentiated as a loop that runs the other way. What its body needs of the forward pass is tapped there;
 * what can be computed from taps element by element is computed for all steps at once outside; and where a capture's
 * gradient is a product or a sum over rows, the loop gives out the factors and one large product is made of them
 * afterwards, instead of one small product and sum at each step.
 *
 * What can go wrong: asking through an operation that has no gradient (a served recurrence, a tap) throws GraphInvalid.
 */
import { invalid, isOp, type Node, nodesOf, shapeOf, type Value, valueOf } from "./Graph.ts"
import { ruleOf } from "./gradientRules.ts"
import * as ops from "./ops.ts"
import { type Seeds, scanGradient } from "./scanGradient.ts"
import { isStatic } from "./TensorType.ts"

export const isReal = ({ type }: Value): boolean =>
  type.elementType === "float" || type.elementType === "double"

/** The gradients of the seeded values, taken together, by each of `by`; undefined where none reaches it. */
export const gradientsOf = (seeds: Seeds, by: ReadonlyArray<Value>): ReadonlyArray<Value | undefined> => {
  const roots = seeds.map(([value]) => value)
  const wanted = new Set<Value>(by)
  const order = nodesOf(roots)
  /** Nodes through which something wanted is reached. */
  const leads = new Set<Node>()
  for (const node of order) {
    const isWanted = node.outputs.some((_, index) => wanted.has(valueOf(node, index)))
    if (isWanted || node.inputs.some((input) => leads.has(input.node))) leads.add(node)
  }
  const reaching = new Map<Value, Value>()
  const slices = new Map<Value, Array<Slice>>()
  const reach = (value: Value, gradient: Value | undefined) => {
    if (gradient === undefined || !isReal(value)) return
    const before = reaching.get(value)
    reaching.set(value, before === undefined ? gradient : ops.add(before, gradient))
  }
  const reachSlice = (node: Node<"slice">, gradient: Value) => {
    const whole = node.inputs[0] as Value
    slices.set(whole, [...(slices.get(whole) ?? []), { ...node.attributes, gradient }])
  }
  /** All that has reached a value: whoever it feeds has been there before. */
  const total = (value: Value): Value | undefined => {
    const parts = slices.get(value)
    if (parts !== undefined) {
      slices.delete(value)
      for (const gradient of joined(value, parts)) reach(value, gradient)
    }
    return reaching.get(value)
  }
  for (const [value, gradient] of seeds) reach(value, gradient)
  for (const node of [...order].reverse()) {
    if (!leads.has(node)) continue
    const gradients = node.outputs.map((_, index) => total(valueOf(node, index)))
    if (gradients.every((gradient) => gradient === undefined)) continue
    const of = node.inputs.map((input) => leads.has(input.node))
    if (!of.includes(true)) continue
    if (isOp(node, "slice")) {
      reachSlice(node, gradients[0] as Value)
      continue
    }
    const results = isOp(node, "scan")
      ? scanGradient(node, of, gradients, gradientsOf)
      : (ruleOf(node, of, gradients[0] as Value) ?? invalid(node.op, "it has no gradient"))
    node.inputs.forEach((input, i) => {
      if (of[i] === true) reach(input, results[i])
    })
  }
  return by.map(total)
}

/** The gradient of a part of a value, from `start` up to but not including `end` along an axis. */
interface Slice {
  readonly axis: number
  readonly start: number
  readonly end: number
  readonly gradient: Value
}

/**
 * The gradients of a value by those of its parts: where the parts lie side by side they are joined, which is one pass
 * over memory instead of several for each.
 */
const joined = (value: Value, parts: ReadonlyArray<Slice>): ReadonlyArray<Value> => {
  const shape = shapeOf(value)
  const { axis } = parts[0] as Slice
  const size = shape[axis] as number
  const sorted = [...parts].sort((a, b) => a.start - b.start)
  const isApart = sorted.every(
    (part, i) => part.axis === axis && part.start >= (i === 0 ? 0 : (sorted[i - 1] as Slice).end)
  )
  if (!isApart || !isStatic(shape)) {
    return parts.map((part) =>
      ops.pad(part.gradient, part.axis, part.start, (shape[part.axis] as number) - part.end)
    )
  }
  const pieces: Array<Value> = []
  let at = 0
  const fill = (end: number) => {
    if (end > at)
      pieces.push(
        ops.zeros(
          shape.map((dim, i) => (i === axis ? end - at : dim)),
          value.type.elementType
        )
      )
  }
  for (const { end, gradient, start } of sorted) {
    fill(start)
    pieces.push(gradient)
    at = end
  }
  fill(size)
  return [ops.concat(pieces, axis)]
}

/** The gradient of a scalar by each of `by`; zeros where it does not depend on it. */
export const gradientOf = (loss: Value, by: ReadonlyArray<Value>): ReadonlyArray<Value> => {
  if (shapeOf(loss).length > 0) invalid("gradient", "only a scalar has one")
  const found = gradientsOf([[loss, ops.scalar(1, loss.type.elementType)]], by)
  return found.map((gradient, i) => {
    const value = by[i] as Value
    return gradient ?? ops.zeros(shapeOf(value) as ReadonlyArray<number>, value.type.elementType)
  })
}
