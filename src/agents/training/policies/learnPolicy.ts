/**
 * One algorithm in one environment, with its settings as published or as the mission has them, and how it acts when it has
 * learned.
 *
 * What can go wrong: what the graphs' process says is thrown as it is. A training that diverges gives the parameters from
 * before.
 */
import { a2cDefaults, trainA2c } from "../../../learning/rl/A2c.ts"
import { dqnDefaults, trainDqn } from "../../../learning/rl/Dqn.ts"
import { ppoDefaults, trainPpo } from "../../../learning/rl/Ppo.ts"
import type { Progress, Trained } from "../../../learning/rl/Progress.ts"
import type { VectorEnvironment } from "../../../learning/rl/VectorEnvironment.ts"
import type { Open } from "../../../learning/training/Trainer.ts"
import type { PolicyAlgorithm } from "../../../protocols/Strategy.ts"
import type { NetworkShape } from "./TrainedPolicy.ts"

export const policySettings = { dqn: dqnDefaults, ppo: ppoDefaults, a2c: a2cDefaults } as const

export interface LearnedPolicy
  extends Pick<Trained<unknown>, "reason" | "parameters" | "steps" | "episodes"> {
  readonly network: NetworkShape
}

export interface LearnOptions {
  readonly environment: VectorEnvironment
  /** Of all rows together. */
  readonly steps: number
  readonly open: Open
  readonly seed: number
}

export async function* learnPolicy(
  algorithm: PolicyAlgorithm,
  options: LearnOptions
): AsyncGenerator<Progress, LearnedPolicy> {
  const { hidden } = policySettings[algorithm]
  switch (algorithm) {
    case "dqn": {
      const settings = policySettings.dqn
      const trained = yield* trainDqn({ ...options, settings })
      return { ...trained, network: { kind: "q-network", hidden, isDueling: settings.isDueling } }
    }
    case "ppo": {
      const trained = yield* trainPpo({ ...options, settings: policySettings.ppo })
      return { ...trained, network: { kind: "policy", hidden, isDueling: false } }
    }
    case "a2c": {
      const trained = yield* trainA2c({ ...options, settings: policySettings.a2c })
      return { ...trained, network: { kind: "policy", hidden, isDueling: false } }
    }
  }
}
