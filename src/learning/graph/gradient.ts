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
  const reach = (value: Value, gradient: Value | undefined) => {
    if (gradient === undefined || !isReal(value)) return
    const before = reaching.get(value)
    reaching.set(value, before === undefined ? gradient : ops.add(before, gradient))
  }
  for (const [value, gradient] of seeds) reach(value, gradient)
  for (const node of [...order].reverse()) {
    if (!leads.has(node)) continue
    const gradients = node.outputs.map((_, index) => reaching.get(valueOf(node, index)))
    if (gradients.every((gradient) => gradient === undefined)) continue
    const of = node.inputs.map((input) => leads.has(input.node))
    if (!of.includes(true)) continue
    const results = isOp(node, "scan")
      ? scanGradient(node, of, gradients, gradientsOf)
      : (ruleOf(node, of, gradients[0] as Value) ?? invalid(node.op, "it has no gradient"))
    node.inputs.forEach((input, i) => {
      if (of[i] === true) reach(input, results[i])
    })
  }
  return by.map((value) => reaching.get(value))
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
