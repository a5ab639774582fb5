/** The accounts that a policy learns by, and what their episodes have come to. */
import { Either } from "effect"
import type { EnvironmentRefused } from "../../../market/environment/errors.ts"
import {
  makeTradingEnvironments,
  type TradingEnvironments,
  type TradingOptions
} from "../../../market/environment/TradingEnvironments.ts"
import { toMicro } from "../../../market/execution/Money.ts"
import type { VectorEnvironment } from "../../../protocols/VectorEnvironment.ts"
import type { PolicyData } from "./PolicyData.ts"

/** What every account begins with, in quote units. */
const cash = 1_000_000
/** An account that has lost all but this share is ruined. */
const ruinShare = 0.01

/** What holds of every account of a policy, whether it learns or is judged. */
export const policyAccount = (shorting: boolean) =>
  ({
    actions: { kind: "discrete", shorting },
    reward: { kind: "log-wealth" },
    cash,
    ruinShare
  }) satisfies Partial<TradingOptions>

/** Of how many ended episodes mean and success are told. */
const latestMax = 100
/** Ended episodes that wait to be told; the oldest give way. */
const untoldMax = 256

export interface EpisodeOutcomes {
  /** Mean growth of log wealth of the latest episodes; null before the first. */
  readonly meanReward: () => number | null
  /** Share of them that made a profit, after costs; null before the first. */
  readonly successRate: () => number | null
}

export interface ToldOutcomes extends EpisodeOutcomes {
  /** Growth of those that ended since it was asked last. */
  readonly take: () => ReadonlyArray<number>
}

/** An environment for each learner, and what the episodes of all of them and of each come to. */
export interface WatchedEnvironments {
  readonly environments: ReadonlyArray<VectorEnvironment>
  readonly outcomes: ToldOutcomes
  readonly outcomesOf: ReadonlyArray<EpisodeOutcomes>
}

/** Notes what an account had when its episode ended, as growth of log wealth. */
const makeOutcomes = (): ToldOutcomes & { readonly note: (finalMicro: number) => void } => {
  const latest: Array<number> = []
  let untold: Array<number> = []
  const startMicro = toMicro(cash)
  const share = (of: (growth: number) => number) =>
    latest.length === 0 ? null : latest.reduce((sum, growth) => sum + of(growth), 0) / latest.length
  return {
    note: (finalMicro) => {
      // At ruin the equity can be below nothing: it counts as what is ruin.
      const growth = Math.log(Math.max(finalMicro / startMicro, ruinShare))
      latest.push(growth)
      if (latest.length > latestMax) latest.shift()
      untold.push(growth)
      if (untold.length > untoldMax) untold.shift()
    },
    meanReward: () => share((growth) => growth),
    successRate: () => share((growth) => (growth > 0 ? 1 : 0)),
    take: () => {
      const told = untold
      untold = []
      return told
    }
  }
}

const watched = (trading: TradingEnvironments, note: (finalMicro: number) => void): VectorEnvironment => {
  const { actionSpace, environments, observationSpace, observations, rewards } = trading
  const { finalObservations, reset, terminated, truncated } = trading
  return {
    ...{ actionSpace, environments, observationSpace, observations, rewards },
    ...{ finalObservations, reset, terminated, truncated },
    step: (actions) => {
      trading.step(actions)
      for (let row = 0; row < trading.environments; row++) {
        if (trading.terminated[row] === 1 || trading.truncated[row] === 1) {
          note(trading.finalEquityMicro[row] as number)
        }
      }
    }
  }
}

export const policyEnvironments = (
  { courses, volatility }: Pick<PolicyData, "courses" | "volatility">,
  options: {
    readonly learners: number
    /** Of each learner. */
    readonly rows: number
    readonly episodeBars: number
    readonly shorting: boolean
    readonly key: ReadonlyArray<string | number>
  }
): Either.Either<WatchedEnvironments, EnvironmentRefused> => {
  const { episodeBars, key, learners, rows, shorting } = options
  const outcomes = makeOutcomes()
  const each = Array.from({ length: learners }, makeOutcomes)
  const environmentOf = (learner: number) =>
    makeTradingEnvironments(courses, {
      ...policyAccount(shorting),
      environments: rows,
      // Growth in units of a bar's volatility: networks learn numbers about 1.
      rewardScale: volatility > 0 ? 1 / volatility : 1,
      episodeSteps: episodeBars,
      starts: "random",
      key: learner === 0 ? key : [...key, learner]
    })
  return Either.map(Either.all(each.map((_, learner) => environmentOf(learner))), (made) => ({
    environments: made.map((trading, learner) =>
      watched(trading, (finalMicro) => {
        outcomes.note(finalMicro)
        each[learner]?.note(finalMicro)
      })
    ),
    outcomes,
    outcomesOf: each
  }))
}
