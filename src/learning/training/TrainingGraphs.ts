/**
 * The graphs of training, made of a network and its loss:
 *
 * - `gradient`: parameters and a batch -> loss and the flat gradient (to accumulate, or to average over machines);
 * - `apply`: parameters, moments and a gradient -> parameters and moments;
 * - `steps`: so many whole steps in one run, each over a batch of its own;
 * - `evaluate`: parameters and a batch -> the loss of each row, without dropout.
 *
 * A batch has a fixed number of rows and a weight for each: 0 for rows that only fill it up. The loss is the weighted
 * mean.
 */
import { shapeOf, type Value, within } from "../graph/Graph.ts"
import { gradientOf } from "../graph/gradient.ts"
import * as ops from "../graph/ops.ts"
import {
  type Builder,
  evaluatingBuilder,
  type Manifest,
  manifestOf,
  trainingBuilder
} from "../graph/Parameters.ts"
import { scan } from "../graph/scan.ts"
import type { ElementType } from "../graph/TensorType.ts"
import type { OnnxSpec } from "../graph/toOnnx.ts"
import { momentCount, type OptimiserSpec, rateCount, type Update, update } from "./Optimiser.ts"

/** One tensor of a batch. */
export interface Field {
  readonly name: string
  /** Of one row. */
  readonly shape: ReadonlyArray<number>
  readonly elementType?: ElementType
}

/** A network with its loss. */
export interface Trainable {
  readonly fields: ReadonlyArray<Field>
  readonly forward: (builder: Builder, batch: Readonly<Record<string, Value>>) => Forward
}

export interface Forward {
  /** The loss of each row, [rows]. */
  readonly losses: Value
  /** What a step gives out besides: no gradient goes through it. */
  readonly outputs?: ReadonlyArray<readonly [name: string, value: Value]>
}

export interface TrainingOptions {
  readonly rows: number
  readonly optimiser: OptimiserSpec
  /** Largest Euclidean norm of a gradient; larger ones are scaled down to it. */
  readonly gradientNormMax?: number
  /** Keeps a moving average of the parameters, as the last of the moments: this share of it stays at each step. */
  readonly averageDecay?: number
  /** [size], 1 for each number that is trained, 0 for one that keeps its value as those of a frozen parameter do. */
  readonly trained?: Float32Array
}

const weightsName = "weights"

/** A mask that a step takes: its values are 0 or 1 / (1 - rate). */
export interface MaskField extends Field {
  readonly rate: number
}

export interface TrainingGraphs {
  readonly manifest: Manifest
  readonly initial: (seed: number) => Float32Array
  readonly moments: number
  /** The batch, as it is fed: the network's fields and the weights, with the rows before their shapes. */
  readonly fields: ReadonlyArray<Field>
  readonly masks: ReadonlyArray<MaskField>
  readonly gradient: OnnxSpec
  readonly apply: OnnxSpec
  readonly steps: (count: number) => OnnxSpec
  readonly evaluate: OnnxSpec
}

const batchFields = ({ fields }: Trainable, rows: number): ReadonlyArray<Required<Field>> => [
  ...fields.map(({ elementType = "float", name, shape }) => ({ name, shape: [rows, ...shape], elementType })),
  { name: weightsName, shape: [rows], elementType: "float" as const }
]

