/**
 * Boosted trees grown here beside XGBoost's `hist` at equal settings, on two tasks made from the real files: the
 * direction of ETTh1's oil temperature over 24 hours, and whether bitcoin's next 24 hours move more than its last.
 * Both learn from the same float32 rows, on one thread. XGBoost is asked where a Python on this machine can import it.
 */
import { spawnSync } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { gunzipSync } from "node:zlib"
import { Either } from "effect"
import { logLoss, mean } from "../src/learning/evaluation/Scoring.ts"
import { runThrough } from "../src/learning/steps.ts"
import { marginsOf, probabilitiesOf } from "../src/learning/trees/TreeEnsemble.ts"
import {
  type LabelledRows,
  type TreeTrainingOptions,
  trainTrees
} from "../src/learning/trees/TreeTraining.ts"
import { type Bench, line, print, ratio, spread } from "./support/report.ts"

interface Part {
  readonly values: Float32Array
  readonly labels: Float32Array
}

interface Task {
  readonly name: string
  readonly features: ReadonlyArray<string>
  readonly training: Part
  readonly validation: Part
  readonly test: Part
}

const hoursAhead = 24

/** Columns of a gzipped CSV file by name; what is no number is NaN. */
const readColumns = (path: string): { time: Array<string>; column: (name: string) => Float64Array } => {
  const [header = "", ...rows] = gunzipSync(readFileSync(path)).toString("utf8").trimEnd().split("\n")
  const names = header.split(",")
  const cells = rows.map((row) => row.split(","))
  return {
    time: cells.map((row) => row[0] as string),
    column: (name) => {
      const at = names.indexOf(name)
      return Float64Array.from(cells, (row) => Number.parseFloat(row[at] ?? ""))
    }
  }
}

/** What is known at hour i, by name. */
type Features = Readonly<Record<string, (i: number) => number>>

/** A row for each hour from `warmUp` on; the last hours of a part, whose labels end in the next, are left out. */
const taskOf = (
  name: string,
  hours: number,
  warmUp: number,
  [trainingEnd, validationEnd, testEnd]: readonly [number, number, number],
  features: Features,
  label: (i: number) => number
): Task => {
  const makers = Object.values(features)
  const part = (from: number, to: number): Part => {
    const rows = Math.min(to, hours) - hoursAhead - from
    const values = new Float32Array(rows * makers.length)
    const labels = new Float32Array(rows)
    for (let row = 0; row < rows; row++) {
      for (const [f, of] of makers.entries()) values[row * makers.length + f] = of(from + row)
      labels[row] = label(from + row)
    }
    return { values, labels }
  }
  return {
    name,
    features: Object.keys(features),
    training: part(warmUp, trainingEnd),
    validation: part(trainingEnd, validationEnd),
    test: part(validationEnd, testEnd)
  }
}

const at = (values: Float64Array, i: number) => values[i] ?? Number.NaN

const temperature = (data: string): Task => {
  const { time, column } = readColumns(join(data, "forecast", "ETTh1.csv.gz"))
  const loads = ["HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL"]
  const oil = column("OT")
  const features: Record<string, (i: number) => number> = {
    hour: (i) => new Date(`${time[i]?.replace(" ", "T")}Z`).getUTCHours(),
    day: (i) => new Date(`${time[i]?.replace(" ", "T")}Z`).getUTCDay(),
    OT: (i) => at(oil, i)
  }
  for (const lag of [1, 2, 3, 6, 12, 18, 24, 48, 72, 168]) {
    features[`OT_less_${lag}h_ago`] = (i) => at(oil, i) - at(oil, i - lag)
  }
  for (const name of loads) {
    const load = column(name)
    features[name] = (i) => at(load, i)
    for (const lag of [1, 24]) features[`${name}_less_${lag}h_ago`] = (i) => at(load, i) - at(load, i - lag)
  }
  return taskOf(
    "ETTh1: is the oil warmer in 24 hours",
    oil.length,
    168,
    [8_640, 11_520, 14_400],
    features,
    (i) => (at(oil, i + hoursAhead) > at(oil, i) ? 1 : 0)
  )
}

