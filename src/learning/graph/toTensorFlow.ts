/**
 * A graph run by TensorFlow.js: operation by operation, loops as loops of the host. It serves where a native backend of
 * TensorFlow is installed, and its own autodiff, applied to the forward graph, checks ours. The library comes in as an
 * argument; this file knows its types only.
 *
 * What can go wrong: an input that is not fed, or not fed in its shape and type, throws GraphInvalid. TensorFlow.js has
 * no float64 and no int64: "double" is computed in float32, "int64" in int32, where constants beyond 32 bits are refused
 * and quotients rounded down. Where a function has a corner its autodiff takes another side than ours: at 0 the slope of
 * abs is -1, of two equals max and min go to the first alone, and of equal maxima each gets the whole gradient.
 *
 * Invariants: what is fed is not disposed, and what comes out is the caller's to dispose. Intermediate tensors are
 * left to the caller as well, who runs the graph inside `tf.tidy`, which frees them, or inside `tf.grads` and its like,
 * which keep what they need and free the rest. Steps of loops are tidied here. Constants are made once and live until
 * `dispose`.
 */
import { invalid, isOp, type Node, nodesOf, type Value, valueOf } from "./Graph.ts"
import { boundShape, showShape, type TensorType } from "./TensorType.ts"
import {
  type BoundType,
  type Direct,
  dataTypes,
  hasShape,
  type Operation,
  operationsOf,
  type Tensor,
  type TensorFlow,
  tensorOf
} from "./tensorFlowOperations.ts"

/** What is evaluated, in order; of a loop, what each of its steps gives and how. */
interface Planned {
  readonly node: Node
  readonly loop?: Loop
}

interface Loop {
  readonly node: Node<"scan">
  readonly tapped: ReadonlyArray<Node<"tap">>
  /** Next states, outputs, tapped values. */
  readonly results: ReadonlyArray<Value>
  readonly steps: ReadonlyArray<Planned>
}

const planOf = (outputs: ReadonlyArray<Value>): ReadonlyArray<Planned> => {
  const order = nodesOf(outputs)
  const taps = order.filter((node) => isOp(node, "tap"))
  return order.flatMap((node): ReadonlyArray<Planned> => {
    if (isOp(node, "tap")) return []
    if (!isOp(node, "scan")) return [{ node }]
    const { body } = node.attributes
    const tapped = taps.filter(({ inputs }) => inputs[0]?.node === node)
    const results = [...body.nextStates, ...body.outputs, ...tapped.map((tap) => tap.attributes.value)]
    return [{ node, loop: { node, tapped, results, steps: planOf(results) } }]
  })
}

const bound = ({ elementType, shape }: TensorType, batchSize: number): BoundType => ({
  elementType,
  shape: boundShape(shape, batchSize)
})

/** The batch size of what is fed; 1 where nothing has one. */
const batchSizeOf = (inputs: ReadonlyMap<Value, Tensor>): number => {
  for (const [{ type }, { shape }] of inputs) {
    const axis = type.shape.findIndex((dim) => typeof dim === "string")
    const size = (shape[axis] as number) / (boundShape(type.shape, 1)[axis] as number)
    if (Number.isInteger(size)) return size
  }
  return 1
}

const checkFed = (inputs: ReadonlyMap<Value, Tensor>, batchSize: number): void => {
  for (const [{ node, type }, tensor] of inputs) {
    const { elementType, shape } = bound(type, batchSize)
    if (hasShape(tensor, shape) && tensor.dtype === dataTypes[elementType]) continue
    const name = isOp(node, "input") ? `"${node.attributes.name}"` : "it"
    invalid(
      node.op,
      `${name} is ${elementType} ${showShape(type.shape)} and was fed ${tensor.dtype} ${showShape(tensor.shape)}`
    )
  }
}

