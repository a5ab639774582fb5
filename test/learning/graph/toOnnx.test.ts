import { describe, expect, it } from "@effect/vitest"
import type { Value } from "../../../src/learning/graph/Graph.ts"
import { gradientOf } from "../../../src/learning/graph/gradient.ts"
import { interpret } from "../../../src/learning/graph/interpret.ts"
import { type NdArray, ndArray } from "../../../src/learning/graph/NdArray.ts"
import * as ops from "../../../src/learning/graph/ops.ts"
import { scan } from "../../../src/learning/graph/scan.ts"
import { batch } from "../../../src/learning/graph/TensorType.ts"
import { toOnnx } from "../../../src/learning/graph/toOnnx.ts"
import { encode } from "../../../src/learning/onnx/OnnxFile.ts"
import { randomArray, weighted } from "./check.ts"
import { runOnnx } from "./onnx.ts"

/** float32 against float64. */
const expectSame = (actual: ReadonlyArray<NdArray>, expected: ReadonlyArray<NdArray>, tolerance = 1e-5) => {
  expected.forEach((array, k) => {
    const got = actual[k] as NdArray
    expect(got.shape).toEqual(array.shape)
    array.data.forEach((value, i) => {
      const difference = Math.abs((got.data[i] as number) - value) / Math.max(1, Math.abs(value))
      expect(difference, `output ${k}, element ${i}`).toBeLessThan(tolerance)
    })
  })
}

const agree = async (outputs: ReadonlyArray<Value>, feeds: ReadonlyMap<Value, NdArray>, batchSize = 1) =>
  expectSame(await runOnnx(outputs, feeds), interpret(outputs, feeds, batchSize))

const feed = (...values: ReadonlyArray<Value>) =>
  new Map(
    values.map((value, i) => [value, randomArray(`feed-${i}`, value.type.shape as ReadonlyArray<number>)])
  )