const bitcoin = (data: string): Task => {
  const { time, column } = readColumns(join(data, "crypto", "BTCUSDT_perp_1h.csv.gz"))
  const [close, high, low, volume] = ["close", "high", "low", "volume"].map(column) as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array
  ]
  const move = (i: number, over: number) => Math.log(at(close, i) / at(close, i - over))
  const sums = (of: (i: number) => number) => {
    const total = new Float64Array(close.length + 1)
    for (let i = 0; i < close.length; i++) {
      const value = of(i)
      total[i + 1] = (total[i] as number) + (Number.isFinite(value) ? value : 0)
    }
    return (i: number, over: number) => at(total, i + 1) - at(total, i + 1 - over)
  }
  const squares = sums((i) => move(i, 1) ** 2)
  const volumes = sums((i) => at(volume, i))
  const features: Record<string, (i: number) => number> = {
    hour: (i) => new Date(time[i] as string).getUTCHours(),
    day: (i) => new Date(time[i] as string).getUTCDay(),
    range: (i) => Math.log(at(high, i) / at(low, i))
  }
  for (const over of [1, 4, 12, 24, 72, 168]) {
    features[`move_${over}h`] = (i) => move(i, over)
    features[`volatility_${over}h`] = (i) => Math.sqrt(squares(i, over) / over)
    features[`volume_${over}h_to_336h`] = (i) => volumes(i, over) / over / (volumes(i, 336) / 336)
  }
  const hours = close.length
  return taskOf(
    "BTCUSDT: do the next 24 hours move more than the last",
    hours,
    336,
    [Math.floor(hours * 0.6), Math.floor(hours * 0.8), hours],
    features,
    (i) => (squares(i + hoursAhead, hoursAhead) > squares(i, hoursAhead) ? 1 : 0)
  )
}

interface Setting {
  readonly name: string
  readonly options: Partial<TreeTrainingOptions> & { readonly rounds: number }
  /** Rounds without a lower validation loss after which training ends; undefined runs all rounds. */
  readonly patienceRounds?: number
}

const common = {
  rounds: 40,
  learningRate: 0.05,
  growth: "depth-wise",
  maxDepth: 4,
  minChildWeight: 5,
  lambda: 1,
  gamma: 0,
  alpha: 0,
  bins: 256,
  baseMargins: [0]
} as const

const settings: ReadonlyArray<Setting> = [
  { name: "depth-wise, 4 levels, 40 rounds", options: common },
  {
    name: "leaf-wise, 15 leaves, 40 rounds",
    options: { ...common, growth: "leaf-wise", maxDepth: 64, maxLeaves: 15 }
  },
  { name: "depth-wise, shares of 0.7", options: { ...common, rowShare: 0.7, columnShare: 0.7 } },
  { name: "depth-wise, early stopping", options: { ...common, rounds: 500 }, patienceRounds: 30 }
]

interface Outcome {
  readonly losses: ReadonlyArray<number>
  readonly rounds: number
  readonly milliseconds: number
}

const meanLoss = (probabilities: ArrayLike<number>, labels: Float32Array) =>
  mean(
    Array.from(labels, (label, i) => {
      const p = probabilities[i] as number
      return logLoss([1 - p, p], label)
    })
  )

const rowsOf = ({ values, labels }: Part): LabelledRows => ({ values, labels })

const ours = (task: Task, { options, patienceRounds }: Setting, seed: number): Outcome => {
  const begin = performance.now()
  const { ensemble, rounds } = Either.getOrThrow(
    runThrough(
      trainTrees(
        rowsOf(task.training),
        task.features,
        { ...options, patienceRounds: patienceRounds ?? 1, loss: "logistic", key: ["bench", seed] },
        patienceRounds === undefined ? undefined : rowsOf(task.validation)
      )
    )
  )
  const milliseconds = performance.now() - begin
  const losses = [task.validation, task.test].map((part) => {
    const probabilities = probabilitiesOf(ensemble, marginsOf(ensemble, part.values))
    return meanLoss(
      Float64Array.from(part.labels, (_, i) => probabilities[2 * i + 1] as number),
      part.labels
    )
  })
  return { losses, rounds, milliseconds }
}

const script = `
import json, sys, time
import numpy as np
import xgboost as xgb
folder, features, settings = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
def part(name):
    values = np.fromfile(f"{folder}/{name}.values", np.float32).reshape(-1, features)
    return values, np.fromfile(f"{folder}/{name}.labels", np.float32)
training, validation, test = part("training"), part("validation"), part("test")
begin = time.perf_counter()
rows = xgb.DMatrix(training[0], label=training[1], nthread=1)
held = xgb.DMatrix(validation[0], label=validation[1], nthread=1)
stopping = dict(evals=[(held, "validation")], early_stopping_rounds=settings["patience"]) if settings["patience"] else {}
booster = xgb.train(settings["parameters"], rows, settings["rounds"], verbose_eval=False, **stopping)
spent = (time.perf_counter() - begin) * 1000
best = int(booster.attr("best_iteration")) + 1
def predict(values):
    return booster.predict(xgb.DMatrix(values), iteration_range=(0, best)).astype(float).tolist()
print(json.dumps(dict(milliseconds=spent, rounds=best, predictions=[predict(validation[0]), predict(test[0])])))
`

interface Python {
  readonly command: string
  readonly version: string
}

/** The first Python that can import XGBoost. */
const findPython = (): Python | undefined => {
  for (const command of ["python3", "/usr/bin/python3"]) {
    const asked = spawnSync(command, ["-c", "import xgboost; print(xgboost.__version__)"], {
      encoding: "utf8"
    })
    if (asked.status === 0) return { command, version: asked.stdout.trim() }
  }
  return undefined
}

