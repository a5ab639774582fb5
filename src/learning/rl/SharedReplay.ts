/**
 * Several learners of action values that share what they live through: each acts in an environment of its own and explores
 * in its own way, all remember in one memory, and each learns from it (after Horgan et al., Distributed Prioritized
 * Experience Replay, 2018, with a network for every actor). What one has found the others need not find again.
 *
 * Priorities are those of whoever learned last from a transition.
 *
 * What can go wrong: as in Dqn.
 * Invariants: learners act and learn in turn, so that equal settings, seeds and environments give equal bytes; each has first
 * parameters and random streams of its own.
 */
import type { VectorEnvironment } from "../../protocols/VectorEnvironment.ts"
import type { Open } from "../training/Trainer.ts"
import { type DqnSettings, makeDqnLearner, memoryFor } from "./Dqn.ts"
import type { Progress, Trained } from "./Progress.ts"
import type { QNetworkSpec } from "./QNetwork.ts"
import { seedOf } from "./Updates.ts"

/** How one of them explores: at random down to a share of its own. */
export interface Exploration {
  readonly epsilonMin: number
  readonly epsilonDecay: number
}

export interface Explorer extends Exploration {
  readonly environment: VectorEnvironment
}

/** One that soon settles, one that goes on looking, one that looks a lot. */
export const explorationDefaults: readonly [Exploration, ...ReadonlyArray<Exploration>] = [
  { epsilonMin: 0.01, epsilonDecay: 0.99 },
  { epsilonMin: 0.05, epsilonDecay: 0.995 },
  { epsilonMin: 0.2, epsilonDecay: 0.995 }
]

export async function* trainSharedReplay(options: {
  /** Alike for all, but for how they explore. */
  readonly settings: DqnSettings
  readonly explorers: readonly [Explorer, ...ReadonlyArray<Explorer>]
  /** Of all learners and rows together. */
  readonly steps: number
  readonly open: Open
  readonly seed: number
}): AsyncGenerator<Progress & { readonly learner: number }, ReadonlyArray<Trained<QNetworkSpec>>> {
  const { explorers, open, seed, settings } = options
  const memory = memoryFor(settings, explorers[0].environment)
  const learners = await Promise.all(
    explorers.map(({ environment, epsilonDecay, epsilonMin }, i) =>
      makeDqnLearner({
        settings: { ...settings, epsilonDecay, epsilonMin },
        environment,
        memory,
        open,
        seed: seedOf(seed, i)
      })
    )
  )
  const stepsOf = () => learners.reduce((sum, learner) => sum + learner.progress().steps, 0)
  const losses: Array<number | null> = learners.map(() => null)
  const hasDiverged = (i: number) => losses[i] !== null && !Number.isFinite(losses[i])
  const ended = () => learners.map((learner, i) => learner.trained(hasDiverged(i) ? "diverged" : "steps"))

  while (stepsOf() < options.steps) {
    for (let i = 0; i < learners.length; i++) {
      // The others go on without one that has diverged.
      const learner = learners[i] as (typeof learners)[number]
      if (hasDiverged(i)) continue
      learner.step()
      while (learner.isDue() && !hasDiverged(i)) {
        losses[i] = await learner.update(stepsOf() / options.steps)
      }
      yield { ...learner.progress(), learner: i, loss: losses[i] ?? null }
    }
    if (learners.every((_, i) => hasDiverged(i))) return ended()
  }
  for (let i = 0; i < learners.length; i++) {
    if (!hasDiverged(i)) losses[i] = await (learners[i] as (typeof learners)[number]).finish()
  }
  return ended()
}
