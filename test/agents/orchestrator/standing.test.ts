import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import * as Committee from "../../../src/agents/orchestrator/Committee.ts"
import { instrumentStates } from "../../../src/agents/orchestrator/standing.ts"
import { OrchestratorState } from "../../../src/protocols/rpc/OrchestratorRpcs.ts"
import { members } from "./inputs.ts"
import { emptySitting, roundOptions, session } from "./rounds.ts"

describe("the standing of the committee", () => {
  it("is empty before any bar", () => {
    expect(instrumentStates(emptySitting.view, emptySitting.committee, roundOptions)).toEqual({
      asOf: null,
      rounds: 0,
      decisions: 0,
      abstentions: 0,
      degraded: 0,
      instruments: []
    })
  })

  it("knows no loss before the first outcome, and then the mean over all of them", () => {
    const early = session(2, 22)
    const [first] = instrumentStates(early.view, early.committee, roundOptions).instruments
    expect(first).toMatchObject({ outcomes: 0, logLoss: null, baseLogLoss: null, bars: 22 })
    const { committee, view } = session(2, 90)
    const state = instrumentStates(view, committee, roundOptions)
    for (const { baseLogLoss, instrument, logLoss, outcomes } of state.instruments) {
      const standing = Committee.standingOf(committee, instrument, roundOptions)
      expect(outcomes).toBeGreaterThan(50)
      expect(logLoss).toBe(standing.logLoss / outcomes)
      expect(baseLogLoss).toBe(standing.baseLogLoss / outcomes)
    }
  })

  it("names the weight of every member, the price and the latest decision", () => {
    const { committee, rounds, view } = session(2, 90)
    const state = instrumentStates(view, committee, roundOptions)
    expect(Schema.is(OrchestratorState)(state)).toBe(true)
    expect(state).toMatchObject({ rounds: 90, decisions: committee.decisions, asOf: view.asOf })
    for (const { instrument, latest, price, weights } of state.instruments) {
      expect(weights.map(({ member }) => member)).toEqual(members)
      expect(price).toBe(view.instruments.find((known) => known.instrument === instrument)?.close)
      const decision = rounds.at(-1)?.decisions.find(({ key }) => key.instrument === instrument)
      expect(latest).toBe(decision?.id)
    }
  })
})