const theirs = (
  python: Python,
  folder: string,
  task: Task,
  { options, patienceRounds }: Setting,
  seed: number
): Outcome => {
  const parameters = {
    objective: "binary:logistic",
    tree_method: "hist",
    eval_metric: "logloss",
    nthread: 1,
    base_score: 0.5,
    seed,
    eta: options.learningRate,
    max_depth: options.growth === "leaf-wise" ? 0 : options.maxDepth,
    max_leaves: options.growth === "leaf-wise" ? options.maxLeaves : 0,
    grow_policy: options.growth === "leaf-wise" ? "lossguide" : "depthwise",
    min_child_weight: options.minChildWeight,
    lambda: options.lambda,
    alpha: options.alpha,
    gamma: options.gamma,
    max_bin: options.bins,
    subsample: options.rowShare ?? 1,
    colsample_bytree: options.columnShare ?? 1
  }
  const given = JSON.stringify({ parameters, rounds: options.rounds, patience: patienceRounds ?? 0 })
  const run = spawnSync(python.command, ["-c", script, folder, `${task.features.length}`, given], {
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024
  })
  if (run.status !== 0) throw new Error(`XGBoost failed: ${run.stderr.trim().split("\n").at(-1)}`)
  const told = JSON.parse(run.stdout) as {
    milliseconds: number
    rounds: number
    predictions: [Array<number>, Array<number>]
  }
  const losses = [task.validation, task.test].map((part, i) =>
    meanLoss(told.predictions[i] as Array<number>, part.labels)
  )
  return { losses, rounds: told.rounds, milliseconds: told.milliseconds }
}

const figures = (outcomes: ReadonlyArray<Outcome>) => {
  const of = (part: number) => mean(outcomes.map(({ losses }) => losses[part] as number)).toFixed(4)
  const rounds = mean(outcomes.map((outcome) => outcome.rounds)).toFixed(0)
  return `log loss ${of(0)} on validation, ${of(1)} held out, ${rounds} rounds`
}

const heldOut = (outcomes: ReadonlyArray<Outcome>) => mean(outcomes.map(({ losses }) => losses[1] as number))
const times = (outcomes: ReadonlyArray<Outcome>) => outcomes.map(({ milliseconds }) => milliseconds)

const percentApart = (loss: number, from: number) => {
  const percent = (loss / from - 1) * 100
  return `${percent >= 0 ? "+" : ""}${percent.toFixed(2)} %`
}

/** XGBoost with so many fewer bins is what luck may make of the same settings. */
const otherBins = 250

const compare = (task: Task, python: Python | undefined, runs: number): void => {
  const rows = [task.training, task.validation, task.test].map(({ labels }) => labels.length)
  const rate = mean(task.training.labels)
  const constant = meanLoss(new Float64Array(task.test.labels.length).fill(rate), task.test.labels)
  print(`  ${task.name}: ${rows.join(" + ")} rows of ${task.features.length} features`)
  line("    the training rows' rate", `log loss ${constant.toFixed(4)} held out`)
  const folder = mkdtempSync(join(tmpdir(), "conclave-trees-"))
  try {
    for (const name of ["training", "validation", "test"] as const) {
      writeFileSync(join(folder, `${name}.values`), task[name].values)
      writeFileSync(join(folder, `${name}.labels`), task[name].labels)
    }
    for (const setting of settings) {
      const here: Array<Outcome> = []
      const there: Array<Outcome> = []
      const elsewhere: Array<Outcome> = []
      for (let seed = 0; seed < runs; seed++) {
        here.push(ours(task, setting, seed))
        if (python === undefined) continue
        there.push(theirs(python, folder, task, setting, seed))
        const other = { ...setting, options: { ...setting.options, bins: otherBins } }
        elsewhere.push(theirs(python, folder, task, other, seed))
      }
      line(`    ${setting.name}`, figures(here), spread(times(here), "ms"))
      if (python === undefined) continue
      line(`      XGBoost ${python.version}`, figures(there), spread(times(there), "ms"))
      line(`        with ${otherBins} bins`, percentApart(heldOut(elsewhere), heldOut(there)))
      line(
        "      held-out loss against XGBoost's",
        percentApart(heldOut(here), heldOut(there)),
        `${setting.patienceRounds === undefined ? "aim at most +1 %" : "of other rounds"}; time ${spread(ratio(times(here), times(there)), "times")}`
      )
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

export const trees: Bench = {
  name: "trees",
  run: async ({ root, smoke }) => {
    const given = process.env.CONCLAVE_DATA
    const data = given === undefined || given === "" ? join(root, "..", "shared", "data") : resolve(given)
    print("trees: boosted trees beside XGBoost, the same rows, one thread")
    if (!existsSync(join(data, "forecast")) || !existsSync(join(data, "crypto"))) {
      print(`  skipped: no forecast and crypto in ${data}; set CONCLAVE_DATA to a folder that has them`)
      return
    }
    const python = findPython()
    if (python === undefined) print("  no Python here can import xgboost: ours alone")
    for (const task of [temperature(data), bitcoin(data)]) {
      compare(task, python, smoke ? 1 : 5)
    }
  }
}
