import { describe, expect, it } from "@effect/vitest"
import { GraphInvalid } from "../../../src/learning/errors.ts"
import { type Value, within } from "../../../src/learning/graph/Graph.ts"
import { gradientOf } from "../../../src/learning/graph/gradient.ts"
import { interpret } from "../../../src/learning/graph/interpret.ts"
import { ndArray } from "../../../src/learning/graph/NdArray.ts"
import * as ops from "../../../src/learning/graph/ops.ts"
import { scan } from "../../../src/learning/graph/scan.ts"
import { checkGradients, randomArray, weighted } from "./check.ts"

const variable = (name: string, shape: ReadonlyArray<number>) => ops.input(name, shape)

const feed = (...values: ReadonlyArray<Value>) =>
  new Map(
    values.map((value, i) => [value, randomArray(`feed-${i}`, value.type.shape as ReadonlyArray<number>)])
  )

const positive = (value: Value) =>
  new Map([
    [value, randomArray("positive", value.type.shape as ReadonlyArray<number>, (x) => Math.abs(x) + 0.3)]
  ])

const smooth = {
  neg: ops.neg,
  exp: ops.exp,
  tanh: ops.tanh,
  sigmoid: ops.sigmoid,
  softplus: ops.softplus,
  relu: ops.relu,
  abs: ops.abs,
  erf: ops.erf,
  atan: ops.atan,
  sin: ops.sin,
  cos: ops.cos
} as const

describe("the gradient", () => {
  for (const [name, of] of Object.entries(smooth)) {
    it(`of ${name} is its derivative`, () => {
      const x = variable("x", [2, 3])
      checkGradients(weighted(of(x)), feed(x))
    })
  }

  for (const [name, of] of Object.entries({
    log: ops.log,
    sqrt: ops.sqrt,
    pow: (x: Value) => ops.pow(x, 2.5)
  })) {
    it(`of ${name} is its derivative`, () => {
      const x = variable("x", [2, 3])
      checkGradients(weighted(of(x)), positive(x))
    })
  }

  for (const [name, of] of Object.entries({
    add: ops.add,
    sub: ops.sub,
    mul: ops.mul,
    div: ops.div,
    max: ops.max,
    min: ops.min
  })) {
    it(`of ${name} sums over what was stretched`, () => {
      const a = variable("a", [2, 1, 3])
      const b = variable("b", [4, 1])
      checkGradients(weighted(of(a, b)), feed(a, b))
      const c = variable("c", [3])
      checkGradients(weighted(of(a, c)), feed(a, c))
    })
  }

  for (const transposeA of [false, true]) {
    for (const transposeB of [false, true]) {
      it(`of a product, transposed ${transposeA} and ${transposeB}`, () => {
        const a = variable("a", transposeA ? [3, 2] : [2, 3])
        const b = variable("b", transposeB ? [4, 3] : [3, 4])
        checkGradients(weighted(ops.matmul(a, b, transposeA, transposeB)), feed(a, b))
        const c = variable("c", transposeA ? [2, 3, 2] : [2, 2, 3])
        const d = variable("d", transposeB ? [2, 4, 3] : [2, 3, 4])
        checkGradients(weighted(ops.matmul(c, d, transposeA, transposeB)), feed(c, d))
      })
    }
  }

  it("of a product of a stack with weights", () => {
    const a = variable("a", [2, 2, 3])
    const w = variable("w", [3, 2])
    checkGradients(weighted(ops.matmul(a, w)), feed(a, w))
  })

  it("of reductions", () => {
    const x = variable("x", [2, 3, 2])
    for (const of of [ops.reduceSum, ops.reduceMean, ops.reduceMax]) {
      checkGradients(weighted(of(x, [1])), feed(x))
      checkGradients(weighted(of(x, [0, 2], true)), feed(x))
    }
  })

  it("of what moves elements", () => {
    const x = variable("x", [2, 3, 2])
    const y = variable("y", [2, 1, 2])
    checkGradients(weighted(ops.transpose(x, [2, 0, 1])), feed(x))
    checkGradients(weighted(ops.reshape(x, [-1, 4])), feed(x))
    checkGradients(weighted(ops.concat([x, y], 1)), feed(x, y))
    checkGradients(weighted(ops.slice(x, 1, 1, 3)), feed(x))
    checkGradients(weighted(ops.pad(x, 1, 2, 1)), feed(x))
    checkGradients(weighted(ops.broadcastLike(y, x)), feed(x, y))
  })

  it("of rows that are taken several times", () => {
    const table = variable("table", [4, 2])
    const ids = ops.input("ids", [2, 3], "int64")
    const feeds = new Map([...feed(table), [ids, ndArray([2, 3], [0, 3, 3, 1, 0, 3])] as const])
    checkGradients(weighted(ops.gather(table, ids)), feeds)
  })

  it("of softmax and its logarithm along any axis", () => {
    const x = variable("x", [3, 4])
    for (const axis of [0, 1]) {
      checkGradients(weighted(ops.softmax(x, axis)), feed(x))
      checkGradients(weighted(ops.logSoftmax(x, axis)), feed(x))
    }
  })

  it("of a choice", () => {
    const [x, y] = [variable("x", [2, 3]), variable("y", [3])]
    checkGradients(weighted(ops.where(ops.greater(x, 0), ops.mul(x, y), ops.exp(y))), feed(x, y))
  })

  it("does not go through what it is stopped at", () => {
    const x = variable("x", [3])
    const [gradient] = interpret(
      gradientOf(ops.sumAll(ops.mul(ops.stopGradient(ops.exp(x)), x)), [x]),
      new Map([[x, ndArray([3], [0, 1, 2])]])
    )
    expect([...(gradient?.data ?? [])]).toEqual([0, 1, 2].map(Math.exp))
  })

  it("is zero where nothing depends on it", () => {
    const [x, y] = [variable("x", [2]), variable("y", [3])]
    const [gradient] = interpret(gradientOf(ops.sumAll(x), [y]), feed(x, y))
    expect([...(gradient?.data ?? [])]).toEqual([0, 0, 0])
  })

  it("names the layer whose shapes disagree", () => {
    const build = () =>
      within("net", () => within("head", () => ops.matmul(variable("x", [2, 3]), variable("w", [4, 2]))))
    expect(build).toThrow(GraphInvalid)
    expect(build).toThrow(/"net\/head" \(matmul\).*\[2, 3\].*\[4, 2\]/)
  })
})

