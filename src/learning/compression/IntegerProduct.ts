/**
 * A product of whole numbers in ONNX's standard operations, in the forms that onnxruntime's CPU provider knows.
 *
 * Codes, MatMulInteger, Cast and a multiplication by the scales: with a range that the input itself decides
 * (DynamicQuantizeLinear) onnxruntime makes one operation of it all, the bias included. The form with
 * QuantizeLinear and DequantizeLinear around a MatMul is left alone: where a sum or a rectifier follows, onnxruntime
 * joins those with the MatMul first and then converts the weights back at every run.
 */
import { type GraphEditor, toFloat } from "./GraphEditor.ts"
import type { Int8Matrix, Uint8Scale } from "./Int8.ts"

/** An activation as codes. */
export interface Codes {
  readonly name: string
  readonly zeroPoint: string
  /** A number where it is known before, else the name of the value. */
  readonly scale: string | number
}

/** With the range that the tensor itself has when it comes. */
export const dynamicCodes = (edit: GraphEditor, x: string): Codes => {
  const [name, scale, zeroPoint] = ["codes", "scale", "zero-point"].map((part) =>
    edit.fresh(`${x}/${part}`)
  ) as [string, string, string]
  edit.put("DynamicQuantizeLinear", [x], [name, scale, zeroPoint])
  return { name, scale, zeroPoint }
}

/** With a range that is fixed beforehand. */
export const staticCodes = (edit: GraphEditor, x: string, { scale, zeroPoint }: Uint8Scale): Codes => {
  const point = edit.constant(`${x}/zero-point`, "uint8", [], [zeroPoint])
  const factor = edit.constant(`${x}/scale`, "float", [], [scale])
  return { name: edit.add("QuantizeLinear", [x, factor, point], `${x}/codes`), zeroPoint: point, scale }
}

export interface IntegerMatrix extends Int8Matrix {
  readonly rows: number
  readonly columns: number
}

/** x times the matrix, as floats, under the given name. */
export const putProduct = (edit: GraphEditor, x: Codes, matrix: IntegerMatrix, output: string): void => {
  const { codes, columns, rows, scales } = matrix
  const weights = edit.constant(`${output}/weights`, "int8", [rows, columns], codes)
  const sums = edit.add("MatMulInteger", [x.name, weights, x.zeroPoint], `${output}/sums`)
  const dims = scales.length === 1 ? [] : [columns]
  if (typeof x.scale === "number") {
    const known = x.scale
    const values = Float32Array.from(scales, (scale) => scale * known)
    const factor = edit.constant(`${output}/scales`, "float", dims, values)
    if (scales.length === 1) edit.put("DequantizeLinear", [sums, factor], [output])
    else edit.put("Mul", [edit.add("Cast", [sums], `${output}/floats`, [toFloat]), factor], [output])
    return
  }
  const factor = edit.constant(`${output}/weight-scales`, "float", dims, scales)
  const floats = edit.add("Cast", [sums], `${output}/floats`, [toFloat])
  edit.put("Mul", [floats, edit.add("Mul", [x.scale, factor], `${output}/scales`)], [output])
}