export const trainingGraphs = (trainable: Trainable, options: TrainingOptions): TrainingGraphs => {
  const { averageDecay, gradientNormMax, optimiser, rows, trained } = options
  const fields = batchFields(trainable, rows)
  const recordOf = (values: ReadonlyArray<Value>): Readonly<Record<string, Value>> =>
    Object.fromEntries(fields.map(({ name }, i) => [name, values[i] as Value]))
  const inputOf = ({ elementType, name, shape }: Required<Field>) => ops.input(name, shape, elementType)
  const { initial, ...manifest } = manifestOf((builder) =>
    trainable.forward(builder, recordOf(fields.map(inputOf)))
  )
  const { entries, size } = manifest

  /** Loss and gradient of a step, with the masks that it takes. */
  const differentiate = (
    flat: Value,
    batch: Readonly<Record<string, Value>>,
    maskOf?: (index: number) => Value
  ) => {
    const { builder, flatten, masks, parameters } = trainingBuilder(manifest, flat, maskOf)
    const { losses, outputs = [] } = trainable.forward(builder, batch)
    const weights = batch[weightsName] as Value
    const total = ops.max(ops.sumAll(weights), 1e-12)
    const loss = within("loss", () => ops.div(ops.sumAll(ops.mul(losses, weights)), total))
    const whole = flatten(gradientOf(loss, parameters))
    const hasFixed = trained !== undefined || entries.some(({ frozen }) => frozen)
    const gradient = hasFixed
      ? ops.mul(
          whole,
          ops.constant(
            [size],
            flags(({ frozen }) => !frozen)
          )
        )
      : whole
    return { loss, gradient, masks, outputs }
  }

  /** 1 for the trained numbers of the entries that are meant. */
  const flags = (is: (entry: Manifest["entries"][number]) => boolean): Float32Array => {
    const values = new Float32Array(size)
    for (const entry of entries) {
      if (!is(entry)) continue
      const end = entry.offset + entry.shape.reduce((product, one) => product * one, 1)
      if (trained === undefined) values.fill(1, entry.offset, end)
      else values.set(trained.subarray(entry.offset, end), entry.offset)
    }
    return values
  }

  const clipped = (gradient: Value): Value => {
    if (gradientNormMax === undefined) return gradient
    const norm = ops.sqrt(ops.sumAll(ops.mul(gradient, gradient)))
    return ops.mul(gradient, ops.min(ops.div(gradientNormMax, ops.add(norm, 1e-12)), 1))
  }

  const decayed = () =>
    optimiser.weightDecay > 0
      ? ops.constant(
          [size],
          flags(({ decay, frozen }) => decay && !frozen)
        )
      : undefined

  const moments = momentCount(optimiser) + (averageDecay === undefined ? 0 : 1)
  const advance = (
    parameters: Value,
    before: ReadonlyArray<Value>,
    gradient: Value,
    rates: Value,
    decay: Value | undefined
  ): Update => {
    const next = update(optimiser, { parameters, moments: before }, clipped(gradient), rates, decay)
    if (averageDecay === undefined) return next
    const average = before.at(-1) as Value
    const moved = ops.add(average, ops.mul(ops.sub(next.parameters, average), 1 - averageDecay))
    return { parameters: next.parameters, moments: [...next.moments, moved] }
  }
  const stateInputs = () => ({
    parameters: ops.input("parameters", [size]),
    moments: Array.from({ length: moments }, (_, i) => ops.input(`moment${i}`, [size]))
  })
  const stateOutputs = (parameters: Value, values: ReadonlyArray<Value>) => [
    ["next-parameters", parameters] as const,
    ...values.map((value, i) => [`next-moment${i}`, value] as const)
  ]

  const gradientSpec = (): OnnxSpec & { readonly masks: ReadonlyArray<MaskField> } => {
    const { parameters } = stateInputs()
    const inputs = fields.map(inputOf)
    const { gradient, loss, masks, outputs } = differentiate(parameters, recordOf(inputs))
    return {
      name: "gradient",
      inputs: [parameters, ...inputs, ...masks.map(({ input }) => input)],
      outputs: [["loss", loss], ["gradient", gradient], ...outputs],
      masks: masks.map(({ input, name, rate }) => ({
        name,
        rate,
        shape: shapeOf(input) as ReadonlyArray<number>
      }))
    }
  }
  const { masks, ...gradient } = gradientSpec()

  const apply = (): OnnxSpec => {
    const state = stateInputs()
    const given = ops.input("gradient", [size])
    const rates = ops.input("rates", [rateCount])
    const next = advance(state.parameters, state.moments, given, rates, decayed())
    return {
      name: "apply",
      inputs: [state.parameters, ...state.moments, given, rates],
      outputs: stateOutputs(next.parameters, next.moments)
    }
  }

  const steps = (count: number): OnnxSpec => {
    const state = stateInputs()
    const stacked = [...fields, ...masks.map((mask) => ({ ...mask, elementType: "float" as const }))].map(
      ({ elementType, name, shape }) => ops.input(name, [count, ...shape], elementType)
    )
    const rates = ops.input("rates", [count, rateCount])
    const decay = decayed()
    let names: ReadonlyArray<string> = []
    const { outputs, states } = scan(
      { states: [state.parameters, ...state.moments], sequences: [...stacked, rates] },
      ([parameters, ...before], items) => {
        const maskOf = (index: number) => items[fields.length + index] as Value
        const own = differentiate(parameters as Value, recordOf(items), maskOf)
        const next = advance(parameters as Value, before, own.gradient, items.at(-1) as Value, decay)
        names = own.outputs.map(([name]) => name)
        return {
          states: [next.parameters, ...next.moments],
          outputs: [own.loss, ...own.outputs.map(([, value]) => value)]
        }
      }
    )
    const [parameters, ...after] = states as readonly [Value, ...ReadonlyArray<Value>]
    return {
      name: "steps",
      inputs: [state.parameters, ...state.moments, ...stacked, rates],
      outputs: [
        ["losses", outputs[0] as Value],
        ...names.map((name, i) => [name, outputs[i + 1] as Value] as const),
        ...stateOutputs(parameters, after)
      ]
    }
  }

  const evaluate = (): OnnxSpec => {
    const { parameters } = stateInputs()
    const inputs = fields.map(inputOf)
    const { losses } = trainable.forward(evaluatingBuilder(manifest, parameters), recordOf(inputs))
    return { name: "evaluate", inputs: [parameters, ...inputs], outputs: [["losses", losses]] }
  }

  return {
    manifest,
    initial,
    moments,
    fields,
    masks,
    gradient,
    apply: apply(),
    steps,
    evaluate: evaluate()
  }
}
