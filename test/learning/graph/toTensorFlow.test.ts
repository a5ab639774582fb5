import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import { GraphInvalid } from "../../../src/learning/errors.ts"
import { nodesOf, type Value } from "../../../src/learning/graph/Graph.ts"
import { gradientOf } from "../../../src/learning/graph/gradient.ts"
import { interpret } from "../../../src/learning/graph/interpret.ts"
import { type NdArray, ndArray } from "../../../src/learning/graph/NdArray.ts"
import * as ops from "../../../src/learning/graph/ops.ts"
import { scan } from "../../../src/learning/graph/scan.ts"
import { batch } from "../../../src/learning/graph/TensorType.ts"
import { operationsOf } from "../../../src/learning/graph/tensorFlowOperations.ts"
import { toTensorFlow } from "../../../src/learning/graph/toTensorFlow.ts"
import { randomArray, weighted } from "./check.ts"
import { randomGraph } from "./randomGraph.ts"
import { differentiate, runTensorFlow, tensorFor, tensorsFor, tf } from "./tensorFlow.ts"

/** float32 against float64. */
const expectSame = (
  actual: ReadonlyArray<NdArray>,
  expected: ReadonlyArray<NdArray>,
  tolerance = 1e-5
): void => {
  expect(actual.length).toBe(expected.length)
  expected.forEach((array, k) => {
    const got = actual[k] as NdArray
    expect(got.shape).toEqual(array.shape)
    array.data.forEach((value, i) => {
      const difference = Math.abs((got.data[i] as number) - value) / Math.max(1, Math.abs(value))
      expect(difference, `output ${k}, element ${i}`).toBeLessThan(tolerance)
    })
  })
}

const agree = (outputs: ReadonlyArray<Value>, feeds: ReadonlyMap<Value, NdArray>, batchSize = 1): void =>
  expectSame(runTensorFlow(outputs, feeds), interpret(outputs, feeds, batchSize))

const feed = (...values: ReadonlyArray<Value>) =>
  new Map(
    values.map((value, i) => [value, randomArray(`feed-${i}`, value.type.shape as ReadonlyArray<number>)])
  )

/** Three ways to the same: ours interpreted, TensorFlow's autodiff of the forward graph, ours run by TensorFlow. */
const agreeOnGradients = (
  loss: Value,
  feeds: ReadonlyMap<Value, NdArray>,
  by: ReadonlyArray<Value> = [...feeds.keys()]
): void => {
  const all = [loss, ...gradientOf(loss, by)]
  const expected = interpret(all, feeds)
  expectSame(differentiate(loss, by, feeds), expected)
  expectSame(runTensorFlow(all, feeds), expected)
}

const dense = (x: Value, weights: Value, bias: Value) => ops.add(ops.matmul(x, weights), bias)

const meanCrossEntropy = (logits: Value, targets: Value) =>
  ops.neg(ops.reduceMean(ops.reduceSum(ops.mul(targets, ops.logSoftmax(logits)), [1]), [0]))

