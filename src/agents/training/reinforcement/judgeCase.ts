/**
 * Learns one case of reinforcement with several seeds, and judges what came of each by episodes that nothing was learned in.
 * Graphs run in a model host; environments and acting stay in this process, in slices.
 *
 * Of several learners the one is judged that had the best mean return while it learned.
 *
 * What can go wrong: the process that computes (ChildFailed), too few steps for an update (NothingLearned). A training that
 * diverges is judged like any other, by the parameters from before.
 * Invariant: equal cases and seeds give equal figures; only the wall time is of the machine.
 */
import { Effect } from "effect"
import { map, type NonEmptyArray, type NonEmptyReadonlyArray } from "effect/Array"
import { wideningFor } from "../../../learning/evaluation/BlockBootstrap.ts"
import { normalQuantile } from "../../../learning/evaluation/NormalDistribution.ts"
import { trainA2c } from "../../../learning/rl/A2c.ts"
import type { Act } from "../../../learning/rl/acting.ts"
import { actByTable, binnedEnvironment } from "../../../learning/rl/binned.ts"
import { trainDqn } from "../../../learning/rl/Dqn.ts"
import { actByPolicy, type PolicySpec } from "../../../learning/rl/Policy.ts"
import { trainPopulation } from "../../../learning/rl/Population.ts"
import { trainPpo } from "../../../learning/rl/Ppo.ts"
import { bestOf, type Trained } from "../../../learning/rl/Progress.ts"
import * as QLearning from "../../../learning/rl/QLearning.ts"
import { actByValues, type QNetworkSpec } from "../../../learning/rl/QNetwork.ts"
import { trainSharedReplay } from "../../../learning/rl/SharedReplay.ts"
import type { Steps } from "../../../learning/steps.ts"
import type { Open } from "../../../learning/training/Trainer.ts"
import type { VectorEnvironment } from "../../../protocols/VectorEnvironment.ts"
import { breathe, stepwise } from "../../../runtime/breathe.ts"
import { ChildFailed } from "../../../runtime/errors.ts"
import { monotonicMs } from "../../../runtime/MonotonicClock.ts"
import { NothingLearned } from "../errors.ts"
import { openIn, startGraphHost } from "../GraphHost.ts"
import { rlEnvironments } from "./cases.ts"
import type { Algorithm, Bar, RlCase } from "./RlCase.ts"
import type { Figures, RlEnvironment } from "./RlEnvironment.ts"

/** Episodes that figures are taken of. */
export const judgedEpisodes = 100

/** Fewer seeds tell nothing of chance. */
export const intervalSeedsMin = 5
const confidence = 0.95

/** A run of a graph, or the making of a session, that takes longer is taken to hang. */
const runMsMax = 60_000
const memoryBytesMax = 2 * 2 ** 30

export interface RlRun {
  readonly seed: number
  readonly figures: Figures
  readonly reason: Trained<unknown>["reason"]
  /** Taken in training, and how long it took with the making of the environment, judging excluded. */
  readonly steps: number
  readonly wallMs: number
}

/** What a figure comes to over the seeds. */
export interface FigureReport {
  readonly figure: string
  readonly mean: number
  /** Standard deviation; 0 of a single one. */
  readonly deviation: number
  /** Where the mean lies with 95% confidence, by Student's t; null of fewer seeds than `intervalSeedsMin`. */
  readonly interval: { readonly low: number; readonly high: number } | null
  readonly least: number
  readonly most: number
  readonly bar: Bar | null
  readonly verdict: "reached" | "missed" | "no bar" | "too few seeds"
}

export interface CaseReport {
  readonly runs: ReadonlyArray<RlRun>
  readonly figures: ReadonlyArray<FigureReport>
}

/** Whatever came of a training, as it acts. */
interface Learned {
  readonly act: Act
  readonly reason: RlRun["reason"]
  /** Of the one that acts; a rule needs none. */
  readonly updates: number | null
  /** Of all learners together. */
  readonly steps: number
  /** What is known of it without judging. */
  readonly exact: Figures
}

const ofValues = (all: ReadonlyArray<Trained<QNetworkSpec>>): Learned => {
  const { manifest, network, parameters, reason, updates } = bestOf(all)
  return { act: actByValues(network, manifest, parameters), reason, updates, steps: stepsOf(all), exact: {} }
}

const ofPolicies = (all: ReadonlyArray<Trained<PolicySpec>>): Learned => {
  const { manifest, network, parameters, reason, updates } = bestOf(all)
  return { act: actByPolicy(network, manifest, parameters), reason, updates, steps: stepsOf(all), exact: {} }
}

const stepsOf = (all: ReadonlyArray<Trained<unknown>>): number =>
  all.reduce((sum, { steps }) => sum + steps, 0)

/** How many learn, each in an environment of its own. */
const learnersOf = ({ algorithm }: RlCase): number => {
  if (algorithm.kind === "shared-replay") return algorithm.explorers.length
  return algorithm.kind === "population" ? algorithm.members : 1
}

/** Of the table, between two chances for others to run: about a millisecond. */
const tableSliceSteps = 500

function* learnTable(
  { settings, thresholds }: Extract<Algorithm, { readonly kind: "q-learning" }>,
  environment: VectorEnvironment,
  steps: number,
  seed: number
): Steps<Learned> {
  const binned = binnedEnvironment(environment, thresholds)
  const { actions, states } = binned
  const episodes = Number.MAX_SAFE_INTEGER
  const table = QLearning.make(binned, { ...settings, states, actions, episodes, key: [seed] })
  let taken = 0
  while (taken < steps) {
    taken = table.run(Math.min(tableSliceSteps, steps - taken)).steps
    yield
  }
  return { act: actByTable(thresholds, table.q), reason: "steps", updates: taken, steps: taken, exact: {} }
}

