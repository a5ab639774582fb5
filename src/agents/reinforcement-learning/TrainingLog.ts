/** How the last training of each algorithm in each time frame has gone: bounded, in memory, of this life alone. */
import {
  episodeRewardsMax,
  type PolicyAlgorithm,
  type PolicyMetrics,
  type PolicyTrainingEvent
} from "../../protocols/Strategy.ts"
import type { TimeFrame } from "../../protocols/TimeFrame.ts"
import { truncateReason } from "../../protocols/wire/Ids.ts"

export interface TrainingLog {
  readonly begin: (algorithm: PolicyAlgorithm, timeFrame: TimeFrame, asOf: number) => void
  /** Of the one that has begun last. */
  readonly note: (event: PolicyTrainingEvent) => void
  readonly end: (state: Exclude<PolicyMetrics["state"], "training">, reason: string) => void
  readonly all: () => ReadonlyArray<PolicyMetrics>
}

export const makeTrainingLog = (): TrainingLog => {
  const logged = new Map<string, PolicyMetrics>()
  let current = ""
  const change = (by: (metrics: PolicyMetrics) => PolicyMetrics) => {
    const metrics = logged.get(current)
    if (metrics !== undefined) logged.set(current, by(metrics))
  }
  return {
    begin: (algorithm, timeFrame, asOf) => {
      current = `${algorithm}/${timeFrame}`
      logged.set(current, {
        ...{ algorithm, timeFrame, asOf, state: "training", reason: "" },
        ...{ steps: 0, episodes: 0, updates: 0 },
        ...{ meanReward: null, successRate: null, exploration: null, episodeRewards: [] }
      })
    },
    note: (event) => {
      if (event._tag !== "Progress") return
      const { episodes, exploration, meanReward, steps, successRate, updates } = event
      change((metrics) => ({
        ...metrics,
        ...{ episodes, exploration, meanReward, steps, successRate, updates },
        episodeRewards: [...metrics.episodeRewards, ...event.episodeRewards].slice(-episodeRewardsMax)
      }))
    },
    end: (state, reason) => change((metrics) => ({ ...metrics, state, reason: truncateReason(reason) })),
    all: () => [...logged.values()]
  }
}
