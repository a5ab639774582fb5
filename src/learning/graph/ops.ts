/**
 * The primitives, each with its shape rule. Binary operations broadcast as NumPy does.
 *
 * What can go wrong: types that do not fit throw GraphInvalid.
 */
import {
  type BinaryOp,
  type CompareOp,
  describe,
  invalid,
  makeValue,
  type ReduceOp,
  shapeOf,
  type UnaryOp,
  type Value
} from "./Graph.ts"
import {
  broadcastShapes,
  type Dim,
  type ElementType,
  isStatic,
  productOf,
  type Shape,
  sameShape,
  showShape,
  type TensorType
} from "./TensorType.ts"

const isReal = ({ type }: Value) => type.elementType === "float" || type.elementType === "double"

export const input = (name: string, shape: Shape, elementType: ElementType = "float"): Value =>
  makeValue("input", [], { name }, { elementType, shape })

export const placeholder = (type: TensorType): Value => makeValue("placeholder", [], {}, type)

export const constant = (
  shape: ReadonlyArray<number>,
  values: ArrayLike<number>,
  elementType: ElementType = "float"
): Value => {
  const count = shape.reduce((product, size) => product * size, 1)
  if (values.length !== count) {
    invalid("constant", `${values.length} values do not fill ${showShape(shape)}`)
  }
  return makeValue("constant", [], { data: Float64Array.from(values) }, { elementType, shape })
}

export const scalar = (value: number, elementType: ElementType = "float"): Value =>
  constant([], [value], elementType)

export const filled = (shape: ReadonlyArray<number>, value: number, elementType: ElementType = "float") =>
  constant(
    shape,
    new Float64Array(shape.reduce((product, size) => product * size, 1)).fill(value),
    elementType
  )

export const zeros = (shape: ReadonlyArray<number>, elementType: ElementType = "float"): Value =>
  filled(shape, 0, elementType)

const unary =
  (op: UnaryOp) =>
  (x: Value): Value => {
    if (op === "not" ? x.type.elementType !== "bool" : !isReal(x))
      invalid(op, `it does not take ${describe(x)}`)
    return makeValue(op, [x], {}, x.type)
  }

export const neg = unary("neg")
export const exp = unary("exp")
export const log = unary("log")
export const sqrt = unary("sqrt")
export const abs = unary("abs")
export const sign = unary("sign")
export const tanh = unary("tanh")
export const sigmoid = unary("sigmoid")
/** log(1 + exp(x)) */
export const softplus = unary("softplus")
export const relu = unary("relu")
export const erf = unary("erf")
export const atan = unary("atan")
export const sin = unary("sin")
export const cos = unary("cos")
export const not = unary("not")

const broadcast = (op: string, a: Value, b: Value): Shape => {
  if (a.type.elementType !== b.type.elementType) invalid(op, `${describe(a, b)} are not of one element type`)
  return broadcastShapes(shapeOf(a), shapeOf(b)) ?? invalid(op, `${describe(a, b)} do not fit each other`)
}

type Operand = Value | number

/** Numbers stand for constants of the other's element type. */
const operands = (a: Operand, b: Operand): readonly [Value, Value] => {
  if (typeof a === "number") {
    const right = b as Value
    return [scalar(a, right.type.elementType), right]
  }
  return [a, typeof b === "number" ? scalar(b, a.type.elementType) : b]
}

const binary =
  (op: BinaryOp) =>
  (left: Operand, right: Operand): Value => {
    const [a, b] = operands(left, right)
    const shape = broadcast(op, a, b)
    if (a.type.elementType === "bool") invalid(op, "it does not take truth values")
    // Whole numbers are divided differently by whoever divides them.
    if ((op === "div" || op === "pow") && !isReal(a)) invalid(op, "it does not take whole numbers")
    return makeValue(op, [a, b], {}, { elementType: a.type.elementType, shape })
  }

export const add = binary("add")
export const sub = binary("sub")
export const mul = binary("mul")
export const div = binary("div")
export const max = binary("max")
export const min = binary("min")
/** Only the base has a gradient: the exponent is a number. */
export const pow = (base: Value, exponent: number): Value => binary("pow")(base, exponent)

const compare =
  (op: CompareOp) =>
  (left: Operand, right: Operand): Value => {
    const [a, b] = operands(left, right)
    return makeValue(op, [a, b], {}, { elementType: "bool", shape: broadcast(op, a, b) })
  }

export const less = compare("less")
export const greater = compare("greater")
export const equal = compare("equal")

export const where = (condition: Value, a: Value, b: Value): Value => {
  if (condition.type.elementType !== "bool") invalid("where", `${describe(condition)} is no condition`)
  const either = broadcast("where", a, b)
  const shape = broadcastShapes(shapeOf(condition), either)
  if (shape === undefined) return invalid("where", `${describe(condition, a, b)} do not fit each other`)
  return makeValue("where", [condition, a, b], {}, { elementType: a.type.elementType, shape })
}

export const cast = (x: Value, elementType: ElementType): Value =>
  x.type.elementType === elementType ? x : makeValue("cast", [x], {}, { elementType, shape: shapeOf(x) })