/** What it yields is how far it is, which nobody asks for here. */
async function* learn(
  one: RlCase,
  { make }: RlEnvironment,
  { open, seed }: { readonly open: Open; readonly seed: number }
): AsyncGenerator<unknown, Learned> {
  const { algorithm, rows, steps } = one
  if (algorithm.kind === "rule") return { ...algorithm.known(), reason: "steps", updates: null, steps: 0 }
  const environment = yield* make(rows, steps, [seed, "training", 0])
  const environments: NonEmptyArray<VectorEnvironment> = [environment]
  for (let learner = 1; learner < learnersOf(one); learner++) {
    environments.push(yield* make(rows, steps, [seed, "training", learner]))
  }
  switch (algorithm.kind) {
    case "q-learning":
      return yield* learnTable(algorithm, environment, steps, seed)
    case "dqn":
      return ofValues([yield* trainDqn({ ...algorithm, environment, steps, open, seed })])
    case "ppo":
      return ofPolicies([yield* trainPpo({ ...algorithm, environment, steps, open, seed })])
    case "a2c":
      return ofPolicies([yield* trainA2c({ ...algorithm, environment, steps, open, seed })])
    case "shared-replay": {
      const explorers = map(algorithm.explorers, (exploration, i) => ({
        ...exploration,
        environment: environments[i] as VectorEnvironment
      }))
      return ofValues(yield* trainSharedReplay({ ...algorithm, explorers, steps, open, seed }))
    }
    case "population":
      return ofPolicies(yield* trainPopulation({ ...algorithm, environments, steps, open, seed }))
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

interface JudgeOptions {
  readonly seeds: NonEmptyReadonlyArray<number>
  readonly episodes: number
  /** The model host's program. */
  readonly script: string
  /** After each seed. */
  readonly tell: (run: RlRun) => Effect.Effect<void>
}

const judgeSeed = (
  one: RlCase,
  environment: RlEnvironment,
  { episodes, open, seed }: { readonly episodes: number; readonly open: Open; readonly seed: number }
) =>
  Effect.gen(function* () {
    const now = yield* monotonicMs
    const startedAt = now()
    const { act, exact, reason, steps, updates } = yield* runToEnd(learn(one, environment, { open, seed }))
    if (updates === 0) {
      const why = `${steps} steps of ${one.name} were too few for an update`
      return yield* new NothingLearned({ network: one.algorithm.kind, reason: why })
    }
    const wallMs = Math.round(now() - startedAt)
    const judged = yield* stepwise(environment.judge(act, episodes, [seed, "judging"]))
    return { seed, figures: { ...judged, ...exact }, reason, steps, wallMs }
  })

export const judgeCase = (
  one: RlCase,
  { episodes, script, seeds, tell }: JudgeOptions
): Effect.Effect<CaseReport, ChildFailed | NothingLearned> =>
  Effect.gen(function* () {
    const environment = rlEnvironments[one.environment]
    if (environment === undefined)
      return yield* Effect.dieMessage(`no environment is called ${one.environment}`)
    const runs = yield* Effect.forEach(seeds, (seed) =>
      Effect.gen(function* () {
        // A process for each seed: what one leaves behind is gone with it.
        const host = yield* startGraphHost({ script, memoryBytesMax, runMsMax })
        return yield* judgeSeed(one, environment, { episodes, open: openIn(host), seed })
      }).pipe(Effect.scoped, Effect.tap(tell))
    )
    return reportOf(one, runs)
  })

/** Over the seeds, figure by figure. */
export const reportOf = ({ bars }: Pick<RlCase, "bars">, runs: NonEmptyReadonlyArray<RlRun>): CaseReport => ({
  runs,
  figures: Object.keys(runs[0].figures).map((figure) => {
    const values = runs.map(({ figures }) => figures[figure] as number)
    return figureReport(figure, values, bars[figure] ?? null)
  })
})

const figureReport = (figure: string, values: ReadonlyArray<number>, bar: Bar | null): FigureReport => {
  const count = values.length
  const mean = values.reduce((sum, value) => sum + value, 0) / count
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  const interval = count < intervalSeedsMin ? null : around(mean, Math.sqrt(squares) / count, count)
  return {
    figure,
    mean,
    deviation: count > 1 ? Math.sqrt(squares / (count - 1)) : 0,
    interval,
    least: Math.min(...values),
    most: Math.max(...values),
    bar,
    verdict: verdictOf(bar, mean, interval)
  }
}

const around = (mean: number, error: number, count: number): FigureReport["interval"] => {
  const tail = (1 - confidence) / 2
  const half = normalQuantile(1 - tail) * wideningFor(tail, count) * error
  return { low: mean - half, high: mean + half }
}

const verdictOf = (
  bar: Bar | null,
  mean: number,
  interval: FigureReport["interval"]
): FigureReport["verdict"] => {
  const said = (isReached: boolean) => (isReached ? "reached" : "missed")
  switch (bar?.kind) {
    case undefined:
      return "no bar"
    case "at least":
      return said(mean >= bar.value)
    case "at most":
      return said(mean <= bar.value)
    case "not surely above":
      return interval === null ? "too few seeds" : said(interval.low <= bar.value)
  }
}