export interface TensorFlowGraph {
  /** The outputs for values of the inputs. The batch size is that of what is fed. */
  readonly run: (inputs: ReadonlyMap<Value, Tensor>) => ReadonlyArray<Tensor>
  /** Frees the constants; a later run makes them again. */
  readonly dispose: () => void
}

type Known = Map<Value, Tensor>

/** Prepares a graph to be run many times. */
export const toTensorFlow = (tf: TensorFlow, outputs: ReadonlyArray<Value>): TensorFlowGraph => {
  const operations = operationsOf(tf)
  const constants = new Map<Node, Tensor>()

  const constantOf = (node: Node<"constant">): Tensor => {
    const known = constants.get(node)
    if (known !== undefined) return known
    const { elementType, shape } = bound(node.outputs[0] as TensorType, 1)
    const made = tf.keep(tensorOf(tf, elementType, shape, node.attributes.data))
    constants.set(node, made)
    return made
  }

  const evaluateNode = (node: Node, inputs: ReadonlyArray<Tensor>, batchSize: number): Tensor => {
    if (isOp(node, "constant")) return constantOf(node)
    const operation = operations[node.op as Direct] as Operation<unknown> | undefined
    if (operation === undefined) return invalid(node.op, "it has no value: it was not fed")
    return operation(inputs, node.attributes, bound(node.outputs[0] as TensorType, batchSize))
  }

  const evaluateLoop = (
    { node, results, steps: planned, tapped }: Loop,
    inputs: ReadonlyArray<Tensor>,
    known: Known,
    batchSize: number
  ): void => {
    const { body, reverse } = node.attributes
    const stateCount = body.states.length
    const places = [...body.states, ...body.items, ...body.captures]
    let states = inputs.slice(0, stateCount)
    const sequences = inputs
      .slice(stateCount, stateCount + body.items.length)
      .map((stack) => tf.unstack(stack))
    const captures = inputs.slice(stateCount + body.items.length)
    const steps = (sequences[0] as ReadonlyArray<Tensor>).length
    const stacks = results.slice(stateCount).map(() => new Array<Tensor>(steps))
    for (let i = 0; i < steps; i++) {
      const step = reverse ? steps - 1 - i : i
      const given = tf.tidy(() => {
        const fed = [...states, ...sequences.map((items) => items[step] as Tensor), ...captures]
        const inner: Known = new Map(places.map((place, k) => [place, fed[k] as Tensor]))
        return evaluateAll(planned, results, inner, batchSize)
      })
      states = given.slice(0, stateCount)
      stacks.forEach((stack, k) => {
        stack[step] = given[stateCount + k] as Tensor
      })
    }
    const stacked = stacks.map((stack) => tf.stack(stack))
    const values = [...node.outputs.map((_, k) => valueOf(node, k)), ...tapped.map((tap) => valueOf(tap, 0))]
    values.forEach((value, k) => {
      known.set(value, (k < stateCount ? states[k] : stacked[k - stateCount]) as Tensor)
    })
  }

  const evaluateAll = (
    planned: ReadonlyArray<Planned>,
    wanted: ReadonlyArray<Value>,
    known: Known,
    batchSize: number
  ): Array<Tensor> => {
    for (const { loop, node } of planned) {
      if (known.has(valueOf(node, 0))) continue
      const inputs = node.inputs.map((input) => known.get(input) as Tensor)
      if (loop !== undefined) evaluateLoop(loop, inputs, known, batchSize)
      else known.set(valueOf(node, 0), evaluateNode(node, inputs, batchSize))
    }
    return wanted.map((value) => known.get(value) as Tensor)
  }

  const plan = planOf(outputs)
  return {
    run: (inputs) => {
      const batchSize = batchSizeOf(inputs)
      checkFed(inputs, batchSize)
      // An output may be what was fed, or a constant.
      return evaluateAll(plan, outputs, new Map(inputs), batchSize).map((output) => tf.clone(output))
    },
    dispose: () => {
      for (const constant of constants.values()) constant.dispose()
      constants.clear()
    }
  }
}
