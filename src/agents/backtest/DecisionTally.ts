/**
 * What a report says of all decisions of a run, gathered one after the other as they are read; of each is kept only what
 * is asked of it again, a twentieth of the whole.
 */
import { createHash } from "node:crypto"
import type { Decision } from "../../protocols/Decision.ts"
import { canonicalJson } from "../../protocols/wire/Json.ts"
import type { RunCard } from "./RunCard.ts"

/** A decision without what it follows from, but for the weights of the pool. */
export interface KeptDecision
  extends Pick<Decision, "id" | "key" | "action" | "strategy" | "targetExposure"> {
  /** Members of the pool, one list for all decisions that have the same, and the weight of each. */
  readonly members: ReadonlyArray<string>
  readonly weights: ReadonlyArray<number>
}

export interface DecisionCounts {
  readonly decisions: number
  readonly degraded: number
  readonly abstentions: number
}

export interface DecisionTally {
  /** Takes the next decision. */
  readonly keep: (decision: Decision) => KeptDecision
  readonly counts: () => DecisionCounts
  /** SHA-256 of every decision in order, as canonical JSON. Once. */
  readonly digest: () => string
  /** Each model version once, in the order in which they began to answer. */
  readonly models: () => RunCard["models"]
}

export const makeDecisionTally = (): DecisionTally => {
  const hash = createHash("sha256")
  const models = new Map<string, RunCard["models"][number]>()
  const memberLists = new Map<string, ReadonlyArray<string>>()
  const counts = { decisions: 0, degraded: 0, abstentions: 0 }
  return {
    keep: (decision) => {
      const { action, degraded, id, inputs, key, modelVersions, strategy, targetExposure } = decision
      hash.update(`${canonicalJson(decision)}\n`)
      for (const model of modelVersions) {
        const name = `${model.voter} ${model.version}`
        if (!models.has(name)) models.set(name, model)
      }
      counts.decisions++
      if (degraded !== null) counts.degraded++
      for (const { _tag } of inputs.answers) if (_tag === "Abstention") counts.abstentions++
      const names = inputs.weights.map(({ member }) => member)
      const list = names.join(" ")
      const members = memberLists.get(list) ?? names
      memberLists.set(list, members)
      const weights = inputs.weights.map(({ weight }) => weight)
      return { id, key, action, strategy, targetExposure, members, weights }
    },
    counts: () => ({ ...counts }),
    digest: () => hash.digest("hex"),
    models: () => [...models.values()]
  }
}
