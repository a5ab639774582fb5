/** Networks by their description: [rows, length, features] -> [rows, size of the head]. */
import { invalid, shapeOf, type Value } from "../graph/Graph.ts"
import * as ops from "../graph/ops.ts"
import { type Builder, constantly } from "../graph/Parameters.ts"
import type { Dim } from "../graph/TensorType.ts"
import { gelu } from "../layers/activations.ts"
import { attention } from "../layers/attention.ts"
import { conv1d, maxPool } from "../layers/convolution.ts"
import { dense, learnedPositions } from "../layers/dense.ts"
import { layerNorm } from "../layers/norms.ts"
import { gru, lstm } from "../layers/recurrent.ts"
import { type BodySpec, headSize, type NetworkSpec } from "./NetworkSpec.ts"

type Body<Kind extends BodySpec["kind"]> = Extract<BodySpec, { readonly kind: Kind }>

const flat = (x: Value): Value => ops.reshape(x, [shapeOf(x)[0] as Dim, -1])

const recurrent = (b: Builder, body: Body<"lstm" | "gru">, x: Value, out: number): Value => {
  const layer = body.kind === "lstm" ? lstm : gru
  let h = ops.transpose(x, [1, 0, 2])
  for (let i = 0; i < body.layers; i++) {
    h = layer(b, `${body.kind}${i}`, i === 0 ? h : b.dropout(h, body.dropout), body.hidden)
  }
  const [time, rows, hidden] = shapeOf(h) as readonly [number, Dim, number]
  return dense(b, "head", ops.reshape(ops.slice(h, 0, time - 1, time), [rows, hidden]), out)
}

const convolutional = (b: Builder, body: Body<"cnn">, x: Value, out: number): Value => {
  let h = x
  body.filters.forEach((filters, i) => {
    h = ops.relu(conv1d(b, `conv${i}`, h, filters, body.kernel))
    if (body.pool > 1) h = maxPool(h, body.pool)
  })
  return dense(b, "head", b.dropout(flat(h), body.dropout), out)
}

const transformer = (b: Builder, body: Body<"transformer">, x: Value, out: number): Value => {
  if (body.width % body.heads !== 0) {
    invalid("attention", `a width of ${body.width} cannot be shared out to ${body.heads} heads`)
  }
  let h = learnedPositions(b, "positions", dense(b, "in", x, body.width))
  for (let i = 0; i < body.layers; i++) {
    h = b.layer(`layer${i}`, () => {
      const attended = attention(b, "attention", layerNorm(b, "norm0", h), body.heads, body.dropout)
      const mixed = ops.add(h, b.dropout(attended, body.dropout))
      const inner = gelu(dense(b, "inner", layerNorm(b, "norm1", mixed), body.inner))
      return ops.add(
        mixed,
        b.dropout(dense(b, "outer", b.dropout(inner, body.dropout), body.width), body.dropout)
      )
    })
  }
  return dense(b, "head", ops.reduceMean(layerNorm(b, "norm", h), [1]), out)
}

/** Mean over a window around each step, the ends repeated, as a matrix [length, length]. */
const movingMean = (length: number, window: number): Value => {
  const matrix = new Float64Array(length * length)
  const before = Math.floor((window - 1) / 2)
  for (let step = 0; step < length; step++) {
    for (let k = 0; k < window; k++) {
      const from = Math.min(length - 1, Math.max(0, step - before + k))
      matrix[from * length + step] = (matrix[from * length + step] as number) + 1 / window
    }
  }
  return ops.constant([length, length], matrix)
}

const decomposed = (b: Builder, body: Body<"dlinear">, x: Value, spec: NetworkSpec): Value => {
  const [rows, length, features] = shapeOf(x) as readonly [Dim, number, number]
  const past = ops.transpose(x, [0, 2, 1])
  const trend = ops.matmul(past, movingMean(length, body.window))
  // Both begin as the mean of the past, as published.
  const weights = constantly(1 / length)
  const forecast = ops.add(
    dense(b, "trend", trend, body.horizon, { weights }),
    dense(b, "remainder", ops.sub(past, trend), body.horizon, { weights })
  )
  if (headSize(spec.head) !== body.horizon * features) {
    invalid("dlinear", `it gives ${body.horizon} x ${features} outputs, not ${headSize(spec.head)}`)
  }
  return ops.reshape(ops.transpose(forecast, [0, 2, 1]), [rows, body.horizon * features])
}

export const networkOf =
  (spec: NetworkSpec) =>
  (b: Builder, x: Value): Value => {
    const { body } = spec
    const out = headSize(spec.head)
    switch (body.kind) {
      case "linear":
        return dense(b, "head", flat(x), out)
      case "dlinear":
        return decomposed(b, body, x, spec)
      case "mlp": {
        let h = flat(x)
        body.hidden.forEach((width, i) => {
          h = ops.relu(dense(b, `hidden${i}`, h, width))
        })
        return dense(b, "head", h, out)
      }
      case "lstm":
      case "gru":
        return recurrent(b, body, x, out)
      case "cnn":
        return convolutional(b, body, x, out)
      case "transformer":
        return transformer(b, body, x, out)
    }
  }
