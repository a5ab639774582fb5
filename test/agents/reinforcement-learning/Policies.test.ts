import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import {
  beforeChampion,
  champion,
  evolvePolicies,
  noPolicies,
  policyAlias,
  policyDeployment,
  servingAlias,
  standingsOf
} from "../../../src/agents/reinforcement-learning/Policies.ts"
import { makePolicyVoting } from "../../../src/agents/reinforcement-learning/PolicyVoting.ts"
import type { TrainedPolicy } from "../../../src/agents/training/policies/TrainedPolicy.ts"
import type { Answering } from "../../../src/agents/voter/Addition.ts"
import { Alias, type ModelManifest } from "../../../src/protocols/Model.ts"
import type { Answer, ModelChoice, Question } from "../../../src/protocols/Opinion.ts"
import { ChildFailed } from "../../../src/runtime/errors.ts"
import * as Progress from "../../../src/runtime/Progress.ts"
import { asOfAt, instrumentOf, timeFrame } from "../feedEvents.ts"
import { activated, manifestOf, published } from "../model-manager/manifests.ts"

const voter = "reinforcement-learning"
const policy = (name: string, changes: Partial<ModelManifest> = {}) =>
  manifestOf(name, { kind: "policy-ppo", voter, timeFrame, fittedAsOf: asOfAt(1), ...changes })
const first = policy("first")
const second = policy("second", { parent: first.digest, fittedAsOf: asOfAt(2) })
const calibrated = policy("calibrated", {
  parent: second.digest,
  fittedAsOf: asOfAt(3),
  metrics: [{ name: "learned-to", value: second.fittedAsOf }]
})
const table = manifestOf("table", { kind: "q-table", voter, timeFrame })
const own = policyAlias("ppo", timeFrame)
const serving = servingAlias(timeFrame)

const deployed = (alias: string, version: string, previous: string | null = null) =>
  activated(version, { alias: Alias.make(alias), previous, since: asOfAt(2), reason: "it was better" })
const policiesOf = (
  manifests: ReadonlyArray<ModelManifest>,
  deployments: ReadonlyArray<readonly [alias: string, version: string, previous?: string]>
) => {
  const policies = noPolicies()
  for (const manifest of manifests) evolvePolicies(policies, published(manifest))
  for (const [alias, version, previous] of deployments) {
    evolvePolicies(policies, deployed(alias, version, previous ?? null))
  }
  return policies
}

describe("the policies", () => {
  it("are those of this agent, under the names of their algorithms", () => {
    const others = manifestOf("network", { kind: "network-lstm", timeFrame })
    const policies = policiesOf(
      [first, table, others],
      [
        [own, first.digest],
        ["deep-learning/serving/1h", others.digest]
      ]
    )
    expect([...policies.manifests.keys()]).toEqual([first.digest])
    expect([...policies.deployments.keys()]).toEqual([own])
    expect(policyDeployment(policies, "ppo", timeFrame)?.version).toBe(first.digest)
    expect(policyDeployment(policies, "dqn", timeFrame)).toBeUndefined()
    expect(champion(policies, timeFrame)).toBeUndefined()
    expect(standingsOf(policies)).toMatchObject([{ algorithm: "ppo", isServing: false }])
  })

  it("vote where one is named, and no longer where the table is named again", () => {
    const named = policiesOf(
      [first, second, table],
      [
        [own, second.digest],
        [serving, table.digest],
        [serving, second.digest, table.digest]
      ]
    )
    expect(champion(named, timeFrame)?.manifest.digest).toBe(second.digest)
    expect(beforeChampion(named, timeFrame)).toBe(first.digest)
    expect(standingsOf(named)).toMatchObject([{ isServing: true }])
    evolvePolicies(named, deployed(serving, table.digest, second.digest))
    expect(champion(named, timeFrame)).toBeUndefined()
    expect(beforeChampion(named, timeFrame)).toBeNull()
  })

  it("vote by their latest calibration, and not by one that was trained later", () => {
    const deployments = [
      [serving, second.digest],
      [own, calibrated.digest]
    ] as const
    const policies = policiesOf([first, second, calibrated], deployments)
    expect(champion(policies, timeFrame)?.manifest.digest).toBe(calibrated.digest)
    const later = policy("later", { fittedAsOf: asOfAt(9) })
    evolvePolicies(policies, published(later))
    evolvePolicies(policies, deployed(own, later.digest))
    expect(champion(policies, timeFrame)?.manifest.digest).toBe(second.digest)
  })
})

const question: Question = {
  instrument: instrumentOf("ALPHA").id,
  ...{ timeFrame, asOf: asOfAt(5), horizonBars: 4 },
  ...{ band: 0.01, roundTripCost: 0.001, sigma: 0.01 }
}
const opinion = (version: string, instrument = question.instrument): Answer => ({
  _tag: "Opinion",
  ...{ voter, instrument },
  probabilities: { sell: 0.2, hold: 0.5, buy: 0.3 },
  ...{ expectedReturn: 0, spread: 1, reason: "said", modelVersion: version, standIn: "none" as const }
})

