import { describe, expect, it } from "@effect/vitest"
import { interpret } from "../../../src/learning/graph/interpret.ts"
import { type NdArray, ndArray } from "../../../src/learning/graph/NdArray.ts"
import * as ops from "../../../src/learning/graph/ops.ts"
import { evaluatingBuilder, manifestOf } from "../../../src/learning/graph/Parameters.ts"
import { greedyActions } from "../../../src/learning/rl/acting.ts"
import { forwardOf, type MlpSpec, mlp } from "../../../src/learning/rl/Mlp.ts"
import {
  actorFor,
  judge,
  type PolicySpec,
  policyGraph,
  policyManifest
} from "../../../src/learning/rl/Policy.ts"
import { qForward, qManifest, qNetwork } from "../../../src/learning/rl/QNetwork.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"

const rows = 7

const noise = (key: string, count: number, scale = 1) => {
  const random = keyedRandom("networks", key)
  return Float32Array.from({ length: count }, () => scale * random.normal())
}

const expectClose = (actual: ArrayLike<number>, expected: NdArray | undefined) => {
  expect(actual.length).toBe(expected?.data.length)
  Array.from(actual).forEach((value, i) => {
    expect(value).toBeCloseTo(expected?.data[i] as number, 5)
  })
}

describe("a network in typed arrays", () => {
  it("gives what its graph gives, whatever its activation and however odd its widths", () => {
    for (const activation of ["relu", "tanh"] as const) {
      for (const hidden of [[8], [5, 9], [1, 4, 3]]) {
        const spec: MlpSpec = { name: "net", inputs: 6, hidden, outputs: 3, activation }
        const manifest = manifestOf((b) => mlp(b, spec)(ops.input("x", [1, 6])))
        const parameters = manifest.initial(3)
        const x = noise("x", rows * 6)
        const flat = ops.input("parameters", [manifest.size])
        const input = ops.input("x", [rows, 6])
        const [expected] = interpret(
          [mlp(evaluatingBuilder(manifest, flat), spec)(input)],
          new Map([
            [flat, ndArray([manifest.size], parameters)],
            [input, ndArray([rows, 6], x)]
          ])
        )
        const out = new Float32Array(rows * 3)
        forwardOf(spec, manifest)(parameters, x, rows, out)
        expectClose(out, expected)
      }
    }
  })

  it("refuses a manifest of another network", () => {
    const spec: MlpSpec = { name: "net", inputs: 2, hidden: [2], outputs: 1, activation: "relu" }
    const manifest = manifestOf((b) => mlp(b, spec)(ops.input("x", [1, 2])))
    expect(() => forwardOf({ ...spec, name: "other" }, manifest)).toThrow(
      'no parameter "other/layer0/weights"'
    )
  })
})

describe("the network of action values", () => {
  const spec = { observations: 4, actions: 3, hidden: [8], isDueling: true }

  it("is the same in typed arrays as in the graph, dueling or not", () => {
    for (const isDueling of [true, false]) {
      const own = { ...spec, isDueling }
      const manifest = qManifest(own)
      const parameters = manifest.initial(1)
      const x = noise("q", rows * 4)
      const flat = ops.input("parameters", [manifest.size])
      const input = ops.input("x", [rows, 4])
      const [expected] = interpret(
        [qNetwork(evaluatingBuilder(manifest, flat), own)(input)],
        new Map([
          [flat, ndArray([manifest.size], parameters)],
          [input, ndArray([rows, 4], x)]
        ])
      )
      const out = new Float32Array(rows * 3)
      qForward(own, manifest)(parameters, x, rows, out)
      expectClose(out, expected)
    }
  })

  it("adds to the state's value what each action has over the mean of all", () => {
    const own = { ...spec, observations: 1, hidden: [1] }
    const manifest = qManifest(own)
    const parameters = new Float32Array(manifest.size)
    const last = manifest.entries.find(({ name }) => name === "q/layer1/bias")
    // V = 10, A = 1, 2, 6 with the mean 3.
    parameters.set([10, 1, 2, 6], last?.offset)
    const out = new Float32Array(3)
    qForward(own, manifest)(parameters, Float32Array.of(5), 1, out)
    expect([...out]).toEqual([8, 9, 13])
  })

  it("acts by the best value, and among equals by the first", () => {
    const actions = new Int32Array(3)
    greedyActions([1, 2, 0, 3, 3, 1, -1, -2, -1], 3, actions)
    expect([...actions]).toEqual([1, 0, 0])
  })
})

const discrete: PolicySpec = { observations: 4, actionSpace: { kind: "discrete", actions: 3 }, hidden: [8] }
const box: PolicySpec = {
  observations: 4,
  actionSpace: { kind: "box", size: 2, low: -3, high: 1 },
  hidden: [8]
}

const parametersOf = (spec: PolicySpec) => {
  const manifest = policyManifest(spec)
  // Far from the evenness of the first values.
  const parameters = noise("policy", manifest.size, 0.7)
  return { manifest, parameters }
}

