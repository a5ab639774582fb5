/** Hidden Markov models and sequences drawn from them, for tests. */
import type { GaussianHmm } from "../../../src/market/streams/GaussianHmm.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"

export const hmmOf = (options: {
  readonly initial: ReadonlyArray<number>
  readonly transitions: ReadonlyArray<ReadonlyArray<number>>
  readonly means: ReadonlyArray<ReadonlyArray<number>>
  readonly variances: ReadonlyArray<ReadonlyArray<number>>
}): GaussianHmm => ({
  states: options.initial.length,
  width: (options.means[0] as ReadonlyArray<number>).length,
  logInitial: Float64Array.from(options.initial, Math.log),
  logTransitions: Float64Array.from(options.transitions.flat(), Math.log),
  means: Float64Array.from(options.means.flat()),
  variances: Float64Array.from(options.variances.flat())
})

/** A model of so many states and coordinates, by key. */
export const randomHmm = (
  states: number,
  width: number,
  ...key: ReadonlyArray<string | number>
): GaussianHmm => {
  const random = keyedRandom("random-hmm", states, width, ...key)
  const distribution = () => {
    const weights = Array.from({ length: states }, () => 0.05 + random.next())
    const sum = weights.reduce((total, weight) => total + weight, 0)
    return weights.map((weight) => weight / sum)
  }
  const rows = <A>(make: () => A) => Array.from({ length: states }, make)
  return hmmOf({
    initial: distribution(),
    transitions: rows(distribution),
    means: rows(() => Array.from({ length: width }, () => 3 * random.normal())),
    variances: rows(() => Array.from({ length: width }, () => 0.2 + 2 * random.next()))
  })
}

/** Rows that the model gives, and the states behind them. */
export const drawn = (model: GaussianHmm, rows: number, ...key: ReadonlyArray<string | number>) => {
  const { logInitial, logTransitions, means, states, variances, width } = model
  const random = keyedRandom("drawn", ...key)
  const choose = (logs: Float64Array) => {
    let left = random.next()
    for (let state = 0; state < states; state++) {
      left -= Math.exp(logs[state] as number)
      if (left < 0) return state
    }
    return states - 1
  }
  const observations = new Float64Array(rows * width)
  const path: Array<number> = []
  for (let row = 0; row < rows; row++) {
    const before = path.at(-1)
    const state = choose(
      before === undefined ? logInitial : logTransitions.subarray(before * states, (before + 1) * states)
    )
    path.push(state)
    for (let d = 0; d < width; d++) {
      const at = state * width + d
      observations[row * width + d] =
        (means[at] as number) + Math.sqrt(variances[at] as number) * random.normal()
    }
  }
  return { observations, path }
}
