/**
 * A loop over steps: states go from one step to the next, sequences give one item to each step, and what a step gives
 * out is stacked. It stays a loop in everything that is made of the graph.
 *
 * What the body takes from outside becomes a capture, so that the body is a graph of its own; whatever in it depends
 * on no step is thereby computed once, outside.
 */
import {
  dependents,
  describe,
  invalid,
  makeNode,
  makeValue,
  nodesOf,
  type ScanBody,
  shapeOf,
  substitute,
  type Value
} from "./Graph.ts"
import { placeholder, zeros } from "./ops.ts"
import { type Dim, sameShape } from "./TensorType.ts"

export interface ScanSpec {
  readonly states: ReadonlyArray<Value>
  /** Equal in their first size: the number of steps. */
  readonly sequences: ReadonlyArray<Value>
  /** Where there are no sequences. */
  readonly steps?: number
  /** From the last step to the first; what is given out stands where its item stood. */
  readonly reverse?: boolean
}

export interface ScanStep {
  readonly states: ReadonlyArray<Value>
  readonly outputs: ReadonlyArray<Value>
}

export const scan = (
  { reverse = false, sequences, states, steps }: ScanSpec,
  step: (states: ReadonlyArray<Value>, items: ReadonlyArray<Value>) => ScanStep
): ScanStep => {
  const paced = sequences.length > 0 ? sequences : [zeros([steps ?? invalid("scan", "it has no steps")])]
  const count = shapeOf(paced[0] as Value)[0] as Dim
  if (paced.some((sequence) => shapeOf(sequence)[0] !== count)) {
    invalid("scan", `${describe(...paced)} differ in their number of steps`)
  }
  const stateItems = states.map(({ type }) => placeholder(type))
  const items = paced.map(({ type }) => placeholder({ ...type, shape: type.shape.slice(1) }))
  const next = step(stateItems, sequences.length > 0 ? items : [])
  next.states.forEach((value, i) => {
    const before = states[i] as Value
    if (!sameShape(shapeOf(value), shapeOf(before)) || value.type.elementType !== before.type.elementType) {
      invalid("scan", `a state is ${describe(before)} before a step and ${describe(value)} after it`)
    }
  })
  if (next.states.length !== states.length) invalid("scan", "a step loses states")
  return scanOf(states, paced, reverse, stateItems, items, next)
}

/** Closes a body over placeholders, and makes the node. */
export const scanOf = (
  states: ReadonlyArray<Value>,
  sequences: ReadonlyArray<Value>,
  reverse: boolean,
  stateItems: ReadonlyArray<Value>,
  items: ReadonlyArray<Value>,
  next: ScanStep
): ScanStep => {
  const results = [...next.states, ...next.outputs]
  const inner = dependents(results, [...stateItems, ...items])
  const outside = new Map<Value, Value>()
  const capture = (value: Value) => {
    // A constant is the same everywhere, and rules look at its value.
    if (inner.has(value.node) || outside.has(value) || value.node.op === "constant") return
    outside.set(value, placeholder(value.type))
  }
  for (const node of nodesOf(results)) if (inner.has(node)) node.inputs.forEach(capture)
  results.forEach(capture)
  const closed = substitute(results, outside)
  const body: ScanBody = {
    states: stateItems,
    items,
    captures: [...outside.values()],
    nextStates: closed.slice(0, states.length),
    outputs: closed.slice(states.length)
  }
  const count = shapeOf(sequences[0] as Value)[0] as Dim
  const values = makeNode("scan", [...states, ...sequences, ...outside.keys()], { body, reverse }, [
    ...states.map(({ type }) => type),
    ...body.outputs.map(({ type }) => ({ ...type, shape: [count, ...type.shape] }))
  ])
  return { states: values.slice(0, states.length), outputs: values.slice(states.length) }
}

/** A value of the body, stacked over the steps. */
export const tap = (scanValue: Value, value: Value): Value => {
  const { body } = scanValue.node.attributes as { readonly body: ScanBody }
  const count = shapeOf(scanValue.node.inputs[body.states.length] as Value)[0] as Dim
  return makeValue(
    "tap",
    [scanValue],
    { value },
    { elementType: value.type.elementType, shape: [count, ...value.type.shape] }
  )
}