describe("the policy", () => {
  it("knows in typed arrays how likely it was to do what it did, as the graph says", () => {
    for (const spec of [discrete, box]) {
      const { manifest, parameters } = parametersOf(spec)
      const x = noise("observations", rows * 4)
      const width = spec === discrete ? 3 : 2
      const taken = new Float32Array(rows * width)
      const logs = new Float32Array(rows)
      const values = new Float32Array(rows)
      const actions = spec === discrete ? new Int32Array(rows) : new Float32Array(rows * 2)
      const actor = actorFor(spec, manifest)
      actor.draw(parameters, x, keyedRandom("draw"), actions, taken, logs, 0)
      actor.values(parameters, x, rows, values)
      const flat = ops.input("parameters", [manifest.size])
      const input = ops.input("x", [rows, 4])
      const acted = ops.input("taken", [rows, width])
      const judged = judge(evaluatingBuilder(manifest, flat), spec, input, acted)
      const [expectedLogs, expectedValues] = interpret(
        [judged.logProbabilities, judged.values],
        new Map([
          [flat, ndArray([manifest.size], parameters)],
          [input, ndArray([rows, 4], x)],
          [acted, ndArray([rows, width], taken)]
        ])
      )
      expectClose(logs, expectedLogs)
      expectClose(values, expectedValues)
    }
  })

  it("draws actions as often as their probabilities are, and writes down which", () => {
    const { manifest, parameters } = parametersOf(discrete)
    const draws = 6_000
    const x = new Float32Array(draws * 4).map((_, i) => [0.3, -1, 0.5, 2][i % 4] as number)
    const actions = new Int32Array(draws)
    const taken = new Float32Array(draws * 3)
    const logs = new Float32Array(draws)
    actorFor(discrete, manifest).draw(parameters, x, keyedRandom("often"), actions, taken, logs, 0)
    const seen = [0, 0, 0]
    const told: Array<number> = []
    actions.forEach((action, row) => {
      seen[action] = (seen[action] as number) + 1
      told[action] = Math.exp(logs[row] as number)
      expect([...taken.subarray(3 * row, 3 * row + 3)]).toEqual([0, 1, 2].map((a) => Number(a === action)))
    })
    expect(seen.filter((count) => count > 0).length).toBeGreaterThan(1)
    seen.forEach((count, action) => {
      if (count > 0) expect(count / draws).toBeCloseTo(told[action] as number, 1)
    })
  })

  it("stretches [-1, 1] to the box, clips what is acted and not what is learned from", () => {
    const { manifest, parameters } = parametersOf(box)
    parameters.fill(Math.log(5), manifest.entries.find(({ name }) => name === "log-deviation")?.offset)
    const many = 500
    const x = noise("box", many * 4)
    const actions = new Float32Array(many * 2)
    const taken = new Float32Array(many * 2)
    actorFor(box, manifest).draw(parameters, x, keyedRandom("box"), actions, taken, new Float32Array(many), 0)
    taken.forEach((action, i) => {
      expect(actions[i]).toBeCloseTo(-3 + (Math.min(1, Math.max(-1, action)) + 1) * 2, 5)
    })
    expect(actions).toContain(-3)
    expect(actions).toContain(1)
    expect(Math.max(...taken)).toBeGreaterThan(2)
  })

  it("has the entropies of the definitions", () => {
    const entropyOf = (spec: PolicySpec, width: number) => {
      const { manifest, parameters } = parametersOf(spec)
      const flat = ops.input("parameters", [manifest.size])
      const input = ops.input("x", [1, 4])
      const acted = ops.input("taken", [1, width])
      const builder = evaluatingBuilder(manifest, flat)
      const fed = new Map([
        [flat, ndArray([manifest.size], parameters)],
        [input, ndArray([1, 4], [1, 2, -1, 0])],
        [acted, ndArray([1, width])]
      ])
      const odds = policyGraph(evaluatingBuilder(manifest, flat), spec)(input)
      const [entropy, output] = interpret([judge(builder, spec, input, acted).entropies, odds], fed)
      const offset = manifest.entries.find(({ name }) => name === "log-deviation")?.offset
      return { entropy: entropy?.data[0] as number, output: [...(output?.data ?? [])], parameters, offset }
    }
    const few = entropyOf(discrete, 3)
    const weights = few.output.map(Math.exp)
    const total = weights.reduce((sum, one) => sum + one, 0)
    const expected = weights.reduce((sum, one) => sum - (one / total) * Math.log(one / total), 0)
    expect(few.entropy).toBeCloseTo(expected, 9)
    const many = entropyOf(box, 2)
    const logs = [...many.parameters.subarray(many.offset, (many.offset as number) + 2)]
    expect(many.entropy).toBeCloseTo(
      logs.reduce((sum, log) => sum + log + Math.log(2 * Math.PI * Math.E) / 2, 0),
      6
    )
  })
})