const axisOf = (op: string, x: Value, axis: number): number => {
  const rank = shapeOf(x).length
  const at = axis < 0 ? axis + rank : axis
  return at >= 0 && at < rank ? at : invalid(op, `${describe(x)} has no axis ${axis}`)
}

const reduce =
  (op: ReduceOp) =>
  (x: Value, axes: ReadonlyArray<number>, keepDims = false): Value => {
    const chosen = [...new Set(axes.map((axis) => axisOf(op, x, axis)))].sort((a, b) => a - b)
    if (!isReal(x)) invalid(op, `it does not take ${describe(x)}`)
    // ONNX takes no axes for all of them.
    if (chosen.length === 0) return x
    const shape = shapeOf(x).flatMap((dim, axis) => (chosen.includes(axis) ? (keepDims ? [1] : []) : [dim]))
    return makeValue(op, [x], { axes: chosen, keepDims }, { elementType: x.type.elementType, shape })
  }

export const reduceSum = reduce("reduceSum")
export const reduceMean = reduce("reduceMean")
/** The gradient goes to all that are equal to the maximum, in equal shares. */
export const reduceMax = reduce("reduceMax")

export const allAxes = (x: Value): ReadonlyArray<number> => shapeOf(x).map((_, axis) => axis)

export const sumAll = (x: Value): Value => reduceSum(x, allAxes(x))

/** One size may be -1: what is left. */
export const reshape = (x: Value, sizes: Shape): Value => {
  const known = sizes.filter((dim) => dim !== -1)
  let shape = sizes
  if (known.length < sizes.length) {
    const total = productOf(shapeOf(x))
    const rest = productOf(known)
    const left = total === undefined || rest === undefined ? undefined : quotient(total, rest)
    if (left === undefined) return invalid("reshape", `${describe(x)} cannot be ${showShape(sizes)}`)
    shape = sizes.map((dim) => (dim === -1 ? left : dim))
  }
  if (productOf(shape) === undefined || productOf(shape) !== productOf(shapeOf(x))) {
    return invalid("reshape", `${describe(x)} cannot be ${showShape(shape)}`)
  }
  return sameShape(shape, shapeOf(x)) ? x : makeValue("reshape", [x], {}, { ...x.type, shape })
}

const quotient = (total: Dim, divisor: Dim): Dim | undefined => {
  const numberOf = (dim: Dim) => (typeof dim === "number" ? dim : Number(dim.slice(0, -1)))
  const result = numberOf(total) / numberOf(divisor)
  if (!Number.isInteger(result)) return undefined
  if (typeof total === typeof divisor) return result
  return typeof total === "string" ? `${result}N` : undefined
}

export const transpose = (x: Value, permutation: ReadonlyArray<number>): Value => {
  const rank = shapeOf(x).length
  const isPermutation = permutation.length === rank && new Set(permutation).size === rank
  if (!isPermutation || permutation.some((axis) => axis < 0 || axis >= rank)) {
    invalid("transpose", `${describe(x)} has not the axes ${permutation.join(", ")}`)
  }
  if (permutation.every((axis, i) => axis === i)) return x
  const shape = permutation.map((axis) => shapeOf(x)[axis] as Dim)
  return makeValue("transpose", [x], { permutation }, { ...x.type, shape })
}

export const concat = (values: ReadonlyArray<Value>, axis: number): Value => {
  const [first] = values
  if (first === undefined) return invalid("concat", "there is nothing to join")
  if (values.length === 1) return first
  const at = axisOf("concat", first, axis)
  const sizes = values.map((value) => {
    const shape = shapeOf(value)
    const fits =
      value.type.elementType === first.type.elementType &&
      shape.length === shapeOf(first).length &&
      shape.every((dim, i) => i === at || dim === shapeOf(first)[i])
    const size = shape[at]
    return fits && typeof size === "number"
      ? size
      : invalid("concat", `${describe(first, value)} cannot be joined along axis ${at}`)
  })
  const total = sizes.reduce((sum, size) => sum + size, 0)
  const shape = shapeOf(first).map((dim, i) => (i === at ? total : dim))
  return makeValue("concat", values, { axis: at }, { ...first.type, shape })
}

/** From `start` up to but not including `end`. */
export const slice = (x: Value, axis: number, start: number, end: number): Value => {
  const at = axisOf("slice", x, axis)
  const size = shapeOf(x)[at] as Dim
  if (typeof size !== "number" || !(0 <= start && start < end && end <= size)) {
    invalid("slice", `${describe(x)} has no ${start} to ${end} along axis ${at}`)
  }
  if (start === 0 && end === size) return x
  const shape = shapeOf(x).map((dim, i) => (i === at ? end - start : dim))
  return makeValue("slice", [x], { axis: at, start, end }, { ...x.type, shape })
}

/** Pieces of the given sizes along an axis. */
export const split = (x: Value, axis: number, sizes: ReadonlyArray<number>): ReadonlyArray<Value> => {
  let at = 0
  return sizes.map((size) => {
    at += size
    return slice(x, axis, at - size, at)
  })
}

