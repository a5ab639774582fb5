/**
 * The best policy in the world of a signal, and what any policy is worth there. State is (level of the signal, position),
 * an action the position of the next step: short, flat or long. With s the signal, a the action and p the position before,
 * the reward is the expected growth of log wealth to the second order
 *
 *   g(s, p, a) = a edge s - a^2 (noise^2 + (edge s)^2) / 2 + log(1 - cost |a - p|)
 *
 * and the value of a policy its mean in the long run. The optimum is found by relative value iteration (Puterman, Markov
 * Decision Processes, 1994, section 8.5.5): the position follows the action and the signal does not mind it, so that
 * every state can be reached from every other and the mean does not depend on where one begins.
 *
 * What is left out: a position in lots is not rebalanced, so that a short one drifts away from -1 while it is held; its
 * growth differs from the one above by the square of what the price has moved since.
 */
import { oneWay } from "../Costs.ts"
import { type SignalWorld, signalChain } from "./SignalWorld.ts"

const positions = 3
/** Policies are compared to this: a step of value iteration that changes less is the last. */
const tolerance = 1e-15
const sweepsMax = 100_000

/** Position (-1, 0, 1) to take at each level of the signal and position before, [levels, 3], row-major. */
export type SignalPolicy = Int8Array

/** Row of a policy for a level and a position. */
export const policyIndex = (level: number, position: number): number => level * positions + position + 1

export interface SignalSolution {
  readonly policy: SignalPolicy
  /** Growth of log wealth per step in the long run. */
  readonly growth: number
}

/** [levels, position before, action], row-major. */
const rewardsOf = (world: SignalWorld, signal: Float64Array): Float64Array => {
  const { costs, edge, noise } = world
  const cost = oneWay(costs)
  const rewards = new Float64Array(signal.length * positions * positions)
  let at = 0
  for (const s of signal) {
    for (let p = -1; p <= 1; p++) {
      for (let a = -1; a <= 1; a++) {
        const mean = edge * s
        rewards[at++] =
          a * mean - (a * a * (noise * noise + mean * mean)) / 2 + Math.log1p(-cost * Math.abs(a - p))
      }
    }
  }
  return rewards
}

/** The best policy: of equally good actions the one that comes first among short, flat, long. */
export const signalOptimum = (world: SignalWorld): SignalSolution => {
  const { signal, transitions } = signalChain(world)
  const levels = signal.length
  const rewards = rewardsOf(world, signal)
  let values = new Float64Array(levels * positions)
  const policy: SignalPolicy = new Int8Array(levels * positions)
  for (let sweep = 0; sweep < sweepsMax; sweep++) {
    const next = new Float64Array(levels * positions)
    let least = Number.POSITIVE_INFINITY
    let most = Number.NEGATIVE_INFINITY
    for (let k = 0; k < levels; k++) {
      const expected = [0, 0, 0]
      for (let j = 0; j < levels; j++) {
        for (let a = 0; a < positions; a++) {
          const follows = (transitions[k * levels + j] as number) * (values[j * positions + a] as number)
          expected[a] = (expected[a] as number) + follows
        }
      }
      for (let p = 0; p < positions; p++) {
        const state = k * positions + p
        let best = Number.NEGATIVE_INFINITY
        for (let a = 0; a < positions; a++) {
          const value = (rewards[state * positions + a] as number) + (expected[a] as number)
          if (value > best) {
            best = value
            policy[state] = a - 1
          }
        }
        next[state] = best
        const change = best - (values[state] as number)
        least = Math.min(least, change)
        most = Math.max(most, change)
      }
    }
    const reference = next[0] as number
    values = next.map((value) => value - reference)
    if (most - least < tolerance) return { policy, growth: policyGrowth(world, policy) }
  }
  throw new Error(`value iteration has not settled in ${sweepsMax} sweeps`)
}

/** Growth of log wealth per step of a policy in the long run, begun flat with the signal in its long-run distribution. */
export const policyGrowth = (world: SignalWorld, policy: SignalPolicy): number => {
  const { signal, stationary, transitions } = signalChain(world)
  const levels = signal.length
  const rewards = rewardsOf(world, signal)
  let shares = new Float64Array(levels * positions)
  for (let k = 0; k < levels; k++) shares[policyIndex(k, 0)] = stationary[k] as number
  for (let sweep = 0; sweep < sweepsMax; sweep++) {
    const next = new Float64Array(levels * positions)
    for (let state = 0; state < shares.length; state++) {
      const share = shares[state] as number
      if (share === 0) continue
      const from = Math.floor(state / positions) * levels
      const position = (policy[state] as number) + 1
      for (let j = 0; j < levels; j++) {
        const to = j * positions + position
        next[to] = (next[to] as number) + share * (transitions[from + j] as number)
      }
    }
    const change = next.reduce((most, share, i) => Math.max(most, Math.abs(share - (shares[i] as number))), 0)
    shares = next
    if (change < tolerance) break
  }
  return shares.reduce(
    (sum, share, state) =>
      sum + share * (rewards[state * positions + (policy[state] as number) + 1] as number),
    0
  )
}

/** Follows the sign of the next step's expectation, whatever it costs. */
export const signPolicy = ({ levels }: SignalWorld): SignalPolicy =>
  Int8Array.from({ length: levels * positions }, (_, state) =>
    Math.floor(state / positions) * 2 < levels ? -1 : 1
  )

/** Takes what is best for the next step alone, costs counted. */
export const oneStepPolicy = (world: SignalWorld): SignalPolicy => {
  const rewards = rewardsOf(world, signalChain(world).signal)
  return Int8Array.from({ length: world.levels * positions }, (_, state) => {
    const [short, flat, long] = rewards.subarray(state * positions, (state + 1) * positions)
    const best = Math.max(short as number, flat as number, long as number)
    // Where it does not matter, nothing is traded.
    const kept = state % positions
    if (rewards[state * positions + kept] === best) return kept - 1
    return best === flat ? 0 : best === short ? -1 : 1
  })
}
