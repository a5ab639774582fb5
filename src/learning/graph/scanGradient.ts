/** The derivative of a loop: see gradient.ts. */
import {
  isOp,
  makeNode,
  type Node,
  nodesOf,
  type OpName,
  shapeOf,
  substitute,
  type Value,
  valueOf
} from "./Graph.ts"
import * as ops from "./ops.ts"
import { scanOf, tap } from "./scan.ts"
import type { Dim } from "./TensorType.ts"

/** Pairs of a value and the gradient that reaches it. */
export type Seeds = ReadonlyArray<readonly [value: Value, gradient: Value]>

type Gradients = (seeds: Seeds, by: ReadonlyArray<Value>) => ReadonlyArray<Value | undefined>

/** What can be done to all steps at once, because it treats each element, or each last axis, by itself. */
const liftable: ReadonlySet<OpName> = new Set<OpName>([
  ...([
    "neg",
    "exp",
    "log",
    "sqrt",
    "abs",
    "sign",
    "tanh",
    "sigmoid",
    "softplus",
    "relu",
    "erf",
    "atan"
  ] as const),
  ...([
    "sin",
    "cos",
    "not",
    "add",
    "sub",
    "mul",
    "div",
    "max",
    "min",
    "pow",
    "less",
    "greater",
    "equal"
  ] as const),
  ...(["where", "cast"] as const)
])

/** Aligns a stack [steps, ...shape] with others whose items have `rank` axes. */
const aligned = (stack: Value, rank: number): Value => {
  const [steps, ...shape] = shapeOf(stack)
  const missing = rank - shape.length
  return missing === 0 ? stack : ops.reshape(stack, [steps as Dim, ...Array<Dim>(missing).fill(1), ...shape])
}

/** Values of the body, for all steps at once. */
const lifting = (node: Node<"scan">) => {
  const { body } = node.attributes
  const scanValue = valueOf(node, 0)
  const stateCount = body.states.length
  const forward = new Set(nodesOf([...body.nextStates, ...body.outputs]))
  const isInner = dependentsOf([...body.states, ...body.items])
  const lifted = new Map<Value, Value>()
  body.items.forEach((item, i) => {
    lifted.set(item, node.inputs[stateCount + i] as Value)
  })
  const outside = new Map<Value, Value>()
  body.captures.forEach((capture, i) => {
    outside.set(capture, node.inputs[stateCount + body.items.length + i] as Value)
  })

  const lift = (value: Value): Value => {
    const known = lifted.get(value)
    if (known !== undefined) return known
    const of = value.node
    let result: Value
    if (of.op === "placeholder" || forward.has(of) || !liftable.has(of.op)) {
      result = tap(scanValue, value)
    } else {
      const rank = shapeOf(value).length
      const inputs = of.inputs.map((input) =>
        isInner(input.node) ? aligned(lift(input), rank) : outer(input)
      )
      const [steps] = shapeOf(inputs.find((_, i) => isInner((of.inputs[i] as Value).node)) as Value)
      const type = { ...value.type, shape: [steps as Dim, ...value.type.shape] }
      result = makeNode(of.op, inputs, of.attributes, [type], of.layer)[0] as Value
    }
    lifted.set(value, result)
    return result
  }
  /** A value that is the same at every step. */
  const outer = (value: Value): Value => substitute([value], outside)[0] as Value

  return { lift, outer, isInner, outside }
}

/** Tells which nodes depend on the given values, one at a time. */
const dependentsOf = (on: ReadonlyArray<Value>) => {
  const known = new Map<Node, boolean>(on.map(({ node }) => [node, true]))
  return (node: Node): boolean => {
    for (const one of nodesOf([valueOf(node, 0)])) {
      if (!known.has(one))
        known.set(
          one,
          one.inputs.some((input) => known.get(input.node) === true)
        )
    }
    return known.get(node) === true
  }
}

/** A sum over steps, as what a step has to give out, and what is made of the stacks. */
interface Hoisted {
  readonly parts: ReadonlyArray<Value>
  readonly combine: (stacks: ReadonlyArray<Value>) => Value
}

