/**
 * Learns one case of reinforcement with several seeds, and judges what came of each by episodes that nothing was learned in.
 * Graphs run in a model host; environments and acting stay in this process, in slices.
 *
 * Of several learners the one is judged that had the best mean return while it learned.
 *
 * What can go wrong: the process that computes (ChildFailed). A training that diverges is judged like any other, by the
 * parameters from before.
 * Invariant: equal cases and seeds give equal figures; only the wall time is of the machine.
 */
import { Effect } from "effect"
import { makeBy, map, type NonEmptyReadonlyArray } from "effect/Array"
import { trainA2c } from "../../../learning/rl/A2c.ts"
import { trainDqn } from "../../../learning/rl/Dqn.ts"
import { episodeReturns } from "../../../learning/rl/episodeReturns.ts"
import { actByPolicy, type PolicySpec } from "../../../learning/rl/Policy.ts"
import { trainPopulation } from "../../../learning/rl/Population.ts"
import { trainPpo } from "../../../learning/rl/Ppo.ts"
import type { Trained } from "../../../learning/rl/Progress.ts"
import { actByValues, type QNetworkSpec } from "../../../learning/rl/QNetwork.ts"
import { trainSharedReplay } from "../../../learning/rl/SharedReplay.ts"
import type { Act } from "../../../learning/rl/VectorEnvironment.ts"
import type { Open } from "../../../learning/training/Trainer.ts"
import { breathe, stepwise } from "../../../runtime/breathe.ts"
import { ChildFailed } from "../../../runtime/errors.ts"
import { monotonicMs } from "../../../runtime/MonotonicClock.ts"
import { openIn, startGraphHost } from "../GraphHost.ts"
import { type RlCase, type RlEnvironment, rlEnvironments } from "./cases.ts"

/** Episodes that a figure is taken of. */
export const judgedEpisodes = 100

/** A run of a graph, or the making of a session, that takes longer is taken to hang. */
const runMsMax = 60_000
const memoryBytesMax = 2 * 2 ** 30

export interface RlRun {
  readonly seed: number
  readonly figure: number
  readonly reason: Trained<unknown>["reason"]
  /** Taken in training, and how long it took, judging excluded. */
  readonly steps: number
  readonly wallMs: number
}

export interface CaseReport {
  readonly runs: ReadonlyArray<RlRun>
  /** Of the figures over the seeds. */
  readonly mean: number
  /** Their standard deviation; 0 of a single one. */
  readonly deviation: number
  readonly least: number
  readonly most: number
  readonly verdict: "reached" | "missed" | "no bar"
}

/** Whatever came of a training, as it acts. */
interface Learned {
  readonly act: Act
  readonly reason: RlRun["reason"]
  /** Of all learners together. */
  readonly steps: number
}

const ofValues = (all: ReadonlyArray<Trained<QNetworkSpec>>): Learned => {
  const { manifest, network, parameters, reason } = bestOf(all)
  return { act: actByValues(network, manifest, parameters), reason, steps: stepsOf(all) }
}

const ofPolicies = (all: ReadonlyArray<Trained<PolicySpec>>): Learned => {
  const { manifest, network, parameters, reason } = bestOf(all)
  return { act: actByPolicy(network, manifest, parameters), reason, steps: stepsOf(all) }
}

const stepsOf = (all: ReadonlyArray<Trained<unknown>>): number =>
  all.reduce((sum, { steps }) => sum + steps, 0)

/** Among equals the first. */
const bestOf = <Network>(all: ReadonlyArray<Trained<Network>>): Trained<Network> => {
  const worth = ({ meanReturn, reason }: Trained<Network>) =>
    reason === "diverged" ? Number.NEGATIVE_INFINITY : (meanReturn ?? Number.NEGATIVE_INFINITY)
  return all.reduce((best, one) => (worth(one) > worth(best) ? one : best))
}