describe("a graph in TensorFlow.js", () => {
  it("computes what the interpreter does, operation by operation", () => {
    const x = ops.input("x", [2, 3, 4])
    const y = ops.input("y", [3, 1])
    const p = ops.add(ops.abs(x), 0.5)
    const w = ops.input("w", [4, 5])
    const v = ops.input("v", [5, 4])
    const z = ops.input("z", [2, 5, 4])
    const ids = ops.input("ids", [2, 2], "int64")
    const sequence = ops.input("sequence", [3, 2, 4])
    const lstm = [ops.input("w4", [1, 20, 4]), ops.input("r4", [1, 20, 5]), ops.input("b4", [1, 40])] as const
    const gru = [ops.input("w3", [1, 15, 4]), ops.input("r3", [1, 15, 5]), ops.input("b3", [1, 30])] as const
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
      ops.where(ops.equal(ids, 3), ids, ops.add(ids, 7)),
      ops.cast(ops.equal(x, ops.relu(x)), "float"),
      ops.cast(ops.log(ops.cast(p, "double")), "float"),
      ops.cast(ids, "double"),
      ops.reduceSum(x, [0, 2]),
      ops.reduceSum(x, [0, 1, 2], true),
      ops.sumAll(ops.scalar(3)),
      ops.reduceMean(x, [1], true),
      ops.reduceMax(x, [-1]),
      ops.reshape(x, [6, -1]),
      ops.transpose(x, [1, 2, 0]),
      ops.concat([x, ops.neg(x)], 1),
      ops.slice(x, 2, 1, 3),
      ops.pad(x, 1, 1, 2),
      ops.broadcastLike(y, x),
      ops.broadcastLike(ops.less(y, 0), x),
      ops.gather(w, ids),
      ops.scatterAdd(ids, ops.gather(w, ids), 6),
      ops.matmul(x, w),
      ops.matmul(x, v, false, true),
      ops.matmul(w, v, true, true),
      ops.matmul(z, x, false, true),
      ops.matmul(x, z, false, true),
      ops.matmul(x, x, true, false),
      ops.softmax(x, 1),
      ops.softmax(x),
      ops.logSoftmax(x, 0),
      ops.logSoftmax(x),
      ops.stopGradient(x),
      ops.lstmServing(sequence, ...lstm, 5),
      ops.gruServing(sequence, ...gru, 5)
    ]
    const tried = new Set<string>(nodesOf(outputs).map(({ op }) => op))
    expect(Object.keys(operationsOf(tf)).filter((op) => !tried.has(op))).toEqual([])
    agree(
      outputs,
      new Map([
        ...feed(x, y, w, v, z, sequence, ...lstm, ...gru),
        [ids, ndArray([2, 2], [3, 0, 3, 1])] as const
      ])
    )
  })

  it("stretches operands of any shapes that fit each other, and sums over what was stretched", () => {
    const places = fc.array(
      fc.record({ size: fc.integer({ min: 1, max: 3 }), isOneInA: fc.boolean(), isOneInB: fc.boolean() }),
      { maxLength: 4 }
    )
    fc.assert(
      fc.property(places, fc.nat(4), fc.nat(4), (axes, missingInA, missingInB) => {
        const a = ops.input("a", axes.map(({ isOneInA, size }) => (isOneInA ? 1 : size)).slice(missingInA))
        const b = ops.input("b", axes.map(({ isOneInB, size }) => (isOneInB ? 1 : size)).slice(missingInB))
        const divisor = ops.add(ops.abs(b), 1)
        const results = [
          ...[ops.add, ops.sub, ops.mul, ops.max, ops.min].map((op) => op(a, b)),
          ops.div(a, divisor),
          ops.where(ops.less(a, b), ops.tanh(a), b)
        ]
        agreeOnGradients(results.map((value) => weighted(value)).reduce(ops.add), feed(a, b))
      }),
      { numRuns: 40 }
    )
  })

  it("stretches along more axes than TensorFlow's own tiling has gradients for", () => {
    const x = ops.input("x", [2, 1, 2, 1])
    const y = ops.input("y", [3])
    const like = ops.filled([2, 1, 2, 1, 2, 3], 1)
    const chosen = ops.where(ops.greater(ops.mul(like, y), 0), y, ops.mul(y, 2))
    const stretched = ops.broadcastLike(x, ops.zeros([3, 2, 2, 2, 2]))
    agreeOnGradients(ops.add(weighted(stretched), weighted(chosen)), feed(x, y))
  })

  it("does not overflow where the interpreter does not", () => {
    const x = ops.input("x", [4])
    const far = ndArray([4], [-900, -20, 20, 900])
    agree(
      [ops.softplus(x), ops.sigmoid(x), ops.tanh(x), ops.softmax(x), ops.logSoftmax(x)],
      new Map([[x, far]])
    )
  })

  it("casts toward zero, and to true what is not zero", () => {
    const x = ops.input("x", [4])
    const outputs = [ops.cast(ops.cast(x, "int64"), "float"), ops.cast(ops.cast(x, "bool"), "float")]
    const [whole, truths] = runTensorFlow(outputs, new Map([[x, ndArray([4], [2.7, -1.5, 0.5, 0])]]))
    expect([...(whole?.data ?? [])]).toEqual([2, -1, 0, 0])
    expect([...(truths?.data ?? [])]).toEqual([1, 1, 1, 0])
  })

  it("runs loops forward and backward, and what is tapped in them for their gradients", () => {
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
      const all = [loss, outputs[0] as Value, ...gradientOf(loss, [xs, h0, w, r])]
      expect(nodesOf(all).some(({ op }) => op === "tap")).toBe(true)
      agree(all, feed(xs, h0, w, r))
    }
  })

  it("runs loops within loops, with whole numbers and truth values as states and items", () => {
    const table = ops.input("table", [4, 3])
    const ids = ops.input("ids", [3, 2], "int64")
    const { outputs, states } = scan(
      {
        states: [ops.zeros([2, 3]), ops.constant([], [0], "int64"), ops.constant([], [1], "bool")],
        sequences: [ids]
      },
      ([sum, count, isOdd], [id]) => {
        const inner = scan({ states: [sum as Value], sequences: [], steps: 2 }, ([z]) => ({
          states: [ops.tanh(ops.add(ops.gather(table, id as Value), z as Value))],
          outputs: [ops.cast(count as Value, "float")]
        }))
        const scaled = ops.mul(inner.states[0] as Value, ops.add(ops.cast(count as Value, "float"), 1))
        return {
          states: [
            ops.where(isOdd as Value, scaled, ops.neg(scaled)),
            ops.add(count as Value, 1),
            ops.not(isOdd as Value)
          ],
          outputs: [inner.outputs[0] as Value, ops.add(id as Value, count as Value)]
        }
      }
    )
    const feeds = new Map([...feed(table), [ids, ndArray([3, 2], [3, 0, 3, 1, 0, 2])] as const])
    agree([...states, ...outputs], feeds)
    agreeOnGradients(weighted(states[0] as Value), feeds, [table])
  })

  it("takes the batch size from what is fed", () => {
    const x = ops.input("x", [batch, 3, 4])
    const rows = ops.input("rows", ["3N", 2])
    const table = ops.input("table", [1, 3, 2])
    const w = ops.input("w", [4, 2])
    const h = ops.add(ops.matmul(x, w), table)
    const steps = ops.transpose(h, [1, 0, 2])
    const weights = [
      ops.filled([1, 4, 2], 0.5),
      ops.filled([1, 4, 1], -0.5),
      ops.filled([1, 8], 0.1)
    ] as const
    const { outputs } = scan({ states: [], sequences: [steps] }, (_, [item]) => ({
      states: [],
      outputs: [ops.broadcastLike(ops.scalar(2), item as Value), ops.exp(item as Value)]
    }))
    const all = [
      h,
      ops.add(ops.reshape(h, ["3N", 2]), rows),
      ops.reduceMean(h, [1, 2]),
      ops.broadcastLike(ops.scalar(2), h),
      ops.lstmServing(steps, ...weights, 1),
      ...outputs
    ]
    const graph = toTensorFlow(tf, all)
    for (const size of [1, 3]) {
      const feeds = new Map([
        ...feed(w, table),
        [x, randomArray("x", [size, 3, 4])] as const,
        [rows, randomArray("rows", [3 * size, 2])] as const
      ])
      agree(all, feeds, size)
      expect(tf.tidy(() => graph.run(tensorsFor(feeds)).map(({ shape }) => shape[0]))).toEqual([
        size,
        3 * size,
        size,
        size,
        3,
        3,
        3
      ])
    }
    graph.dispose()
  })

  it("computes graphs drawn at random as the interpreter does, with TensorFlow's gradients", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e9 }), (seed) => {
        const { feeds, loss } = randomGraph(seed)
        agreeOnGradients(loss, feeds)
      }),
      { numRuns: 80 }
    )
  })
})

