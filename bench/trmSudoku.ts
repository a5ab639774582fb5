/**
 * Whether recursion does its work: Tiny Recursive Models learn Sudoku of six by six on puzzles without a given too many,
 * and solve puzzles whose solutions they have not seen. Beside the recursion (T = 3, n = 6) stand the same network
 * without it (T = n = 1) and one with twice the layers, after as many updates and after as much compute, each trained
 * with one step of supervision and with sixteen. Compute is counted in layers: those passed forward, and twice those
 * passed back.
 *
 * `--updates=N` trains longer (1,200 of the recursion by default), `--seeds=N` more often than once.
 */
import { Either } from "effect"
import { openWithOnnxruntime } from "../src/agents/training-host/onnxruntime.ts"
import { adamAtan2 } from "../src/learning/training/Optimiser.ts"
import type { Run } from "../src/learning/training/Trainer.ts"
import type { TrmRow } from "../src/learning/trm/CarriedRows.ts"
import { evaluateTrm, evaluationSpec } from "../src/learning/trm/TrmEvaluation.ts"
import { effectiveDepth, published, type TrmSizes } from "../src/learning/trm/TrmSpec.ts"
import { makeTrmTraining, servedParameters } from "../src/learning/trm/TrmTraining.ts"
import { publishedTraining, type TrmTrainingSpec } from "../src/learning/trm/TrmTrainingSpec.ts"
import { keyedRandom } from "../src/protocols/wire/KeyedRandom.ts"
import { cells, type Puzzle, puzzles, side } from "../test/support/miniSudoku.ts"
import { type Bench, line, print, quantile } from "./support/report.ts"

const rows = 16
const evaluatedRows = 64
/** After so many steps of supervision the answers are read. */
const readAfter = [1, 4, 16] as const

const recursive: TrmSizes = { ...published, width: 64, mix: "mlp", positions: "none", innerMultiple: 32 }
const plain: TrmSizes = { ...recursive, latentSteps: 1, recursions: 1 }

interface Work {
  readonly name: string
  readonly sizes: TrmSizes
  readonly supervisionSteps: number
}

const works: ReadonlyArray<Work> = [
  { name: "T = 3, n = 6, supervised once", sizes: recursive, supervisionSteps: 1 },
  { name: "T = n = 1, supervised once", sizes: plain, supervisionSteps: 1 },
  { name: "T = n = 1, 4 layers, supervised once", sizes: { ...plain, layers: 4 }, supervisionSteps: 1 },
  { name: "T = 3, n = 6, supervised up to 16 times", sizes: recursive, supervisionSteps: 16 },
  { name: "T = n = 1, supervised up to 16 times", sizes: plain, supervisionSteps: 16 }
]

/** Layers passed by an update. */
const computeOf = (sizes: TrmSizes): number =>
  effectiveDepth(sizes) + 2 * effectiveDepth({ ...sizes, recursions: 1 })

const specOf = ({ sizes, supervisionSteps }: Work, seed: number): TrmTrainingSpec => ({
  ...publishedTraining({ sizes, task: { kind: "tokens", length: cells, vocabulary: side + 1 } }),
  // Published for days of training; here minutes must do.
  optimiser: { ...adamAtan2, weightDecay: 0.1 },
  schedule: { kind: "constant", rate: 0.002, warmUpSteps: 50 },
  averageDecay: 0.99,
  rows,
  supervisionSteps,
  seed
})

const rowOf = ({ givens, solution }: Puzzle): TrmRow => ({ inputs: givens, labels: solution })

interface Reading {
  readonly updates: number
  /** Share of the puzzles solved, by `readAfter`. */
  readonly solved: ReadonlyArray<number>
  readonly puzzles: number
  readonly cpuSeconds: number
}

/** Trains, and reads after each of the given numbers of updates. */
const trained = async (
  work: Work,
  seed: number,
  readings: ReadonlyArray<number>,
  training: ReadonlyArray<TrmRow>,
  test: ReadonlyArray<TrmRow>
): Promise<ReadonlyArray<Reading>> => {
  const spec = specOf(work, seed)
  const rowAt = (number: number) =>
    training[keyedRandom("order", seed, number).int(training.length)] as TrmRow
  const loop = await makeTrmTraining({ spec, rowAt, open: openWithOnnxruntime })
  const evaluations: Array<Run> = []
  for (const steps of readAfter) {
    evaluations.push(await openWithOnnxruntime(evaluationSpec(spec.trm, loop.manifest, evaluatedRows, steps)))
  }
  const found: Array<Reading> = []
  let cpuSeconds = 0
  for (const updates of readings) {
    const begin = process.cpuUsage()
    while (loop.snapshot().step < updates) Either.getOrThrow(await loop.step())
    const { system, user } = process.cpuUsage(begin)
    cpuSeconds += (system + user) / 1e6
    const solved: Array<number> = []
    for (const run of evaluations) {
      const parameters = servedParameters(loop.snapshot())
      const of = { task: spec.trm.task, rows: evaluatedRows, run, parameters, examples: test }
      solved.push((await evaluateTrm(of)).solved)
    }
    found.push({ updates, solved, puzzles: loop.snapshot().carried.taken, cpuSeconds })
  }
  return found
}

const option = (name: string, otherwise: number): number => {
  const given = process.argv.find((argument) => argument.startsWith(`--${name}=`))
  const value = given === undefined ? otherwise : Number(given.slice(name.length + 3))
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} takes a positive integer`)
  return value
}

const percent = (values: ReadonlyArray<number>): string => {
  const of = (q: number) => `${(100 * quantile(values, q)).toFixed(1)}%`
  return values.length === 1 ? of(0.5) : `${of(0.5)} (${of(0)}..${of(1)})`
}

export const trmSudoku: Bench = {
  name: "trm-sudoku",
  run: async ({ smoke }) => {
    const updates = option("updates", smoke ? 20 : 1_200)
    const seeds = option("seeds", 1)
    const training = puzzles("training", smoke ? 500 : 20_000, { heldOut: false })
    const test = puzzles("test", smoke ? 64 : 512, { heldOut: true })
    const givens = training.map(({ givens }) => givens.filter((digit) => digit > 0).length)
    print(
      `trm-sudoku: ${side} x ${side}, ${quantile(givens, 0)} to ${quantile(givens, 1)} givens, ` +
        `${training.length} puzzles to learn from, ${test.length} with other solutions to solve`
    )
    print(`  solved after ${readAfter.join(", ")} steps of supervision`)
    for (const work of works) {
      const equal = Math.round((updates * computeOf(recursive)) / computeOf(work.sizes))
      const readings = equal > updates ? [updates, equal] : [updates]
      const found: Array<ReadonlyArray<Reading>> = []
      for (let seed = 1; seed <= seeds; seed++) {
        found.push(await trained(work, seed, readings, training.map(rowOf), test.map(rowOf)))
      }
      readings.forEach((count, i) => {
        const own = found.map((one) => one[i] as Reading)
        const figures = readAfter.map((_, k) => percent(own.map(({ solved }) => solved[k] as number)))
        const first = own[0] as Reading
        const passed = `${count.toLocaleString("en-US")} updates, ${first.puzzles.toLocaleString("en-US")} puzzles`
        const isEqual = readings.length === 1 || i === 1
        line(
          i === 0 ? work.name : "  after as much compute",
          figures.join("  "),
          `${passed}, ${first.cpuSeconds.toFixed(0)} s CPU${isEqual ? "" : ", as many updates"}`
        )
      })
    }
  }
}
