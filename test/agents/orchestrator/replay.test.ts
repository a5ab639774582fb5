import { describe, expect, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import fc from "fast-check"
import type { Voter } from "../../../src/agents/orchestrator/askVoters.ts"
import { replay } from "../../../src/agents/orchestrator/replay.ts"
import type { Decision } from "../../../src/protocols/Decision.ts"
import type { Answer, ModelChoice, Question } from "../../../src/protocols/Opinion.ts"
import { AgentUnreachable, type CallError } from "../../../src/protocols/wire/errors.ts"
import { abstention, digest, opinion } from "./inputs.ts"
import { session } from "./rounds.ts"

const recorded = session(21, 60).rounds.flatMap(({ decisions }) => decisions)
const decision = recorded.find(({ inputs }) =>
  inputs.answers.every(({ _tag }) => _tag === "Opinion")
) as Decision

const shallow = (record: Decision) => Effect.runSync(replay(record, Option.none()))

const changed = (changes: Partial<Decision>) => shallow({ ...decision, ...changes }).differences
const changedInputs = (changes: Partial<Decision["inputs"]>) =>
  changed({ inputs: { ...decision.inputs, ...changes } })

type Opine = (request: {
  readonly questions: ReadonlyArray<Question>
  readonly model: ModelChoice
}) => Effect.Effect<ReadonlyArray<Answer>, CallError>

const voterThat = (name: string, Opine: Opine): Voter => ({
  name,
  client: { Opine } as unknown as Voter["client"]
})

describe("replaying a decision", () => {
  it("recomputes every record to itself, after it has been through the journal as well", () => {
    expect(recorded.length).toBeGreaterThan(50)
    for (const record of recorded) {
      expect(shallow(record).differences).toEqual([])
      expect(shallow(JSON.parse(JSON.stringify(record)) as Decision).differences).toEqual([])
    }
  })

  it("names the field of a record that was tampered with, whichever it is", () => {
    expect(changed({ action: "buy" })).toEqual(["action"])
    expect(changed({ strategy: "directional" })).toEqual(["strategy"])
    expect(changed({ targetExposure: 0.1 })).toEqual(["targetExposure"])
    expect(changed({ confidence: decision.confidence + 1e-12 })).toEqual(["confidence"])
    expect(changed({ degraded: "somebody was missing" })).toEqual(["degraded"])
    const [first, ...verdicts] = decision.verdicts
    const turned = { ...(first as NonNullable<typeof first>), passed: !first?.passed }
    expect(changed({ verdicts: [turned, ...verdicts] })).toEqual(["verdicts"])
    expect(changed({ id: digest("e").slice(0, 32) })).toEqual(["id"])
    expect(changed({ modelVersions: [] })).toEqual(["modelVersions"])
  })

  it("notices a key that is not the question's, even where the id fits it", () => {
    const key = { ...decision.key, asOf: decision.key.asOf + 1 }
    expect(changed({ key })).toEqual(["id", "key"])
  })

  it("notices inputs that the outcome does not follow from", () => {
    const weights = decision.inputs.weights.map(({ member }, i) => ({ member, weight: i === 0 ? 1 : 0 }))
    expect(changedInputs({ weights })).toContain("pooled")
    expect(changedInputs({ calibration: [1, 0, 0, 0, 0, 0] })).toContain("calibrated")
    expect(changedInputs({ warmUp: !decision.inputs.warmUp })).toContain("verdicts")
    expect(changedInputs({ ageMs: 86_400_000 })).toContain("verdicts")
    expect(changedInputs({ evidence: { logOdds: 7, outcomes: 1 } })).toContain("verdicts")
    expect(changedInputs({ answers: decision.inputs.answers.slice(1) })).toContain("modelVersions")
  })

  it("notices a probability of an opinion that was moved, however little", () => {
    fc.assert(
      fc.property(fc.nat(1), fc.double({ min: 1e-6, max: 0.05, noNaN: true }), (which, step) => {
        const answers = decision.inputs.answers.map((answer, i) =>
          i === which && answer._tag === "Opinion"
            ? {
                ...answer,
                probabilities: {
                  ...answer.probabilities,
                  sell: answer.probabilities.sell * (1 - step),
                  buy: answer.probabilities.buy + answer.probabilities.sell * step
                }
              }
            : answer
        )
        expect(changedInputs({ answers })).toContain("pooled")
      })
    )
  })
})

describe("replaying a decision deeply", () => {
  const deep = (voters: ReadonlyArray<Voter>, record = decision) =>
    Effect.map(replay(record, Option.some(voters)), (replayed) => replayed.deep ?? [])
  const first = decision.inputs.answers[0] as Answer & { readonly _tag: "Opinion" }

  it.effect("asks the voter for the version that answered then, and says by how much it differs", () =>
    Effect.gen(function* () {
      const asked: Array<ModelChoice> = []
      const moved = {
        ...first.probabilities,
        hold: first.probabilities.hold - 0.125,
        buy: first.probabilities.buy + 0.125
      }
      const voter = voterThat(first.voter, ({ model, questions }) => {
        asked.push(model)
        expect(questions).toEqual([decision.inputs.question])
        return Effect.succeed([{ ...first, probabilities: moved }])
      })
      const [answer] = yield* deep([voter])
      expect(asked).toEqual([first.modelVersion])
      expect(answer?.probabilityDifferenceMax).toBeCloseTo(0.125, 12)
    })
  )

  it.effect("finds no difference where the version answers as it did", () =>
    Effect.gen(function* () {
      const voter = voterThat(first.voter, () => Effect.succeed([first]))
      const [answer] = yield* deep([voter])
      expect(answer?.probabilityDifferenceMax).toBe(0)
    })
  )

  it.effect("takes a voter that does not answer for an abstention of now, with the reason", () =>
    Effect.gen(function* () {
      const gone = new AgentUnreachable({ agent: first.voter, call: "Opine" })
      const [answer] = yield* deep([voterThat(first.voter, () => Effect.fail(gone))])
      expect(answer?.now).toMatchObject({ _tag: "Abstention", reason: gone.message })
      expect(answer?.probabilityDifferenceMax).toBeNull()
      const [silent] = yield* deep([voterThat(first.voter, () => Effect.succeed([]))])
      expect(silent?.now).toMatchObject({ _tag: "Abstention", reason: "no answer came" })
    })
  )

  it.effect("does not ask where there is no version or no voter to ask", () =>
    Effect.gen(function* () {
      const refuse = voterThat(first.voter, () => Effect.die("asked"))
      const answers = [
        abstention(first.voter),
        opinion(first.voter, { modelVersion: null, standIn: "baseline" }),
        opinion("somebody-gone")
      ]
      const record = { ...decision, inputs: { ...decision.inputs, answers } }
      const replayed = yield* deep([refuse], record)
      expect(replayed.map(({ now }) => now)).toEqual(answers)
      expect(replayed.every(({ probabilityDifferenceMax }) => probabilityDifferenceMax === null)).toBe(true)
    })
  )
})