/** What it yields is how far it is, which nobody asks for here. */
async function* learn(
  { algorithm, rows, steps }: RlCase,
  { make }: RlEnvironment,
  { open, seed }: { readonly open: Open; readonly seed: number }
): AsyncGenerator<unknown, Learned> {
  const environmentOf = (learner: number) => make(rows, [seed, "training", learner])
  const environment = environmentOf(0)
  switch (algorithm.kind) {
    case "dqn":
      return ofValues([yield* trainDqn({ ...algorithm, environment, steps, open, seed })])
    case "ppo":
      return ofPolicies([yield* trainPpo({ ...algorithm, environment, steps, open, seed })])
    case "a2c":
      return ofPolicies([yield* trainA2c({ ...algorithm, environment, steps, open, seed })])
    case "shared-replay": {
      const explorers = map(algorithm.explorers, (exploration, i) => ({
        ...exploration,
        environment: environmentOf(i)
      }))
      return ofValues(yield* trainSharedReplay({ ...algorithm, explorers, steps, open, seed }))
    }
    case "population": {
      const environments = makeBy(algorithm.members, environmentOf)
      return ofPolicies(yield* trainPopulation({ ...algorithm, environments, steps, open, seed }))
    }
  }
}

const runToEnd = <A>(running: AsyncGenerator<unknown, A>): Effect.Effect<A, ChildFailed> =>
  Effect.gen(function* () {
    for (;;) {
      const { done, value } = yield* Effect.tryPromise({
        try: () => running.next(),
        catch: (cause) => cause
      }).pipe(
        Effect.catchAll((cause) => (cause instanceof ChildFailed ? Effect.fail(cause) : Effect.die(cause)))
      )
      if (done === true) return value
      yield* breathe
    }
  })

const judgeSeed = (one: RlCase, environment: RlEnvironment, open: Open, seed: number) =>
  Effect.gen(function* () {
    const now = yield* monotonicMs
    const startedAt = now()
    const { act, reason, steps } = yield* runToEnd(learn(one, environment, { open, seed }))
    const wallMs = Math.round(now() - startedAt)
    const unseen = environment.make(judgedEpisodes, [seed, "judging"])
    const returns = yield* stepwise(episodeReturns(unseen, act, environment.episodeStepsMax))
    return { seed, figure: one.figure.of(returns), reason, steps, wallMs }
  })

export const judgeCase = (
  one: RlCase,
  options: {
    readonly seeds: NonEmptyReadonlyArray<number>
    /** The model host's program. */
    readonly script: string
    /** After each seed. */
    readonly tell: (run: RlRun) => Effect.Effect<void>
  }
): Effect.Effect<CaseReport, ChildFailed> =>
  Effect.gen(function* () {
    const environment = rlEnvironments[one.environment]
    if (environment === undefined)
      return yield* Effect.dieMessage(`no environment is called ${one.environment}`)
    const runs = yield* Effect.forEach(options.seeds, (seed) =>
      Effect.gen(function* () {
        // A process for each seed: what one leaves behind is gone with it.
        const host = yield* startGraphHost({ script: options.script, memoryBytesMax, runMsMax })
        return yield* judgeSeed(one, environment, openIn(host), seed)
      }).pipe(Effect.scoped, Effect.tap(options.tell))
    )
    return reportOf(one, runs)
  })

export const reportOf = ({ bar }: Pick<RlCase, "bar">, runs: ReadonlyArray<RlRun>): CaseReport => {
  const figures = runs.map(({ figure }) => figure)
  const mean = figures.reduce((sum, figure) => sum + figure, 0) / figures.length
  const squares = figures.reduce((sum, figure) => sum + (figure - mean) ** 2, 0)
  return {
    runs,
    mean,
    deviation: figures.length > 1 ? Math.sqrt(squares / (figures.length - 1)) : 0,
    least: Math.min(...figures),
    most: Math.max(...figures),
    verdict: bar === null ? "no bar" : mean >= bar ? "reached" : "missed"
  }
}