describe("the gradient of a loop", () => {
  /** An Elman network: weights as captures, products, sums and a nonlinearity. */
  const elman = (reverse: boolean) => {
    const xs = variable("xs", [4, 2, 3])
    const h0 = variable("h0", [2, 3])
    const w = variable("w", [3, 3])
    const b = variable("b", [3])
    const { outputs, states } = scan({ states: [h0], sequences: [xs], reverse }, ([h], [x]) => {
      const next = ops.tanh(ops.add(ops.add(ops.matmul(h as Value, w), x as Value), b))
      return { states: [next], outputs: [next] }
    })
    return { inputs: [xs, h0, w, b] as const, y: outputs[0] as Value, last: states[0] as Value }
  }

  for (const reverse of [false, true]) {
    it(`is that of its steps, run ${reverse ? "backward" : "forward"}`, () => {
      const { inputs, last, y } = elman(reverse)
      checkGradients(weighted(y), feed(...inputs))
      checkGradients(weighted(last), feed(...inputs))
      checkGradients(ops.add(weighted(last), weighted(y, "others")), feed(...inputs))
    })
  }

  it("goes through several states, captures that are not hoisted, and what is computed of captures", () => {
    const xs = variable("xs", [3, 2, 2])
    const a0 = variable("a0", [2, 2])
    const b0 = variable("b0", [2, 2])
    const scale = variable("scale", [2])
    const w = variable("w", [2, 2])
    const { outputs, states } = scan({ states: [a0, b0], sequences: [xs] }, ([a, b], [x]) => {
      const mixed = ops.matmul(ops.mul(a as Value, x as Value), ops.tanh(w), false, true)
      const next = ops.sigmoid(ops.mul(mixed, ops.exp(scale)))
      return {
        states: [ops.add(next, b as Value), ops.mul(b as Value, next)],
        outputs: [ops.reduceSum(ops.mul(next, a as Value), [1]), ops.sin(b as Value)]
      }
    })
    const loss = ops.add(
      ops.add(weighted(outputs[0] as Value), weighted(states[1] as Value)),
      weighted(outputs[1] as Value)
    )
    checkGradients(loss, feed(xs, a0, b0, scale, w))
  })

  it("leaves out states that no gradient reaches", () => {
    const xs = variable("xs", [3, 2])
    const seen = variable("seen", [2])
    const { outputs } = scan({ states: [seen], sequences: [xs] }, ([before], [x]) => ({
      states: [ops.add(before as Value, x as Value)],
      outputs: [ops.mul(x as Value, x as Value)]
    }))
    checkGradients(weighted(outputs[0] as Value), feed(xs, seen))
  })

  it("goes through loops within loops", () => {
    const x = variable("x", [2, 2])
    const w = variable("w", [2, 2])
    const { states } = scan({ states: [x], sequences: [], steps: 2 }, ([h]) => {
      const inner = scan({ states: [h as Value], sequences: [], steps: 3 }, ([z]) => ({
        states: [ops.tanh(ops.add(ops.matmul(z as Value, w), h as Value))],
        outputs: []
      }))
      return { states: [ops.mul(inner.states[0] as Value, h as Value)], outputs: [] }
    })
    checkGradients(weighted(states[0] as Value), feed(x, w))
  })

  it("knows the constants of its body, such as exponents", () => {
    const xs = variable("xs", [3, 2])
    const { outputs } = scan({ states: [], sequences: [xs] }, (_, [x]) => ({
      states: [],
      outputs: [ops.pow(ops.exp(x as Value), 1.7)]
    }))
    checkGradients(weighted(outputs[0] as Value), feed(xs))
  })

  it("computes what does not change once, outside", () => {
    const xs = variable("xs", [3, 2])
    const w = variable("w", [2])
    const { outputs } = scan({ states: [], sequences: [xs] }, (_, [x]) => ({
      states: [],
      outputs: [ops.mul(x as Value, ops.exp(w))]
    }))
    const { body } = (outputs[0] as Value).node.attributes as { body: { captures: ReadonlyArray<Value> } }
    expect(body.captures.length).toBe(1)
    expect((outputs[0] as Value).node.inputs.at(-1)?.node.op).toBe("exp")
    checkGradients(weighted(outputs[0] as Value), feed(xs, w))
  })
})
