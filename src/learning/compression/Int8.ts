/**
 * Numbers as eight bits (Jacob et al., Quantization and Training of Neural Networks for Efficient
 * Integer-Arithmetic-Only Inference, 2018, section 2.1): value = scale x (code - zero point).
 *
 * Weights are symmetric, their zero point is 0, so that a weight of 0 stays exactly that; a column has a scale of its
 * own, because one large weight would cost all other columns their digits. Activations take the whole of uint8.
 *
 * What can go wrong: values that are not finite throw CompressionInvalid.
 * Invariants: a weight is met to half a scale, an activation within its range as well; 0 is always met.
 */
import { CompressionInvalid } from "./errors.ts"

/** Bits of a weight. Seven cost a digit, and cannot overflow where the processor adds pairs of products in 16 bits. */
export type WeightBits = 7 | 8

export interface Int8Matrix {
  /** Row-major, as it came. */
  readonly codes: Int8Array
  /** One of each column, or one alone; float32. */
  readonly scales: Float32Array
}

/**
 * @param values [rows, columns], row-major
 * @param columns with 1, all values share one scale
 */
export const quantiseColumns = (
  values: ArrayLike<number>,
  columns: number,
  { bits = 8, perColumn = true }: { readonly bits?: WeightBits; readonly perColumn?: boolean } = {}
): Int8Matrix => {
  const scales = new Float32Array(perColumn ? columns : 1)
  const scaleOf = perColumn ? (i: number) => i % columns : () => 0
  for (let i = 0; i < values.length; i++) {
    const size = Math.abs(values[i] as number)
    if (!Number.isFinite(size)) throw new CompressionInvalid({ part: "a weight", reason: "is not finite" })
    const at = scaleOf(i)
    if (size > (scales[at] as number)) scales[at] = size
  }
  const codeMax = bits === 8 ? 127 : 63
  for (let i = 0; i < scales.length; i++) {
    const scale = Math.fround((scales[i] as number) / codeMax)
    // All zeros, or so near to it that no scale is left.
    scales[i] = scale > 0 ? scale : 1
  }
  const codes = new Int8Array(values.length)
  for (let i = 0; i < codes.length; i++) {
    const code = Math.round((values[i] as number) / (scales[scaleOf(i)] as number))
    codes[i] = Math.max(-codeMax, Math.min(codeMax, code))
  }
  return { codes, scales }
}

/** Least and greatest of an activation; what lies beyond is cut off. */
export interface ActivationRange {
  readonly low: number
  readonly high: number
}

export interface Uint8Scale {
  /** float32, above 0. */
  readonly scale: number
  readonly zeroPoint: number
}

/** What DynamicQuantizeLinear takes for a range: stretched to hold 0, its ends at 0 and 255. */
export const uint8Scale = ({ high, low }: ActivationRange): Uint8Scale => {
  if (!Number.isFinite(low) || !Number.isFinite(high) || low > high) {
    throw new CompressionInvalid({ part: "an activation", reason: `cannot range from ${low} to ${high}` })
  }
  const least = Math.min(0, low)
  const scale = Math.fround((Math.max(0, high) - least) / 255)
  if (scale === 0) return { scale: 1, zeroPoint: 0 }
  return { scale, zeroPoint: Math.max(0, Math.min(255, Math.round(-least / scale))) }
}
