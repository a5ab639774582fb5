/** Environments small enough to be learned in a second, whose best is known. */
import type { Fed, Open } from "../../../src/learning/training/Trainer.ts"
import type { ActionSpace, VectorEnvironment } from "../../../src/protocols/VectorEnvironment.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"

/** What one row does: it writes its observation and says what a step came to. */
export interface RowSpec {
  readonly size: number
  readonly actionSpace: ActionSpace
  readonly row: (row: number) => {
    readonly reset: (out: Float32Array) => void
    readonly step: (
      action: ReadonlyArray<number>,
      out: Float32Array
    ) => { readonly reward: number; readonly terminated: boolean; readonly truncated: boolean }
  }
}

/** Rows in step, with autoreset in the same step; rows that have not ended have NaN for a final observation. */
export const vectorOf = (environments: number, spec: RowSpec): VectorEnvironment => {
  const { actionSpace, size } = spec
  const rows = Array.from({ length: environments }, (_, row) => spec.row(row))
  const observations = new Float32Array(environments * size)
  const finalObservations = new Float32Array(environments * size)
  const rewards = new Float64Array(environments)
  const terminated = new Uint8Array(environments)
  const truncated = new Uint8Array(environments)
  const width = actionSpace.kind === "discrete" ? 1 : actionSpace.size
  const of = (all: Float32Array, row: number) => all.subarray(row * size, (row + 1) * size)
  return {
    environments,
    observationSpace: { size, low: -1, high: 1 },
    actionSpace,
    observations,
    rewards,
    terminated,
    truncated,
    finalObservations,
    reset: () => {
      rows.forEach((one, row) => {
        one.reset(of(observations, row))
      })
    },
    step: (actions) => {
      finalObservations.fill(Number.NaN)
      rows.forEach((one, row) => {
        const action = Array.from(actions.subarray(row * width, (row + 1) * width))
        const result = one.step(action, of(observations, row))
        rewards[row] = result.reward
        terminated[row] = Number(result.terminated)
        truncated[row] = Number(result.truncated)
        if (!(result.terminated || result.truncated)) return
        of(finalObservations, row).set(of(observations, row))
        one.reset(of(observations, row))
      })
    }
  }
}

/** Five states in a row. Right of the last lies 1; left of the first -1; walking costs 0.01. Best is right, right, right. */
export const chain = (environments: number): VectorEnvironment =>
  vectorOf(environments, {
    size: 5,
    actionSpace: { kind: "discrete", actions: 2 },
    row: () => {
      let state = 2
      let steps = 0
      const show = (out: Float32Array) => out.fill(0).fill(1, state, state + 1)
      return {
        reset: (out) => {
          state = 2
          steps = 0
          show(out)
        },
        step: ([action], out) => {
          const to = state + (action === 1 ? 1 : -1)
          state = Math.min(4, Math.max(0, to))
          steps++
          show(out)
          const reward = to > 4 ? 1 : to < 0 ? -1 : -0.01
          return { reward, terminated: to < 0 || to > 4, truncated: steps >= 20 }
        }
      }
    }
  })

export const chainBest = 1 - 0.02

/** One step: the exposure that is asked for is half of what is seen. The box is [-2, 2]. */
export const follow = (environments: number, key: string): VectorEnvironment =>
  vectorOf(environments, {
    size: 1,
    actionSpace: { kind: "box", size: 1, low: -2, high: 2 },
    row: (row) => {
      const random = keyedRandom("follow", key, row)
      let seen = 0
      const reset = (out: Float32Array) => {
        seen = 2 * random.next() - 1
        out[0] = seen
      }
      return {
        reset,
        step: ([action]) => ({
          reward: -(((action as number) - seen / 2) ** 2),
          terminated: true,
          truncated: false
        })
      }
    }
  })

export const runThroughAsync = async <P, A>(
  running: AsyncGenerator<P, A>
): Promise<{ readonly told: ReadonlyArray<P>; readonly outcome: A }> => {
  const told: Array<P> = []
  for (;;) {
    const { done, value } = await running.next()
    if (done === true) return { told, outcome: value }
    told.push(value)
  }
}

/** Runs come out later than they could, by so many turns of the event loop. */
export const slowly =
  (open: Open, turns: number): Open =>
  async (spec) => {
    const run = await open(spec)
    return async (feeds) => {
      for (let i = 0; i < turns; i++) await new Promise<void>((resolve) => setImmediate(resolve))
      return run(feeds)
    }
  }

/** From the given run on there are no losses that are numbers. */
export const diverging =
  (open: Open, from: number): Open =>
  async (spec) => {
    const run = await open(spec)
    let runs = 0
    return async (feeds) => {
      const results = await run(feeds)
      return results.losses !== undefined && runs++ >= from
        ? { ...results, losses: results.losses.map(() => Number.NaN) }
        : results
    }
  }

/** Notes the learning rate of each update, one list a run. */
export const notingRates =
  (open: Open, noted: Array<ReadonlyArray<number>>): Open =>
  async (spec) => {
    const run = await open(spec)
    return (feeds) => {
      const { data, shape } = feeds.rates as Fed
      const [updates = 0, width = 0] = shape
      noted.push(Array.from({ length: updates }, (_, i) => Number(data[i * width])))
      return run(feeds)
    }
  }
