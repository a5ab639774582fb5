/** What the writing of ONNX models is made of: operators by name, attributes, names that are taken once. */
import type { AttributeProto, ValueInfoProto } from "../onnx/OnnxFile.ts"
import { type TensorProto, tensor } from "../onnx/OnnxTensor.ts"
import type { BinaryOp, CompareOp, ReduceOp, UnaryOp } from "./Graph.ts"
import { batch, type ElementType, type TensorType } from "./TensorType.ts"

export const operators: Readonly<Record<UnaryOp | BinaryOp | CompareOp | ReduceOp, string>> = {
  neg: "Neg",
  exp: "Exp",
  log: "Log",
  sqrt: "Sqrt",
  abs: "Abs",
  sign: "Sign",
  tanh: "Tanh",
  sigmoid: "Sigmoid",
  softplus: "Softplus",
  relu: "Relu",
  erf: "Erf",
  atan: "Atan",
  sin: "Sin",
  cos: "Cos",
  not: "Not",
  add: "Add",
  sub: "Sub",
  mul: "Mul",
  div: "Div",
  max: "Max",
  min: "Min",
  pow: "Pow",
  less: "Less",
  greater: "Greater",
  equal: "Equal",
  reduceSum: "ReduceSum",
  reduceMean: "ReduceMean",
  reduceMax: "ReduceMax"
}

export const int = (name: string, value: number): AttributeProto => ({ name, type: "int", value })
export const ints = (name: string, value: ReadonlyArray<number>): AttributeProto => ({
  name,
  type: "ints",
  value
})

export const infoOf = (name: string, { elementType, shape }: TensorType): ValueInfoProto => ({
  name,
  elementType,
  dims: shape.map((dim) => (dim === batch ? "N" : typeof dim === "number" ? dim : null))
})

/** What all levels of a model share. */
export class Shared {
  readonly initializers: Array<TensorProto> = []
  readonly #constants = new Map<string, string>()
  readonly #taken = new Map<string, number>()

  /** A name that nothing else has, made of a wish. */
  fresh(wish: string): string {
    const count = (this.#taken.get(wish) ?? 0) + 1
    this.#taken.set(wish, count)
    return count === 1 ? wish : this.fresh(`${wish}.${count}`)
  }

  reserve(name: string): void {
    this.#taken.set(name, 1)
  }

  constant(elementType: ElementType, shape: ReadonlyArray<number>, values: ArrayLike<number>): string {
    const made = tensor("", elementType, shape, values)
    const bytes = Buffer.from(made.raw.buffer, made.raw.byteOffset, made.raw.byteLength)
    const key = `${elementType}/${shape.join(",")}/${bytes.toString("latin1")}`
    const known = this.#constants.get(key)
    if (known !== undefined) return known
    const name = this.fresh("constant")
    this.#constants.set(key, name)
    this.initializers.push({ ...made, name })
    return name
  }
}