export const pad = (x: Value, axis: number, before: number, after: number): Value => {
  if (before === 0 && after === 0) return x
  const at = axisOf("pad", x, axis)
  const size = shapeOf(x)[at] as Dim
  if (typeof size !== "number") return invalid("pad", "the batch cannot be padded")
  const shape = shapeOf(x).map((dim, i) => (i === at ? before + size + after : dim))
  return makeValue("pad", [x], { axis: at, before, after }, { ...x.type, shape })
}

/** Stretches sizes of 1, and adds leading axes, until it has the shape of another. */
export const broadcastLike = (x: Value, like: Value): Value => {
  const shape = shapeOf(like)
  if (sameShape(shapeOf(x), shape)) return x
  const stretched = broadcastShapes(shapeOf(x), shape)
  if (stretched === undefined || !sameShape(stretched, shape)) {
    invalid("broadcastLike", `${describe(x)} cannot be stretched to ${showShape(shape)}`)
  }
  return makeValue("broadcastLike", [x, like], {}, { ...x.type, shape })
}

/** Rows of a table [rows, ...] by their numbers, of any shape: [...ids, ...]. */
export const gather = (table: Value, ids: Value): Value => {
  if (ids.type.elementType !== "int64" || shapeOf(table).length === 0) {
    invalid("gather", `${describe(table, ids)} are no rows and their numbers`)
  }
  const shape = [...shapeOf(ids), ...shapeOf(table).slice(1)]
  return makeValue("gather", [table, ids], {}, { ...table.type, shape })
}

/** The reverse of gather: `rows` rows of zeros, to which the updates [...ids, ...] are added. */
export const scatterAdd = (ids: Value, updates: Value, rows: number): Value => {
  const rank = shapeOf(ids).length
  if (ids.type.elementType !== "int64" || !sameShape(shapeOf(updates).slice(0, rank), shapeOf(ids))) {
    invalid("scatterAdd", `${describe(ids, updates)} are no numbers of rows and what is added to them`)
  }
  const rest = shapeOf(updates).slice(rank)
  return makeValue("scatterAdd", [ids, updates], { rows }, { ...updates.type, shape: [rows, ...rest] })
}

/** [M, K] by [K, N], or the same behind equal leading sizes. */
export const matmul = (a: Value, b: Value, transposeA = false, transposeB = false): Value => {
  const refuse = () => invalid("matmul", `${describe(a, b)} do not fit each other`)
  if (!isReal(a) || a.type.elementType !== b.type.elementType) refuse()
  const left = shapeOf(a)
  const right = shapeOf(b)
  if (left.length < 2 || right.length < 2) refuse()
  if (left.length > 2 && right.length === 2 && !transposeA) {
    // A table of weights is the same for all rows, whatever their order.
    const inner = left.at(-1) as Dim
    const rows = reshape(a, [-1, inner])
    const out = transposeB ? (right[0] as Dim) : (right[1] as Dim)
    return reshape(matmul(rows, b, false, transposeB), [...left.slice(0, -1), out])
  }
  const lead = left.slice(0, -2)
  if (!sameShape(lead, right.slice(0, -2))) refuse()
  const [m, k] = transposeA ? [left.at(-1), left.at(-2)] : [left.at(-2), left.at(-1)]
  const [k2, n] = transposeB ? [right.at(-1), right.at(-2)] : [right.at(-2), right.at(-1)]
  if (k !== k2) refuse()
  const shape = [...lead, m as Dim, n as Dim]
  return makeValue("matmul", [a, b], { transposeA, transposeB }, { ...a.type, shape })
}

export const softmax = (x: Value, axis = -1): Value =>
  makeValue("softmax", [x], { axis: axisOf("softmax", x, axis) }, x.type)

export const logSoftmax = (x: Value, axis = -1): Value =>
  makeValue("logSoftmax", [x], { axis: axisOf("logSoftmax", x, axis) }, x.type)

/** The value, through which no gradient goes. */
export const stopGradient = (x: Value): Value => makeValue("stopGradient", [x], {}, x.type)

const recurrent =
  (op: "lstm" | "gru", gates: number) =>
  (x: Value, w: Value, r: Value, b: Value, hidden: number): Value => {
    const [time, size, inputs] = shapeOf(x) as readonly [Dim, Dim, Dim]
    const fits =
      sameShape(shapeOf(w), [1, gates * hidden, inputs]) &&
      sameShape(shapeOf(r), [1, gates * hidden, hidden]) &&
      sameShape(shapeOf(b), [1, 2 * gates * hidden])
    if (!fits) invalid(op, `${describe(x, w, r, b)} are not those of ${hidden} units`)
    return makeValue(op, [x, w, r, b], { hidden }, { ...x.type, shape: [time, size, hidden] })
  }

/** ONNX's LSTM, one direction, from zeros; gates in the order i, o, f, c. */
export const lstmServing = recurrent("lstm", 4)
/** ONNX's GRU with linear_before_reset = 1; gates in the order z, r, h. */
export const gruServing = recurrent("gru", 3)

/** Whether every size is known. */
export const hasStaticShape = (value: Value): boolean => isStatic(shapeOf(value))