describe("TensorFlow's gradient is ours", () => {
  it("of a perceptron by its cross-entropy", () => {
    const x = ops.input("x", [5, 4])
    const targets = ops.input("targets", [5, 3])
    const [w1, b1, w2, b2] = [
      ops.input("w1", [4, 6]),
      ops.input("b1", [6]),
      ops.input("w2", [6, 3]),
      ops.input("b2", [3])
    ]
    const loss = meanCrossEntropy(dense(ops.relu(dense(x, w1, b1)), w2, b2), targets)
    const classes = ndArray([5, 3], [1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0.2, 0.3, 0.5])
    agreeOnGradients(loss, new Map([...feed(x, w1, b1, w2, b2), [targets, classes]]), [x, w1, b1, w2, b2])
  })

  it("of an Elman network", () => {
    const xs = ops.input("xs", [6, 2, 3])
    const [w, r, b] = [ops.input("w", [3, 4]), ops.input("r", [4, 4]), ops.input("b", [4])]
    const h0 = ops.input("h0", [2, 4])
    const { outputs, states } = scan({ states: [h0], sequences: [xs] }, ([h], [x]) => {
      const next = ops.tanh(ops.add(ops.matmul(h as Value, r), dense(x as Value, w, b)))
      return { states: [next], outputs: [next] }
    })
    const loss = ops.add(weighted(outputs[0] as Value), weighted(states[0] as Value, "last"))
    agreeOnGradients(loss, feed(xs, w, r, b, h0))
  })

  it("of a loop of LSTM cells", () => {
    const hidden = 3
    const xs = ops.input("xs", [5, 2, 4])
    const [w, r] = [ops.input("w", [4, 4 * hidden]), ops.input("r", [hidden, 4 * hidden])]
    const b = ops.input("b", [4 * hidden])
    const [h0, c0] = [ops.input("h0", [2, hidden]), ops.input("c0", [2, hidden])]
    const { outputs } = scan({ states: [h0, c0], sequences: [dense(xs, w, b)] }, ([h, c], [projected]) => {
      const all = ops.add(projected as Value, ops.matmul(h as Value, r))
      const [i, o, f, candidate] = ops.split(all, 1, [hidden, hidden, hidden, hidden]) as [
        Value,
        Value,
        Value,
        Value
      ]
      const kept = ops.mul(ops.sigmoid(f), c as Value)
      const cell = ops.add(kept, ops.mul(ops.sigmoid(i), ops.tanh(candidate)))
      const next = ops.mul(ops.sigmoid(o), ops.tanh(cell))
      return { states: [next, cell], outputs: [next] }
    })
    agreeOnGradients(weighted(outputs[0] as Value), feed(xs, w, r, b, h0, c0))
  })

  it("of a convolution as slices and one product", () => {
    const [length, channels, filters, kernel] = [6, 3, 4, 3]
    const x = ops.input("x", [2, length, channels])
    const [w, b] = [ops.input("w", [kernel * channels, filters]), ops.input("b", [filters])]
    const padded = ops.pad(x, 1, 1, 1)
    const windows = Array.from({ length: kernel }, (_, k) => ops.slice(padded, 1, k, k + length))
    const convolved = ops.relu(dense(ops.concat(windows, 2), w, b))
    const pooled = ops.reduceMean(ops.reshape(convolved, [2, length / 2, 2, filters]), [2])
    agreeOnGradients(weighted(pooled), feed(x, w, b))
  })

  it("of attention", () => {
    const [rows, places, heads, size] = [2, 4, 2, 3]
    const width = heads * size
    const x = ops.input("x", [rows, places, width])
    const [w, out] = [ops.input("w", [width, 3 * width]), ops.input("out", [width, width])]
    const all = ops.reshape(ops.matmul(x, w), [rows, places, 3, heads, size])
    const [queries, keys, values] = ops
      .split(ops.transpose(all, [2, 0, 3, 1, 4]), 0, [1, 1, 1])
      .map((one) => ops.reshape(one, [rows, heads, places, size])) as [Value, Value, Value]
    const scores = ops.softmax(ops.matmul(ops.mul(queries, 1 / Math.sqrt(size)), keys, false, true))
    const mixed = ops.transpose(ops.matmul(scores, values), [0, 2, 1, 3])
    agreeOnGradients(weighted(ops.matmul(ops.reshape(mixed, [rows, places, width]), out)), feed(x, w, out))
  })

  it("of a norm over a layer", () => {
    const x = ops.input("x", [3, 2, 5])
    const [scale, shift] = [ops.input("scale", [5]), ops.input("shift", [5])]
    const centred = ops.sub(x, ops.reduceMean(x, [-1], true))
    const variance = ops.reduceMean(ops.mul(centred, centred), [-1], true)
    const normal = ops.div(centred, ops.sqrt(ops.add(variance, 1e-5)))
    agreeOnGradients(weighted(ops.add(ops.mul(normal, scale), shift)), feed(x, scale, shift))
  })

  it("of rows of a table, taken several times and scattered again", () => {
    const table = ops.input("table", [5, 3])
    const ids = ops.input("ids", [2, 4], "int64")
    const rows = ops.gather(table, ids)
    const loss = ops.add(weighted(rows), weighted(ops.scatterAdd(ids, ops.tanh(rows), 6)))
    const feeds = new Map([...feed(table), [ids, ndArray([2, 4], [4, 0, 4, 1, 1, 4, 2, 0])] as const])
    agreeOnGradients(loss, feeds, [table])
  })

  it("of ONNX's recurrences, by the loops that stand for them in training", () => {
    const x = ops.input("x", [4, 2, 3])
    const w = ops.input("w", [1, 8, 3])
    const r = ops.input("r", [1, 8, 2])
    const b = ops.input("b", [1, 16])
    const served = weighted(ops.lstmServing(x, w, r, b, 2))
    const [bias, recurrentBias] = ops.split(ops.reshape(b, [16]), 0, [8, 8]) as [Value, Value]
    const projected = ops.matmul(x, ops.transpose(ops.reshape(w, [8, 3]), [1, 0]))
    const start = ops.zeros([2, 2])
    const { outputs } = scan({ states: [start, start], sequences: [projected] }, ([h, c], [p]) => {
      const recurrent = ops.matmul(h as Value, ops.reshape(r, [8, 2]), false, true)
      const all = ops.add(ops.add(p as Value, recurrent), ops.add(bias, recurrentBias))
      const [i, o, f, candidate] = ops.split(all, 1, [2, 2, 2, 2]) as [Value, Value, Value, Value]
      const kept = ops.mul(ops.sigmoid(f), c as Value)
      const cell = ops.add(kept, ops.mul(ops.sigmoid(i), ops.tanh(candidate)))
      const next = ops.mul(ops.sigmoid(o), ops.tanh(cell))
      return { states: [next, cell], outputs: [next] }
    })
    const trained = weighted(outputs[0] as Value)
    const feeds = feed(x, w, r, b)
    const expected = interpret([trained, ...gradientOf(trained, [...feeds.keys()])], feeds)
    expectSame(differentiate(served, [...feeds.keys()], feeds), expected)
  })

  it("by variables, as an optimiser asks for it", () => {
    const x = ops.input("x", [4, 3])
    const w = ops.input("w", [3, 2])
    const loss = weighted(ops.tanh(ops.matmul(x, w)))
    const feeds = feed(x, w)
    const [expected] = interpret(gradientOf(loss, [w]), feeds)
    const graph = toTensorFlow(tf, [loss])
    const tensors = tensorsFor(feeds)
    const variable = tf.variable(tensors.get(w) as tf.Tensor)
    const { grads, value } = tf.variableGrads(
      () => graph.run(new Map([...tensors, [w, variable]]))[0] as tf.Scalar,
      [variable]
    )
    const gradient = grads[variable.name] as tf.Tensor
    expectSame([ndArray(gradient.shape, gradient.dataSync())], [expected as NdArray])
    graph.dispose()
    tf.dispose([...tensors.values(), variable, value, gradient])
  })

  it("is not reached by what it is stopped at, infinite slopes included", () => {
    const x = ops.input("x", [3])
    const kept = ops.mul(ops.stopGradient(ops.sqrt(x)), x)
    const loss = ops.sumAll(ops.where(ops.greater(ops.sqrt(x), 1), kept, ops.mul(kept, 2)))
    agreeOnGradients(loss, new Map([[x, ndArray([3], [0, 0.25, 4])]]))
    const whole = ops.cast(ops.cast(x, "int64"), "float")
    agreeOnGradients(ops.sumAll(ops.mul(whole, x)), new Map([[x, ndArray([3], [2, 0, -3])]]))
  })
})