/** Of the instruments that versions have learned of; where nothing is said, of the one of the question. */
type Learned = Readonly<Record<string, ReadonlyArray<Question["instrument"]>>>

/** Answers as their versions; those that are broken cannot be run. */
const votingOf = (
  policies: ReturnType<typeof noPolicies>,
  { broken = [], learned = {} }: { readonly broken?: ReadonlyArray<string>; readonly learned?: Learned } = {}
) => {
  const orBroken = <A>(version: string, made: () => A) =>
    broken.includes(version)
      ? Effect.fail(new ChildFailed({ child: "model-host", reason: "it ended" }))
      : Effect.sync(made)
  const tableAnswers: Answering = (questions, model) =>
    Effect.succeed(
      questions.map((one) => opinion(model === "active" ? table.digest : `table ${model}`, one.instrument))
    )
  const voting = makePolicyVoting({
    policies,
    answering: {
      answer: (version, questions) =>
        orBroken(version, () => questions.map(({ instrument }) => opinion(version, instrument))),
      describe: (version) =>
        orBroken(version, () => {
          const instruments = learned[version] ?? [question.instrument]
          return { instruments, timeFrame, horizonBars: question.horizonBars } as unknown as TrainedPolicy
        })
    },
    table: tableAnswers,
    known: Progress.make(asOfAt(5))
  })
  return {
    of: (model: ModelChoice) => Effect.map(voting([question], model), ([said]) => saidBy(said)),
    ofAll: (instruments: ReadonlyArray<Question["instrument"]>, model: ModelChoice) =>
      Effect.map(
        voting(
          instruments.map((instrument) => ({ ...question, instrument })),
          model
        ),
        (answers) =>
          answers.map((answer, i) => {
            expect(answer.instrument).toBe(instruments[i])
            return saidBy(answer)
          })
      )
  }
}
const saidBy = (said: Answer | undefined) =>
  said?._tag === "Opinion" ? [said.modelVersion, said.standIn] : ["nothing"]

describe("who votes", () => {
  const named = policiesOf(
    [first, second],
    [
      [own, second.digest],
      [serving, second.digest]
    ]
  )
  it.effect("is the table until a policy is named, then the policy", () =>
    Effect.gen(function* () {
      const none = policiesOf([first], [[own, first.digest]])
      expect(yield* votingOf(none).of("active")).toEqual([table.digest, "none"])
      expect(yield* votingOf(none).of("previous")).toEqual(["table previous", "none"])
      expect(yield* votingOf(none).of(first.digest)).toEqual([first.digest, "none"])
      expect(yield* votingOf(named).of("active")).toEqual([second.digest, "none"])
      expect(yield* votingOf(named).of("previous")).toEqual([first.digest, "none"])
      expect(yield* votingOf(named).of(table.digest)).toEqual([`table ${table.digest}`, "none"])
    })
  )

  it.effect("is replaced by the version before it, then by the table, and the answer says so", () =>
    Effect.gen(function* () {
      expect(yield* votingOf(named, { broken: [second.digest] }).of("active")).toEqual([
        first.digest,
        "previous"
      ])
      const all = [first.digest, second.digest]
      expect(yield* votingOf(named, { broken: all }).of("active")).toEqual([table.digest, "baseline"])
    })
  )

  it.effect("is the policy on what it has learned of, and the table on everything else", () =>
    Effect.gen(function* () {
      const beta = instrumentOf("BETA").id
      const gamma = instrumentOf("GAMMA").id
      const asked = [gamma, question.instrument, beta, question.instrument]
      const learned = { [first.digest]: [question.instrument], [second.digest]: [question.instrument, beta] }
      const ofPolicy = [second.digest, "none"]
      const ofTable = [table.digest, "none"]
      const { ofAll } = votingOf(named, { learned })
      expect(yield* ofAll(asked, "active")).toEqual([ofTable, ofPolicy, ofPolicy, ofPolicy])
      expect(yield* ofAll([gamma], "active")).toEqual([ofTable])
      // The one before has not learned of BETA: the table is what there was.
      expect(yield* ofAll(asked, "previous")).toEqual([
        ["table previous", "none"],
        [first.digest, "none"],
        ofTable,
        [first.digest, "none"]
      ])
      const broken = votingOf(named, { learned, broken: [second.digest] })
      // What cannot be read says nothing of what it has learned of.
      expect(yield* broken.ofAll(asked, "active")).toEqual([
        [table.digest, "baseline"],
        [first.digest, "previous"],
        [table.digest, "baseline"],
        [first.digest, "previous"]
      ])
    })
  )
})
