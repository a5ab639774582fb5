import { describe, expect, it } from "@effect/vitest"
import { differenceOf, peeksAt } from "../../../src/agents/backtest/recordPeeks.ts"
import type { Decision } from "../../../src/protocols/Decision.ts"
import { asOfAt, barOf, instrumentOf } from "../feedEvents.ts"

const alpha = instrumentOf("ALPHA")
const asOf = asOfAt(3)
const cutAt = asOfAt(9)

const decision = {
  id: "0".repeat(32),
  key: { instrument: alpha.id, asOf },
  action: "buy",
  inputs: {
    question: { instrument: alpha.id, asOf, band: 0.01 },
    answers: [
      { _tag: "Opinion", voter: "deep-learning", expectedReturn: 0.01 },
      { _tag: "Opinion", voter: "reinforcement-learning", expectedReturn: 0.02 }
    ],
    weights: [{ member: "baseline", weight: 1 }],
    account: { equity: 1, exposure: 0, stopped: false }
  }
} as unknown as Decision

const withInputs = (inputs: Partial<Record<keyof Decision["inputs"], unknown>>) =>
  ({ ...decision, inputs: { ...decision.inputs, ...inputs } }) as Decision

describe("the comparison of records", () => {
  it("finds nothing where they are the same", () => {
    expect(differenceOf(decision, structuredClone(decision))).toBeUndefined()
  })

  it("names the voter whose answer differs, before what follows from it", () => {
    const [first, second] = decision.inputs.answers
    const answers = [first, { ...second, expectedReturn: 0.03 }]
    const other = { ...withInputs({ answers, weights: [] }), action: "sell" } as Decision
    expect(differenceOf(decision, other)).toEqual({ agent: "reinforcement-learning", field: "answer" })
    expect(differenceOf(decision, withInputs({ answers: [second] }))).toEqual({
      agent: "deep-learning",
      field: "answer"
    })
  })

  it("names whose the other inputs are", () => {
    expect(differenceOf(decision, withInputs({ question: { band: 0.02 } }))?.agent).toBe("orchestrator")
    expect(differenceOf(decision, withInputs({ account: null }))).toEqual({
      agent: "broker",
      field: "account"
    })
    expect(differenceOf(decision, { ...decision, action: "sell" } as Decision)).toEqual({
      agent: "orchestrator",
      field: "action"
    })
  })

  it("blames the bars where they differ, and a decision that is missing on the orchestrator", () => {
    const bar = barOf(alpha, 3, { open: 100, close: 101 })
    const whole = { bars: [bar], decisions: [decision] }
    const at = { instrument: alpha.id, asOf, cutAt }
    expect(peeksAt(whole, { asOf, ...whole }, cutAt)).toEqual([])
    expect(peeksAt(whole, { asOf, bars: [{ ...bar, close: 100.5 }], decisions: [] }, cutAt)).toEqual([
      { agent: "market-data", field: "bar", ...at }
    ])
    expect(peeksAt(whole, { asOf, bars: [bar], decisions: [] }, cutAt)).toEqual([
      { agent: "orchestrator", field: "decision", ...at }
    ])
  })
})
