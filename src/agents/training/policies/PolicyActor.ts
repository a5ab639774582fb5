/**
 * How a trained policy acts at a row of observations: scaled features, then what its account holds. Always the best action, never
 * one at random.
 */

import type { Act } from "../../../learning/rl/acting.ts"
import { actByPolicy, policyManifest } from "../../../learning/rl/Policy.ts"
import { actByValues, qManifest } from "../../../learning/rl/QNetwork.ts"
import { scoreOf, type TrainedPolicy } from "./TrainedPolicy.ts"

export const actOf = (trained: TrainedPolicy): Act => {
  const { learned, parameters } = scoreOf(trained)
  return learned.kind === "q-network"
    ? actByValues(learned.network, qManifest(learned.network), parameters)
    : actByPolicy(learned.network, policyManifest(learned.network), parameters)
}
