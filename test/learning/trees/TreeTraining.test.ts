import { Either } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { encode } from "../../../src/learning/onnx/OnnxFile.ts"
import { runThrough } from "../../../src/learning/steps.ts"
import { importanceOf } from "../../../src/learning/trees/FeatureImportance.ts"
import {
  leafIndices,
  leafOf,
  marginsOf,
  probabilitiesOf,
  type TreeEnsemble,
  treesOf
} from "../../../src/learning/trees/TreeEnsemble.ts"
import { treeLoss } from "../../../src/learning/trees/TreeLoss.ts"
import { treesToOnnx } from "../../../src/learning/trees/TreeOnnx.ts"
import { shapValues } from "../../../src/learning/trees/TreeShap.ts"
import {
  type LabelledRows,
  type TrainedTrees,
  type TreeTrainingOptions,
  trainTrees
} from "../../../src/learning/trees/TreeTraining.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"
import { runOnnx } from "../onnx/runOnnx.ts"
import { distance, featureNames, type Grown, grown, valuesOf } from "./xgboostModels.ts"

type Options = Partial<TreeTrainingOptions> & Pick<TreeTrainingOptions, "loss">

const train = (
  rows: LabelledRows,
  names: ReadonlyArray<string>,
  options: Options,
  validation?: LabelledRows
) => runThrough(trainTrees(rows, names, { key: ["test"], ...options }, validation))

const trained = (...given: Parameters<typeof train>): TrainedTrees => Either.getOrThrow(train(...given))

/** Rows whose label follows from them, but for noise; one value in ten is missing. */
const world = (key: string, count: number, features = 4) => {
  const random = keyedRandom("trees", key)
  const values = new Float64Array(count * features)
  const signal = new Float64Array(count)
  for (let i = 0; i < count; i++) {
    const row = Array.from({ length: features }, () => random.normal())
    signal[i] =
      (row[0] as number) * (row[1] as number) + Math.sin(2 * (row[2] as number)) + 0.3 * random.normal()
    values.set(
      row.map((value) => (random.next() < 0.1 ? Number.NaN : value)),
      i * features
    )
  }
  return {
    values,
    signal,
    binary: { values, labels: Array.from(signal, (value) => (value > 0 ? 1 : 0)) },
    classes: { values, labels: Array.from(signal, (value) => (value < -0.5 ? 0 : value < 0.5 ? 1 : 2)) },
    numbers: { values, labels: signal }
  }
}

const names = ["a", "b", "c", "d"]

const meanLoss = (
  name: "logistic" | "softmax" | "squared-error",
  trees: TreeEnsemble,
  rows: LabelledRows
) => {
  const loss = treeLoss(name, trees.outputs)
  const margins = marginsOf(trees, rows.values)
  let sum = 0
  for (let i = 0; i < rows.labels.length; i++) {
    sum += loss.lossOf(margins, i * trees.outputs, rows.labels[i] as number)
  }
  return sum / rows.labels.length
}

const depthOf = (trees: TreeEnsemble, node: number): number => {
  const [left, right] = [trees.left[node] as number, trees.right[node] as number]
  return left < 0 ? 0 : 1 + Math.max(depthOf(trees, left), depthOf(trees, right))
}

const leavesOf = (trees: TreeEnsemble, tree: number): number =>
  trees.left.slice(trees.roots[tree], trees.roots[tree + 1]).filter((left) => left < 0).length

const lossNames = {
  "binary:logistic": "logistic",
  "multi:softprob": "softmax",
  "reg:squarederror": "squared-error"
} as const

/** XGBoost's parameters by our names. */
const optionsOf = ({ parameters }: Grown): Options => {
  const of = (name: string, otherwise: number) => Number(parameters[name] ?? otherwise)
  const loss = lossNames[parameters.objective as keyof typeof lossNames]
  const isLeafWise = parameters.grow_policy === "lossguide"
  // A base score is kept as a probability; a half has the log odds 0.
  const base = loss === "logistic" ? 0 : 0.5
  return {
    loss,
    classes: loss === "softmax" ? 3 : 2,
    growth: isLeafWise ? "leaf-wise" : "depth-wise",
    rounds: of("rounds", 0),
    learningRate: of("eta", 0),
    maxDepth: isLeafWise ? 64 : of("max_depth", 0),
    maxLeaves: isLeafWise ? of("max_leaves", 0) : 65_536,
    minChildWeight: of("min_child_weight", 1),
    lambda: of("lambda", 1),
    alpha: of("alpha", 0),
    gamma: of("gamma", 0),
    baseMargins: Array<number>(loss === "softmax" ? 3 : 1).fill(base)
  }
}