const flatRows = (stack: Value): Value => {
  const [steps, rows, ...rest] = shapeOf(stack) as readonly [number, number, ...ReadonlyArray<Dim>]
  return ops.reshape(stack, [steps * rows, ...rest])
}

/** Recognises gradients whose sum over the steps is one product or sum over all their rows. */
const hoist = (gradient: Value): Hoisted | undefined => {
  const { node } = gradient
  if (isOp(node, "matmul") && node.attributes.transposeA && !node.attributes.transposeB) {
    if (shapeOf(gradient).length !== 2) return undefined
    return {
      parts: node.inputs,
      combine: ([a, b]) => ops.matmul(flatRows(a as Value), flatRows(b as Value), true)
    }
  }
  if (isOp(node, "reduceSum") && node.attributes.axes[0] === 0) {
    const { axes, keepDims } = node.attributes
    const combine = ([x]: ReadonlyArray<Value>) =>
      ops.reduceSum(ops.reduceSum(x as Value, [0, ...axes.map((axis) => axis + 1)], true), [0], false)
    return keepDims
      ? { parts: node.inputs, combine }
      : { parts: node.inputs, combine: (stacks) => ops.reshape(combine(stacks), shapeOf(gradient)) }
  }
  if (isOp(node, "reshape")) {
    const inner = hoist(node.inputs[0] as Value)
    if (inner === undefined) return undefined
    return { parts: inner.parts, combine: (stacks) => ops.reshape(inner.combine(stacks), shapeOf(gradient)) }
  }
  if (isOp(node, "add")) {
    const [a, b] = node.inputs.map((input) =>
      shapeOf(input).length === shapeOf(gradient).length ? hoist(input) : undefined
    )
    if (a === undefined || b === undefined) return undefined
    return {
      parts: [...a.parts, ...b.parts],
      combine: (stacks) =>
        ops.add(a.combine(stacks.slice(0, a.parts.length)), b.combine(stacks.slice(a.parts.length)))
    }
  }
  return undefined
}

const zerosOf = ({ type }: Value): Value => ops.zeros(type.shape as ReadonlyArray<number>, type.elementType)

/**
 * @param of by input, whether its gradient is wanted
 * @param gradients by output, what reaches it
 */
