/**
 * A population of PPO learners of which the worst learn from the best (Jaderberg et al., Population Based Training of Neural
 * Networks, 2017). After every round, of so many steps each:
 *
 * - exploit: each of the worst share takes over what one of the best share, drawn at random, has learned: parameters and
 *   moments;
 * - explore: it goes on with that one's learning rate and with its 1 - lambda, each times or divided by `perturbation`.
 *
 * A member is as good as the mean return of the episodes that it has ended in the round; where it has ended none, as before.
 *
 * What can go wrong: as in PPO; a member that diverges is the worst of all, and goes on from one of the best.
 * Invariant: members act and learn in turn, so that equal settings, seeds and environments give equal bytes.
 */
import { Schema } from "effect"
import type { VectorEnvironment } from "../../protocols/VectorEnvironment.ts"
import { keyedRandom } from "../../protocols/wire/KeyedRandom.ts"
import type { Open } from "../training/Trainer.ts"
import type { PolicySpec } from "./Policy.ts"
import { makePpoLearner, type PpoLearner, type PpoRates, type PpoSettings } from "./Ppo.ts"
import type { Progress, Trained } from "./Progress.ts"
import { Count } from "./settings.ts"
import { seedOf } from "./Updates.ts"

export const PopulationSettings = Schema.Struct({
  /** Steps of each member between two comparisons. */
  roundSteps: Count,
  /** Of the members that learn from others, and that are learned from. */
  share: Schema.Finite.pipe(Schema.greaterThan(0), Schema.lessThanOrEqualTo(0.5)),
  /** Above 1. */
  perturbation: Schema.Finite.pipe(Schema.greaterThan(1))
})
export type PopulationSettings = typeof PopulationSettings.Type

/** As published. */
export const populationDefaults: PopulationSettings = { roundSteps: 4_096, share: 0.2, perturbation: 1.2 }

interface Member {
  readonly learner: PpoLearner
  rates: PpoRates
  loss: number | null
  score: number
  hasDiverged: boolean
  /** Ended episodes and the sum of their returns when the round began. */
  before: { readonly count: number; readonly total: number }
}

export type PopulationProgress =
  | (Progress & { readonly type: "progress"; readonly member: number })
  | {
      readonly type: "taught"
      readonly round: number
      readonly from: number
      readonly to: number
      readonly scores: ReadonlyArray<number>
      readonly rates: PpoRates
    }

export async function* trainPopulation(options: {
  readonly settings: PpoSettings
  readonly population: PopulationSettings
  /** One for each member. */
  readonly environments: ReadonlyArray<VectorEnvironment>
  /** Of all members and rows together; the last round is finished. */
  readonly steps: number
  readonly open: Open
  readonly seed: number
}): AsyncGenerator<PopulationProgress, ReadonlyArray<Trained<PolicySpec>>> {
  const { environments, open, seed, settings, steps: total } = options
  const { perturbation, roundSteps, share } = Schema.validateSync(PopulationSettings)(options.population)
  if (environments.length < 2)
    throw new RangeError(`a population of ${environments.length} has nobody to learn from`)
  const members: Array<Member> = []
  for (const [i, environment] of environments.entries()) {
    const learner = await makePpoLearner({ settings, environment, open, seed: seedOf(seed, i) })
    const random = keyedRandom(seed, "population", "first", i)
    const rates = explored(settings, perturbation, random.int(2) === 0, random.int(2) === 0)
    members.push({
      learner,
      rates,
      loss: null,
      score: Number.NEGATIVE_INFINITY,
      hasDiverged: false,
      before: { count: 0, total: 0 }
    })
  }
  const stepsOf = () => members.reduce((sum, { learner }) => sum + learner.progress().steps, 0)
  const some = Math.max(1, Math.floor(share * members.length))

  for (let round = 0; stepsOf() < total; round++) {
    for (const [i, member] of members.entries()) {
      const { learner } = member
      const until = learner.progress().steps + roundSteps
      while (learner.progress().steps < until && !member.hasDiverged) {
        do {
          learner.step()
          yield { ...learner.progress(), type: "progress", member: i, loss: member.loss }
        } while (!learner.isDue())
        member.loss = await learner.update(member.rates)
        member.hasDiverged = !Number.isFinite(member.loss)
      }
      judge(member)
    }
    if (stepsOf() >= total || members.every(({ hasDiverged }) => hasDiverged)) break
    const ranked = members.map((_, i) => i).sort((a, b) => scoreAt(members, b) - scoreAt(members, a) || a - b)
    const random = keyedRandom(seed, "population", "teach", round)
    for (const to of ranked.slice(-some)) {
      const from = ranked[random.int(some)] as number
      const teacher = members[from] as Member
      const pupil = members[to] as Member
      const rates = explored(teacher.rates, perturbation, random.int(2) === 0, random.int(2) === 0)
      // Nobody is taught by somebody who is no better.
      if (teacher.score <= pupil.score || teacher.hasDiverged) continue
      pupil.learner.adopt(teacher.learner.state())
      Object.assign(pupil, { rates, score: teacher.score, hasDiverged: false })
      yield { type: "taught", round, from, to, scores: members.map(({ score }) => score), rates }
    }
  }
  return members.map(({ hasDiverged, learner }) => learner.trained(hasDiverged ? "diverged" : "steps"))
}

const scoreAt = (members: ReadonlyArray<Member>, i: number): number => (members[i] as Member).score

const judge = (member: Member): void => {
  const count = member.learner.episodes.count()
  const total = member.learner.episodes.total()
  const { before } = member
  if (member.hasDiverged) member.score = Number.NEGATIVE_INFINITY
  else if (count > before.count) member.score = (total - before.total) / (count - before.count)
  member.before = { count, total }
}

const explored = (
  { lambda, learningRate }: PpoRates,
  perturbation: number,
  isFaster: boolean,
  isLonger: boolean
): PpoRates => ({
  learningRate: isFaster ? learningRate * perturbation : learningRate / perturbation,
  lambda: Math.max(0, 1 - (isLonger ? (1 - lambda) / perturbation : (1 - lambda) * perturbation))
})