describe("the memory of TensorFlow.js", () => {
  const x = ops.input("x", [3, 2])
  const w = ops.input("w", [2])
  const { outputs, states } = scan({ states: [ops.zeros([2])], sequences: [x] }, ([sum], [item]) => {
    const next = ops.add(ops.mul(sum as Value, 0.5), ops.mul(item as Value, w))
    return { states: [next], outputs: [ops.where(ops.less(next, 0), next, ops.exp(next))] }
  })
  const loss = ops.add(weighted(states[0] as Value), weighted(outputs[0] as Value))
  const count = () => tf.memory().numTensors

  it("holds the constants between runs, and nothing after they are disposed", () => {
    const before = count()
    const graph = toTensorFlow(tf, [loss])
    const fed = tensorsFor(feed(x, w))
    const run = () => tf.tidy(() => (graph.run(fed)[0] as tf.Tensor).dataSync()[0])
    const first = run()
    const between = count()
    expect(between).toBeGreaterThan(before + fed.size)
    expect(run()).toBe(first)
    expect(count()).toBe(between)
    graph.dispose()
    expect(count()).toBe(before + fed.size)
    expect(run()).toBe(first)
    graph.dispose()
    tf.dispose([...fed.values()])
    expect(count()).toBe(before)
  })

  it("holds no more of a loop for longer steps", () => {
    const leftBy = (length: number) => {
      const { states: last } = scan({ states: [ops.zeros([2])], sequences: [x] }, ([sum], [item]) => {
        let next = ops.add(sum as Value, item as Value)
        for (let i = 0; i < length; i++) next = ops.tanh(next)
        return { states: [next], outputs: [] }
      })
      const graph = toTensorFlow(tf, last)
      const before = count()
      tf.engine().startScope()
      graph.run(tensorsFor(feed(x)))
      const left = count() - before
      tf.engine().endScope()
      graph.dispose()
      return left
    }
    expect(leftBy(20)).toBe(leftBy(2))
  })

  it("holds nothing of a gradient but the gradient", () => {
    const before = count()
    const graph = toTensorFlow(tf, [loss])
    const fed = tensorsFor(feed(x, w))
    const gradients = tf.grads((a: tf.Tensor, b: tf.Tensor) => {
      const [result] = graph.run(
        new Map([
          [x, a],
          [w, b]
        ])
      )
      return result as tf.Tensor
    })([...fed.values()])
    graph.dispose()
    expect(count()).toBe(before + fed.size + gradients.length)
    tf.dispose([...fed.values(), ...gradients])
    expect(count()).toBe(before)
  })

  it("lets outputs be disposed that are what was fed, or constants", () => {
    const graph = toTensorFlow(tf, [w, ops.constant([2], [1, 2])])
    const fed = tensorsFor(feed(w))
    for (let i = 0; i < 2; i++) {
      const results = graph.run(fed)
      expect([...(results[1] as tf.Tensor).dataSync()]).toEqual([1, 2])
      tf.dispose([...results])
    }
    expect(tf.tidy(() => (fed.get(w) as tf.Tensor).dataSync().length)).toBe(2)
    graph.dispose()
    tf.dispose([...fed.values()])
  })
})