export const scanGradient = (
  node: Node<"scan">,
  of: ReadonlyArray<boolean>,
  gradients: ReadonlyArray<Value | undefined>,
  gradientsOf: Gradients
): ReadonlyArray<Value | undefined> => {
  const { body, reverse } = node.attributes
  const stateCount = body.states.length
  const { isInner, lift, outer } = lifting(node)

  const stateSeeds = body.nextStates.map((value) => ops.placeholder(value.type))
  const outputSeeds = body.outputs.map((value) => ops.placeholder(value.type))
  const seeded = body.outputs.map((_, i) => gradients[stateCount + i] !== undefined)
  const itemWanted = body.items.map((_, i) => of[stateCount + i] === true)
  const captureWanted = body.captures.map((_, i) => of[stateCount + body.items.length + i] === true)
  const by = [
    ...body.states,
    ...body.items.filter((_, i) => itemWanted[i] === true),
    ...body.captures.filter((_, i) => captureWanted[i] === true)
  ]
  const stepGradients = (active: ReadonlyArray<boolean>) => {
    const seedsOf = (
      values: ReadonlyArray<Value>,
      of: ReadonlyArray<Value>,
      chosen: ReadonlyArray<boolean>
    ) => values.flatMap((value, i) => (chosen[i] === true ? [[value, of[i] as Value] as const] : []))
    return gradientsOf(
      [...seedsOf(body.nextStates, stateSeeds, active), ...seedsOf(body.outputs, outputSeeds, seeded)],
      by
    )
  }
  // A state takes part if a gradient reaches it from the last step or from the one after it.
  let active = body.states.map(({ type }) => type.elementType === "float" || type.elementType === "double")
  let found = stepGradients(active)
  for (let isSettled = false; !isSettled; ) {
    const left = active.map((is, i) => is && (found[i] !== undefined || gradients[i] !== undefined))
    isSettled = left.every((is, i) => is === active[i])
    if (!isSettled) found = stepGradients(left)
    active = left
  }
  let next = stateCount
  const byItem = body.items.map((_, i) => (itemWanted[i] === true ? found[next++] : undefined))
  const byCapture = body.captures.map((_, i) => (captureWanted[i] === true ? found[next++] : undefined))

  // What a backward step gives on, what it gives out, and what is made of that afterwards.
  const nextStates: Array<Value> = []
  const states: Array<Value> = []
  const stateItems: Array<Value> = []
  body.states.forEach((state, i) => {
    if (active[i] !== true) return
    stateItems.push(stateSeeds[i] as Value)
    states.push(gradients[i] ?? zerosOf(node.inputs[i] as Value))
    nextStates.push(found[i] ?? zerosOf(state))
  })
  const outputs: Array<Value> = []
  const positionOf = (value: Value): number => {
    const known = outputs.indexOf(value)
    return known >= 0 ? known : outputs.push(value) - 1
  }
  const dependsOnSeeds = dependentsOf([...stateSeeds, ...outputSeeds])
  type Finish = (last: ReadonlyArray<Value>, stacks: ReadonlyArray<Value>) => Value
  const finishItem = byItem.map((gradient): Finish | undefined => {
    if (gradient === undefined) return undefined
    const at = positionOf(gradient)
    return (_last, stacks) => stacks[at] as Value
  })
  const finishCapture = byCapture.map((gradient): Finish | undefined => {
    if (gradient === undefined) return undefined
    const hoisted = hoist(gradient)
    if (hoisted !== undefined) {
      const take = hoisted.parts.map((part) => {
        if (dependsOnSeeds(part.node)) {
          const at = positionOf(part)
          return (stacks: ReadonlyArray<Value>) => stacks[at] as Value
        }
        return isInner(part.node) ? () => lift(part) : undefined
      })
      if (take.every((one) => one !== undefined)) {
        return (_last, stacks) => hoisted.combine(take.map((one) => one(stacks)))
      }
    }
    const total = ops.placeholder(gradient.type)
    const at = states.length
    stateItems.push(total)
    states.push(zerosOf(gradient))
    nextStates.push(ops.add(total, gradient))
    return (last) => last[at] as Value
  })

  // The sequences of the backward loop: the gradients of what was given out, and what is tapped or lifted.
  const sequences: Array<Value> = []
  const items: Array<Value> = []
  outputSeeds.forEach((seed, i) => {
    if (seeded[i] !== true) return
    items.push(seed)
    sequences.push(gradients[stateCount + i] as Value)
  })
  const replacements = new Map<Value, Value>()
  const bring = (value: Value) => {
    if (dependsOnSeeds(value.node) || stateItems.includes(value) || replacements.has(value)) return
    if (isInner(value.node)) {
      const item = ops.placeholder(value.type)
      replacements.set(value, item)
      items.push(item)
      sequences.push(lift(value))
    } else if (value.node.inputs.length > 0 || body.captures.includes(value)) {
      replacements.set(value, outer(value))
    }
  }
  const results = [...nextStates, ...outputs]
  for (const one of nodesOf(results)) if (dependsOnSeeds(one)) one.inputs.forEach(bring)
  results.forEach(bring)
  if (sequences.length === 0) sequences.push(node.inputs[stateCount] as Value)
  const replaced = substitute(results, replacements)
  const itemsOrUnused = items.length > 0 ? items : [ops.placeholder((body.items[0] as Value).type)]
  const backward = scanOf(states, sequences, !reverse, stateItems, itemsOrUnused, {
    states: replaced.slice(0, nextStates.length),
    outputs: replaced.slice(nextStates.length)
  })

  let stateAt = 0
  const byState = body.states.map((_, i) => (active[i] === true ? backward.states[stateAt++] : undefined))
  return [
    ...byState,
    ...finishItem.map((finish) => finish?.(backward.states, backward.outputs)),
    ...finishCapture.map((finish) => finish?.(backward.states, backward.outputs))
  ]
}