describe("trainTrees", () => {
  it.each(grown)("grows the trees that XGBoost grows: %s", (_, given) => {
    const rows = {
      values: valuesOf(given.rows),
      labels: given.labels,
      ...(given.weights === null ? {} : { weights: given.weights })
    }
    const { ensemble } = trained(rows, featureNames, optionsOf(given))
    const margins = given.margins.flat() as Array<number>
    expect(distance(marginsOf(ensemble, rows.values), margins)).toBeLessThan(1e-5)
    const importance = importanceOf(ensemble)
    for (const [feature, name] of featureNames.entries()) {
      expect(importance.weight[feature]).toBe(given.scores.weight[name] ?? 0)
      const cover = given.scores.cover[name] ?? 0
      expect(Math.abs((importance.cover[feature] as number) - cover)).toBeLessThanOrEqual(1e-5 * cover)
      const gain = given.scores.gain[name] ?? 0
      expect(Math.abs((importance.gain[feature] as number) - gain)).toBeLessThanOrEqual(1e-4 * gain)
    }
  })

  it("learns what a linear model cannot, for every loss and growth", () => {
    const [seen, unseen] = [world("seen", 2_000), world("unseen", 1_000)]
    for (const growth of ["depth-wise", "leaf-wise"] as const) {
      const options = { growth, maxLeaves: 16, rounds: 60, rowShare: 0.8, columnShare: 0.75 }
      const losses = [
        ["logistic", seen.binary, unseen.binary],
        ["softmax", seen.classes, unseen.classes],
        ["squared-error", seen.numbers, unseen.numbers]
      ] as const
      for (const [loss, training, test] of losses) {
        const { ensemble } = trained(training, names, { ...options, loss, classes: 3 })
        const constant = trained(training, names, { loss, classes: 3, rounds: 1, gamma: 1e9 }).ensemble
        expect(treesOf(constant)).toBe(constant.outputs)
        const [ours, base] = [meanLoss(loss, ensemble, test), meanLoss(loss, constant, test)]
        expect(ours).toBeLessThan(0.75 * base)
      }
    }
  })

  it("learns from what is missing", () => {
    const random = keyedRandom("missing")
    const values = Float64Array.from({ length: 400 }, () =>
      random.next() < 0.5 ? Number.NaN : random.normal()
    )
    const labels = Array.from(values, (value) => (Number.isNaN(value) ? 1 : 0))
    const { ensemble } = trained({ values, labels }, ["x"], {
      loss: "logistic",
      rounds: 30,
      learningRate: 0.5
    })
    const p = probabilitiesOf(ensemble, marginsOf(ensemble, [Number.NaN, -2, 0, 2]))
    expect(p[1]).toBeGreaterThan(0.98)
    for (const i of [3, 5, 7]) expect(p[i]).toBeLessThan(0.02)
  })

  it("gives the same trees every time, however its steps are taken", () => {
    const rows = world("determinism", 300).classes
    const options = {
      key: ["k", 1],
      loss: "softmax",
      classes: 3,
      rounds: 5,
      rowShare: 0.5,
      columnShare: 0.5
    } as const
    const one = Either.getOrThrow(runThrough(trainTrees(rows, names, options)))
    const steps = trainTrees(rows, names, options)
    const others = trainTrees(world("other", 50).binary, names, { key: [], loss: "logistic" })
    let count = 0
    for (;;) {
      others.next()
      const step = steps.next()
      count++
      if (step.done !== true) continue
      expect(Either.getOrThrow(step.value)).toEqual(one)
      break
    }
    expect(count).toBeGreaterThan(15)
    const other = Either.getOrThrow(runThrough(trainTrees(rows, names, { ...options, key: ["k", 2] })))
    expect(other.ensemble).not.toEqual(one.ensemble)
  })

  it("takes the same rows in another order for the same, where all of them count", () => {
    const { values, labels } = world("order", 200).binary
    const order = Array.from(labels, (_, i) => (i * 77) % labels.length)
    const shuffled = {
      values: order.flatMap((i) => [...values.slice(4 * i, 4 * i + 4)]),
      labels: order.map((i) => labels[i] as number)
    }
    const options = { loss: "logistic", rounds: 10, baseMargins: [0] } as const
    expect(trained(shuffled, names, options)).toEqual(trained({ values, labels }, names, options))
  })

  it("takes a weight of two for a row that is there twice, and one of none for one that is not", () => {
    const { values, labels } = world("weights", 120).binary
    const copies = Array.from(labels, (_, i) => i % 3)
    const repeated = copies.flatMap((times, i) => Array<number>(times).fill(i))
    const options = { loss: "logistic", rounds: 8 } as const
    const byWeight = trained({ values, labels, weights: copies }, names, options).ensemble
    const byCopy = trained(
      {
        values: repeated.flatMap((i) => [...values.slice(4 * i, 4 * i + 4)]),
        labels: repeated.map((i) => labels[i] as number)
      },
      names,
      options
    ).ensemble
    // A row that counts for nothing still has its say in where cuts may be: half-way to it.
    const rows = Float64Array.from(repeated.flatMap((i) => [...values.slice(4 * i, 4 * i + 4)]))
    expect(distance(marginsOf(byWeight, rows), marginsOf(byCopy, rows))).toBeLessThan(1e-6)
  })

  it("keeps to the limits of size and weight", () => {
    const { values, labels } = world("limits", 600).numbers
    for (const [growth, maxDepth, maxLeaves, minChildWeight] of [
      ["depth-wise", 3, 65_536, 1],
      ["depth-wise", 8, 5, 1],
      ["leaf-wise", 64, 9, 1],
      ["leaf-wise", 2, 9, 1],
      ["depth-wise", 10, 65_536, 40]
    ] as const) {
      const { ensemble } = trained({ values, labels }, names, {
        ...{ loss: "squared-error", rounds: 5, growth, maxDepth, maxLeaves, minChildWeight }
      })
      for (let tree = 0; tree < treesOf(ensemble); tree++) {
        expect(depthOf(ensemble, ensemble.roots[tree] as number)).toBeLessThanOrEqual(maxDepth)
        expect(leavesOf(ensemble, tree)).toBeLessThanOrEqual(maxLeaves)
      }
      expect(Math.min(...ensemble.cover)).toBeGreaterThanOrEqual(minChildWeight)
    }
    const full = trained({ values, labels }, names, {
      loss: "squared-error",
      rounds: 1,
      maxDepth: 8,
      maxLeaves: 5
    })
    expect(leavesOf(full.ensemble, 0)).toBe(5)
  })

  it("splits only where that gains gamma, and gains less with each penalty", () => {
    const { values, labels } = world("penalties", 600).numbers
    const splits = (options: Partial<TreeTrainingOptions>) => {
      const { ensemble } = trained({ values, labels }, names, {
        loss: "squared-error",
        rounds: 3,
        ...options
      })
      const gains = [...ensemble.gain].filter((_, node) => (ensemble.left[node] as number) >= 0)
      return { count: gains.length, least: Math.min(...gains), values: ensemble.value }
    }
    const free = splits({})
    const gamma = splits({ gamma: 10 })
    expect(gamma.least).toBeGreaterThanOrEqual(10)
    expect(gamma.count).toBeLessThan(free.count)
    const greatest = (values: Float32Array) => Math.max(...values.map(Math.abs))
    expect(greatest(splits({ lambda: 100 }).values)).toBeLessThan(greatest(free.values))
    expect(splits({ alpha: 30 }).count).toBeLessThan(free.count)
  })

  it("never makes the training loss higher by a round of all rows", () => {
    const { binary, classes } = world("monotone", 300)
    for (const [loss, rows] of [
      ["logistic", binary],
      ["softmax", classes]
    ] as const) {
      let before = Number.POSITIVE_INFINITY
      for (let rounds = 1; rounds <= 12; rounds++) {
        const { ensemble } = trained(rows, names, { loss, classes: 3, rounds, learningRate: 0.3 })
        const now = meanLoss(loss, ensemble, rows)
        expect(now).toBeLessThan(before)
        before = now
      }
    }
  })

  it("stops when validation has not become better for long enough, and drops what came after the best", () => {
    const [seen, held] = [world("early", 400).binary, world("early held", 400).binary]
    const options = { loss: "logistic", rounds: 500, learningRate: 0.3, patienceRounds: 7 } as const
    const stopped = trained(seen, names, options, held)
    const { validationLosses, rounds, ensemble } = stopped
    expect(validationLosses.length).toBe(rounds + 7)
    expect(validationLosses.indexOf(Math.min(...validationLosses))).toBe(rounds - 1)
    expect(treesOf(ensemble)).toBe(rounds)
    expect(meanLoss("logistic", ensemble, held)).toBeCloseTo(validationLosses[rounds - 1] as number, 12)
    // Looking does not change what is seen.
    expect(trained(seen, names, { ...options, rounds }).ensemble).toEqual(ensemble)
  })

  it("stops a softmax between rounds, not within one", () => {
    const [seen, held] = [world("early", 200).classes, world("early held", 200).classes]
    const options = {
      loss: "softmax",
      classes: 3,
      rounds: 300,
      learningRate: 0.5,
      patienceRounds: 3
    } as const
    const { ensemble, rounds } = trained(seen, names, options, held)
    expect(treesOf(ensemble)).toBe(3 * rounds)
    expect([...ensemble.treeOutputs.slice(0, 4)]).toEqual([0, 1, 2, 0])
  })

  it("follows the margins of rows that a tree was not grown on", () => {
    const { values, labels } = world("margins", 300).numbers
    const options = { loss: "squared-error", rounds: 12, rowShare: 0.4, bins: 16 } as const
    const { ensemble } = trained({ values, labels }, names, options)
    // A leaf of the last tree is a shrunk mean of what the trees before it left of its rows' labels.
    const first = trained({ values, labels }, names, { ...options, rounds: 11 }).ensemble
    const margins = marginsOf(first, values)
    const tree = treesOf(ensemble) - 1
    const root = ensemble.roots[tree] as number
    const rowsAll = Float32Array.from(values)
    const bounds = new Map<number, [least: number, greatest: number]>()
    for (let i = 0; i < labels.length; i++) {
      const leaf = leafOf(ensemble, root, rowsAll, 4 * i)
      const residual = (labels[i] as number) - (margins[i] as number)
      const [least, greatest] = bounds.get(leaf) ?? [0, 0]
      bounds.set(leaf, [Math.min(least, residual), Math.max(greatest, residual)])
    }
    for (const [leaf, [least, greatest]] of bounds) {
      const value = (ensemble.value[leaf] as number) / 0.1
      expect(value).toBeGreaterThanOrEqual(least - 1e-6)
      expect(value).toBeLessThanOrEqual(greatest + 1e-6)
    }
  })

  it("starts at the constants that lower the loss most, unless told otherwise", () => {
    const values = new Float64Array(8)
    const base = (loss: Options["loss"], labels: ReadonlyArray<number>, options = {}) => [
      ...trained({ values, labels }, ["x"], { loss, classes: 3, rounds: 1, ...options }).ensemble.baseMargins
    ]
    expect(base("logistic", [1, 1, 1, 1, 1, 1, 0, 0])[0]).toBeCloseTo(Math.log(3), 6)
    expect(base("squared-error", [1, 2, 3, 4, 5, 6, 7, 8])[0]).toBeCloseTo(4.5, 6)
    const [a, b, c] = base("softmax", [0, 0, 0, 0, 1, 1, 2, 2]) as [number, number, number]
    expect(a - b).toBeCloseTo(Math.log(2), 6)
    expect(b).toBe(c)
    expect(base("logistic", [1, 1, 1, 1, 1, 1, 1, 1])[0]).toBeLessThan(20)
    expect(base("softmax", [0, 0, 0, 0, 1, 1, 1, 1], { baseMargins: [1, 2, 3] })).toEqual([1, 2, 3])
  })

  it("gives trees that ONNX and SHAP take as they take XGBoost's", async () => {
    const { binary, classes, numbers } = world("export", 300)
    for (const [loss, rows] of [
      ["logistic", binary],
      ["softmax", classes],
      ["squared-error", numbers]
    ] as const) {
      const { ensemble } = trained(rows, names, { loss, classes: 3, rounds: 12, rowShare: 0.7 })
      const margins = marginsOf(ensemble, rows.values)
      const outputs = await runOnnx(encode(treesToOnnx(ensemble)), {
        features: { dims: [300, 4], values: Array.from(rows.values) }
      })
      expect(distance(outputs.margins?.values ?? [], margins)).toBeLessThan(3e-6)
      if (loss !== "squared-error") {
        const probabilities = probabilitiesOf(ensemble, margins)
        expect(distance(outputs.probabilities?.values ?? [], probabilities)).toBeLessThan(1e-6)
      }
      const values = runThrough(shapValues(ensemble, rows.values.slice(0, 80)))
      for (let i = 0; i < 20 * ensemble.outputs; i++) {
        const sum = values.slice(5 * i, 5 * i + 5).reduce((total, value) => total + value, 0)
        expect(sum).toBeCloseTo(margins[i] as number, 9)
      }
    }
  })

  it("takes any rows there are, or says which one it does not take", () => {
    const number = fc.oneof(
      fc.double(),
      fc.integer({ min: -3, max: 3 }),
      fc.constantFrom(Number.NaN, 1e39, -1e38, 1e-45)
    )
    const rows = fc.array(fc.tuple(number, number, fc.oneof(fc.constantFrom(0, 1), number)), {
      maxLength: 20
    })
    const loss = fc.constantFrom("logistic" as const, "softmax" as const, "squared-error" as const)
    const penalty = fc.constantFrom(0, 1)
    fc.assert(
      fc.property(rows, loss, penalty, penalty, (given, name, lambda, minChildWeight) => {
        const values = given.flatMap((row) => [row[0], row[1]])
        const labels = given.map(([, , label]) => label)
        const result = train({ values, labels }, ["x", "y"], {
          loss: name,
          rounds: 4,
          lambda,
          minChildWeight
        })
        if (Either.isLeft(result)) {
          expect(["RowRefused", "FitImpossible"]).toContain(result.left._tag)
          return
        }
        const { ensemble } = result.right
        for (const part of ["threshold", "value", "cover", "gain", "baseMargins"] as const) {
          expect(ensemble[part].every((value) => Number.isFinite(value))).toBe(true)
        }
        leafIndices(ensemble, values)
      }),
      { numRuns: 400 }
    )
  })

  it("names the row that it refuses, and what is wrong with options", () => {
    const message = (rows: LabelledRows, options: Options) =>
      Either.match(train(rows, ["x"], options), {
        onLeft: (error) => error.message,
        onRight: () => "trained"
      })
    const rows = { values: [1, 2], labels: [0, 1] }
    expect(message({ ...rows, labels: [0, 2] }, { loss: "logistic" })).toBe(
      "Row 2 is refused: label is 2, not in [0, 1]."
    )
    expect(message({ ...rows, labels: [0, 2] }, { loss: "softmax" })).toBe(
      "Row 2 is refused: label is 2, none of 2 classes."
    )
    expect(message({ ...rows, labels: [0, Number.NaN] }, { loss: "squared-error" })).toContain("label is NaN")
    expect(message({ ...rows, weights: [1, -1] }, { loss: "logistic" })).toContain("weight is -1")
    expect(message({ ...rows, weights: [0, 0] }, { loss: "logistic" })).toContain("none of them counts")
    expect(message({ values: [], labels: [] }, { loss: "logistic" })).toContain("at least one is needed")
    expect(message({ values: [1], labels: [0, 1] }, { loss: "logistic" })).toContain("1 values of 1 features")
    expect(message({ values: [1, Infinity], labels: [0, 1] }, { loss: "logistic" })).toContain(
      "Row 2 is refused: x is Infinity"
    )
    expect(message(rows, { loss: "logistic" })).toBe("trained")
    const misused = (options: Partial<TreeTrainingOptions>) => () =>
      train(rows, ["x"], { loss: "logistic", ...options })
    expect(misused({ learningRate: 0 })).toThrow("learningRate is 0")
    expect(misused({ rounds: 1.5 })).toThrow("rounds is 1.5, no integer")
    expect(misused({ maxLeaves: 1 })).toThrow("maxLeaves is 1")
    expect(misused({ bins: 257 })).toThrow("bins is 257, not in [3, 256]")
    expect(misused({ lambda: Number.NaN })).toThrow("lambda is NaN")
    expect(misused({ baseMargins: [0, 0] })).toThrow("baseMargins are not 1 numbers of at most")
    expect(() => train({ values: [], labels: [0] }, [], { loss: "logistic" })).toThrow(
      "there are no features"
    )
  })
})