describe("a graph as ONNX", () => {
  it("computes what the interpreter does, operation by operation", async () => {
    const x = ops.input("x", [2, 3, 4])
    const y = ops.input("y", [3, 1])
    const p = ops.add(ops.abs(x), 0.5)
    const w = ops.input("w", [4, 5])
    const v = ops.input("v", [5, 4])
    const z = ops.input("z", [2, 5, 4])
    const ids = ops.input("ids", [2, 2], "int64")
    const outputs = [
      ops.neg(x),
      ops.exp(x),
      ops.log(p),
      ops.sqrt(p),
      ops.abs(x),
      ops.sign(x),
      ops.tanh(x),
      ops.sigmoid(x),
      ops.softplus(x),
      ops.relu(x),
      ops.erf(ops.mul(x, 3)),
      ops.atan(x),
      ops.sin(x),
      ops.cos(x),
      ops.add(x, y),
      ops.sub(x, y),
      ops.mul(x, y),
      ops.div(x, y),
      ops.max(x, y),
      ops.min(x, y),
      ops.pow(p, 1.5),
      ops.where(ops.less(x, y), x, y),
      ops.where(ops.not(ops.greater(x, y)), x, y),
      ops.cast(ops.equal(x, ops.relu(x)), "float"),
      ops.cast(ops.log(ops.cast(p, "double")), "float"),
      ops.reduceSum(x, [0, 2]),
      ops.reduceMean(x, [1], true),
      ops.reduceMax(x, [-1]),
      ops.reshape(x, [6, -1]),
      ops.transpose(x, [1, 2, 0]),
      ops.concat([x, ops.neg(x)], 1),
      ops.slice(x, 2, 1, 3),
      ops.pad(x, 1, 1, 2),
      ops.broadcastLike(y, x),
      ops.gather(w, ids),
      ops.scatterAdd(ids, ops.gather(w, ids), 6),
      ops.matmul(x, w),
      ops.matmul(x, v, false, true),
      ops.matmul(w, v, true, true),
      ops.matmul(z, x, false, true),
      ops.matmul(x, z, false, true),
      ops.matmul(x, x, true, false),
      ops.softmax(x, 1),
      ops.logSoftmax(x),
      ops.stopGradient(x)
    ]
    const feeds = new Map([...feed(x, y, w, v, z), [ids, ndArray([2, 2], [3, 0, 3, 1])] as const])
    await agree(outputs, feeds)
  })

  it("keeps loops as loops, with their gradients, forward and backward", async () => {
    for (const reverse of [false, true]) {
      const xs = ops.input("xs", [5, 2, 3])
      const h0 = ops.input("h0", [2, 4])
      const w = ops.input("w", [3, 4])
      const r = ops.input("r", [4, 4])
      const { outputs, states } = scan({ states: [h0], sequences: [xs], reverse }, ([h], [x]) => {
        const next = ops.tanh(ops.add(ops.matmul(h as Value, r), ops.matmul(x as Value, w)))
        return { states: [next], outputs: [ops.mul(next, h as Value)] }
      })
      const loss = ops.add(weighted(outputs[0] as Value), weighted(states[0] as Value))
      await agree([loss, outputs[0] as Value, ...gradientOf(loss, [xs, h0, w, r])], feed(xs, h0, w, r))
    }
  })

  it("keeps loops within loops", async () => {
    const x = ops.input("x", [2, 2])
    const w = ops.input("w", [2, 2])
    const { states } = scan({ states: [x], sequences: [], steps: 2 }, ([h]) => {
      const inner = scan({ states: [h as Value], sequences: [], steps: 3 }, ([z]) => ({
        states: [ops.tanh(ops.add(ops.matmul(z as Value, w), h as Value))],
        outputs: []
      }))
      return { states: [ops.mul(inner.states[0] as Value, h as Value)], outputs: [] }
    })
    const loss = weighted(states[0] as Value)
    await agree([loss, ...gradientOf(loss, [x, w])], feed(x, w))
  })

  it("takes a batch of any size", async () => {
    const x = ops.input("x", [batch, 3, 4])
    const w = ops.input("w", [4, 2])
    const table = ops.input("table", [1, 3, 2])
    const h = ops.add(ops.matmul(x, w), table)
    const outputs = [
      h,
      ops.reshape(h, [batch, 6]),
      ops.transpose(h, [1, 0, 2]),
      ops.reduceMean(h, [1, 2]),
      ops.broadcastLike(ops.scalar(2), h),
      ops.softmax(h)
    ]
    for (const size of [1, 3]) {
      await agree(outputs, new Map([...feed(w, table), [x, randomArray("x", [size, 3, 4])] as const]), size)
    }
  })

  it("runs the recurrences of ONNX for serving", async () => {
    const x = ops.input("x", [4, batch, 3])
    const lstm = [ops.input("w", [1, 20, 3]), ops.input("r", [1, 20, 5]), ops.input("b", [1, 40])] as const
    const gru = [ops.input("w3", [1, 15, 3]), ops.input("r3", [1, 15, 5]), ops.input("b3", [1, 30])] as const
    await agree(
      [ops.lstmServing(x, ...lstm, 5), ops.gruServing(x, ...gru, 5)],
      new Map([...feed(...lstm, ...gru), [x, randomArray("x", [4, 2, 3])] as const]),
      2
    )
  })

  it("is the same bytes for the same graph", () => {
    const build = () => {
      const x = ops.input("x", [2, 3])
      const w = ops.input("w", [3, 3])
      const loss = weighted(ops.tanh(ops.matmul(x, w)))
      const [gradient] = gradientOf(loss, [w]) as [Value]
      return encode(
        toOnnx({
          name: "same",
          inputs: [x, w],
          outputs: [
            ["loss", loss],
            ["gradient", gradient]
          ]
        })
      )
    }
    expect(Buffer.from(build()).equals(Buffer.from(build()))).toBe(true)
  })
})