describe("what TensorFlow.js is not given", () => {
  const x = ops.input("x", [batch, 2])
  const y = ops.input("y", [batch])
  const run = (...fed: ReadonlyArray<readonly [Value, tf.Tensor]>) =>
    tf.tidy(() => toTensorFlow(tf, [ops.exp(x), y]).run(new Map(fed)).length)

  it("is refused by name", () => {
    const [x3, y3] = [tf.zeros([3, 2]), tf.zeros([3])]
    expect(run([x, x3], [y, y3])).toBe(2)
    expect(() => run([x, x3])).toThrow(GraphInvalid)
    expect(() => run([x, x3], [y, tf.zeros([2])])).toThrow(/"y" is float \[N\] and was fed float32 \[2\]/)
    expect(() => run([x, tf.zeros([3, 3])], [y, y3])).toThrow(/"x" is float \[N, 2\]/)
    expect(() => run([x, x3], [y, tf.zeros([3], "int32")])).toThrow(/was fed int32/)
    const rows = ops.input("rows", ["2N"])
    expect(() => toTensorFlow(tf, [rows]).run(new Map([[rows, y3]]))).toThrow(/"rows"/)
  })

  it("is refused where 32 bits do not hold it", () => {
    const large = ops.constant([1], [2 ** 31], "int64")
    expect(() => toTensorFlow(tf, [large]).run(new Map())).toThrow(GraphInvalid)
    expect(() => tensorFor(ops.input("ids", [1], "int64"), ndArray([1], [0.5]))).toThrow(GraphInvalid)
  })
})
