/** Arrays of float64 in rows, for the interpreter. Whole numbers and truth values (0 and 1) are in them as well. */

export interface NdArray {
  readonly shape: ReadonlyArray<number>
  readonly data: Float64Array
}

export const countOf = (shape: ReadonlyArray<number>): number =>
  shape.reduce((product, size) => product * size, 1)

export const ndArray = (shape: ReadonlyArray<number>, data?: ArrayLike<number>): NdArray => ({
  shape,
  data: data === undefined ? new Float64Array(countOf(shape)) : Float64Array.from(data)
})

/** Distance in the data between neighbours along each axis. */
export const stridesOf = (shape: ReadonlyArray<number>): Array<number> => {
  const strides = new Array<number>(shape.length)
  let stride = 1
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride
    stride *= shape[axis] as number
  }
  return strides
}

/** For each element of a shape in its order, where it is found by other strides. */
export const offsets = (shape: ReadonlyArray<number>, strides: ReadonlyArray<number>): Int32Array => {
  const result = new Int32Array(countOf(shape))
  const index = new Array<number>(shape.length).fill(0)
  let at = 0
  for (let i = 0; i < result.length; i++) {
    result[i] = at
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += strides[axis] as number
      index[axis] = (index[axis] as number) + 1
      if ((index[axis] as number) < (shape[axis] as number)) break
      at -= (strides[axis] as number) * (shape[axis] as number)
      index[axis] = 0
    }
  }
  return result
}

/** Strides by which an array is read as if it had a larger shape: 0 along what is stretched. */
export const stretchedStrides = (from: ReadonlyArray<number>, to: ReadonlyArray<number>): Array<number> => {
  const own = stridesOf(from)
  const added = to.length - from.length
  return to.map((_, axis) => (axis < added || from[axis - added] === 1 ? 0 : (own[axis - added] as number)))
}

export const broadcastTo = (array: NdArray, shape: ReadonlyArray<number>): NdArray => {
  if (array.shape.length === shape.length && array.shape.every((size, i) => size === shape[i])) return array
  const from = offsets(shape, stretchedStrides(array.shape, shape))
  return { shape, data: Float64Array.from(from, (at) => array.data[at] as number) }
}

export const transposed = (array: NdArray, permutation: ReadonlyArray<number>): NdArray => {
  const own = stridesOf(array.shape)
  const shape = permutation.map((axis) => array.shape[axis] as number)
  const from = offsets(
    shape,
    permutation.map((axis) => own[axis] as number)
  )
  return { shape, data: Float64Array.from(from, (at) => array.data[at] as number) }
}

/** A part along one axis. */
export const sliced = (array: NdArray, axis: number, start: number, end: number): NdArray => {
  const shape = array.shape.map((size, i) => (i === axis ? end - start : size))
  const strides = stridesOf(array.shape)
  const from = offsets(shape, strides)
  const base = start * (strides[axis] as number)
  return { shape, data: Float64Array.from(from, (at) => array.data[base + at] as number) }
}

/** Writes an array into a larger one, from `start` along an axis. */
export const place = (target: NdArray, array: NdArray, axis: number, start: number): void => {
  const strides = stridesOf(target.shape)
  const to = offsets(array.shape, strides)
  const base = start * (strides[axis] as number)
  for (let i = 0; i < to.length; i++) target.data[base + (to[i] as number)] = array.data[i] as number
}

/** Folds the given axes; the result keeps them as sizes of 1. */
export const reduced = (
  array: NdArray,
  axes: ReadonlyArray<number>,
  start: number,
  fold: (total: number, value: number) => number
): NdArray => {
  const shape = array.shape.map((size, axis) => (axes.includes(axis) ? 1 : size))
  const data = new Float64Array(countOf(shape)).fill(start)
  const to = offsets(array.shape, stretchedStrides(shape, array.shape))
  for (let i = 0; i < to.length; i++) {
    const at = to[i] as number
    data[at] = fold(data[at] as number, array.data[i] as number)
  }
  return { shape, data }
}

/** One step of a stack. */
export const itemOf = (stack: NdArray, step: number): NdArray => {
  const [, ...shape] = stack.shape
  const size = countOf(shape)
  return { shape, data: stack.data.slice(step * size, (step + 1) * size) }
}
