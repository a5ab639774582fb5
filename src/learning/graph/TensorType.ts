/**
 * Types of tensors: an element type and a shape. Sizes are numbers; one of them may be a multiple of the batch size
 * of an inference graph, which is known only when it runs.
 */

export type ElementType = "float" | "double" | "int64" | "bool"

/** A size: a number, or so many times the batch ("1N", "60N"). */
export type Dim = number | `${number}N`
export type Shape = ReadonlyArray<Dim>

/** The batch size of an inference graph. */
export const batch: Dim = "1N"

export interface TensorType {
  readonly elementType: ElementType
  readonly shape: Shape
}

export const showShape = (shape: Shape): string =>
  `[${shape.map((dim) => (dim === batch ? "N" : dim)).join(", ")}]`

const timesBatch = (dim: Dim): number | undefined =>
  typeof dim === "string" ? Number(dim.slice(0, -1)) : undefined

/** The product of sizes; undefined where the batch would be squared. */
export const productOf = (dims: Shape): Dim | undefined => {
  let product = 1
  let batches = 0
  for (const dim of dims) {
    const times = timesBatch(dim)
    if (times !== undefined) batches++
    product *= times ?? (dim as number)
  }
  return batches === 0 ? product : batches === 1 ? `${product}N` : undefined
}

/** A size, once the batch is known. */
export const boundDim = (dim: Dim, batchSize: number): number => {
  const times = timesBatch(dim)
  return times === undefined ? (dim as number) : times * batchSize
}

export const boundShape = (shape: Shape, batchSize: number): ReadonlyArray<number> =>
  shape.map((dim) => boundDim(dim, batchSize))

export const isStatic = (shape: Shape): shape is ReadonlyArray<number> =>
  shape.every((dim) => typeof dim === "number")

export const sameShape = (a: Shape, b: Shape): boolean =>
  a.length === b.length && a.every((dim, i) => dim === b[i])

/** What two shapes come to when they are aligned at their ends and sizes of 1 are stretched. */
export const broadcastShapes = (a: Shape, b: Shape): Shape | undefined => {
  const rank = Math.max(a.length, b.length)
  const shape: Array<Dim> = []
  for (let i = 0; i < rank; i++) {
    const left = a[a.length - rank + i] ?? 1
    const right = b[b.length - rank + i] ?? 1
    if (left !== right && left !== 1 && right !== 1) return undefined
    shape.push(left === 1 ? right : left)
  }
  return shape
}
