import { describe, expect, it } from "@effect/vitest"
import { makeTrainingLog } from "../../../src/agents/reinforcement-learning/TrainingLog.ts"
import { episodeRewardsMax, type PolicyProgress } from "../../../src/protocols/Strategy.ts"
import { timeFrame } from "../feedEvents.ts"

const progress = (changes: Partial<PolicyProgress> = {}): PolicyProgress => ({
  _tag: "Progress",
  ...{ steps: 100, stepsMax: 1_000, episodes: 3, updates: 7, loss: 0.1 },
  ...{ meanReward: -0.01, successRate: 0.25, exploration: 0.9, updatesPerSecond: 10, secondsLeft: 9 },
  episodeRewards: [0.01, -0.02],
  ...changes
})

describe("the log of trainings", () => {
  it("knows of each algorithm and time frame the last one", () => {
    const log = makeTrainingLog()
    expect(log.all()).toEqual([])
    log.begin("dqn", timeFrame, 1)
    expect(log.all()).toMatchObject([{ algorithm: "dqn", timeFrame, asOf: 1, state: "training", steps: 0 }])
    log.note(progress())
    log.note(progress({ steps: 200, episodeRewards: [0.03] }))
    log.end("failed", "it ended with SIGKILL")
    log.begin("ppo", timeFrame, 2)
    expect(log.all()).toMatchObject([
      {
        state: "failed",
        reason: "it ended with SIGKILL",
        steps: 200,
        successRate: 0.25,
        exploration: 0.9,
        episodeRewards: [0.01, -0.02, 0.03]
      },
      { algorithm: "ppo", state: "training", episodeRewards: [] }
    ])
    log.begin("dqn", timeFrame, 3)
    expect(log.all()).toMatchObject([{ algorithm: "dqn", asOf: 3, steps: 0, episodeRewards: [] }, {}])
  })

  it("keeps the latest rewards, and no more than it may", () => {
    const log = makeTrainingLog()
    log.begin("a2c", timeFrame, 1)
    for (let i = 0; i < 5; i++) {
      log.note(progress({ episodeRewards: Array.from({ length: 250 }, (_, k) => 250 * i + k) }))
    }
    const [rewards] = log.all().map(({ episodeRewards }) => episodeRewards)
    expect(rewards).toHaveLength(episodeRewardsMax)
    expect(rewards?.at(-1)).toBe(1_249)
    expect(rewards?.[0]).toBe(250)
  })
})
