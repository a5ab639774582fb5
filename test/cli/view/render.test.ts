import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import type { ViewModel } from "../../../src/cli/view/Model.ts"
import { render, type Size } from "../../../src/cli/view/render.ts"
import type { InstrumentId } from "../../../src/protocols/Instrument.ts"
import { RunId } from "../../../src/protocols/wire/Ids.ts"
import { abstention, opinion } from "../../agents/orchestrator/inputs.ts"
import { snapshot } from "../../agents/orchestrator/rounds.ts"
import { modelOf, nodeOf } from "./Model.ts"

const small: Size = { columns: 80, rows: 24 }
const large: Size = { columns: 120, rows: 40 }
const wide: Size = { columns: 200, rows: 50 }

const textOf = (model: ViewModel, size: Size) => render(model, size).join("\n")
/** With the line breaks inside an enumeration undone. */
const flowing = (model: ViewModel, size: Size) => textOf(model, size).replace(/,\n {2}/g, ", ")

const expectFits = (lines: ReadonlyArray<string>, { columns, rows }: Size) => {
  expect(lines.length).toBeLessThanOrEqual(rows)
  for (const line of lines) {
    expect(line.length).toBeLessThanOrEqual(columns)
    expect(line).not.toContain("\n")
  }
}

const four = modelOf(4)
const starting: ViewModel = {
  ...four,
  feed: undefined,
  standing: undefined,
  account: undefined,
  nodes: [],
  decisions: new Map()
}

/** Every instrument under a name as long as a name may be. */
const longNames = (model: ViewModel): ViewModel => {
  const renamed = (id: string) =>
    `verylongvenuename:${id.split(":")[1]}${"X".repeat(40)}:spot` as InstrumentId
  const { standing } = model
  return {
    ...model,
    run: RunId.make("r".repeat(120)),
    standing: standing && {
      ...standing,
      instruments: standing.instruments.map((state) => ({ ...state, instrument: renamed(state.instrument) }))
    },
    decisions: new Map([...model.decisions].map(([id, decision]) => [renamed(id), decision])),
    nodes: [nodeOf("n".repeat(120))]
  }
}

describe("the live view", () => {
  for (const [name, size] of [
    ["80x24", small],
    ["120x40", large],
    ["200x50", wide]
  ] as const) {
    it(`shows everything in a terminal of ${name}, in full`, () => {
      const restarted = nodeOf("node", { broker: { state: "backing-off", restarts: 2 } })
      const model = { ...four, nodes: [restarted] }
      expectFits(render(model, size), size)
      const text = flowing(model, size)
      expect(text).not.toContain("…")
      for (const state of four.standing?.instruments ?? []) {
        expect(text).toContain(state.instrument.split(":")[1])
        expect(text).toContain(state.price.toFixed(2))
        expect(text).toContain(state.weights.map(({ weight }) => String(Math.round(weight * 100))).join("/"))
        const decision = four.decisions.get(state.instrument)
        for (const answer of decision?.inputs.answers ?? []) {
          expect(text).toContain(
            answer._tag === "Abstention" ? "abstains" : `${(answer.expectedReturn * 1e4).toFixed(0)}bp`
          )
        }
        expect(text).toContain(`${decision?.action} `)
        expect(text).toContain(decision?.strategy)
      }
      for (const part of [
        "within this process",
        "run test",
        "trading: bar 70 of 1000",
        "weights DL/RL/base",
        "exposure",
        "-12.5%",
        "-1,234.56",
        "equity 98,765.43 (-1.23%, buy and hold +1.00%)",
        "fees 345.60",
        "open orders 1",
        "market-data running",
        "broker backing-off (2 restarts)"
      ]) {
        expect(text).toContain(part)
      }
    })
  }

  it("puts the figures of one instrument into one row where there is room, and under each other where not", () => {
    const rows = (size: Size) => render(four, size).filter((line) => line.startsWith("ALPHA"))
    expect(rows(wide).length).toBe(1)
    expect(rows(small).length).toBe(2)
  })

  it("fits into any terminal with any number of instruments and nodes, long names among them", () => {
    const models = [1, 4, 30].flatMap((count) => {
      const model = modelOf(count)
      const many = Array.from({ length: 12 }, (_, i) => nodeOf(`node-${i}`))
      return [model, longNames(model), { ...model, nodes: many }, { ...longNames(model), nodes: many }]
    })
    fc.assert(
      fc.property(
        fc.constantFrom(starting, ...models),
        fc.integer({ min: 20, max: 250 }),
        fc.integer({ min: 8, max: 80 }),
        (model, columns, rows) => expectFits(render(model, { columns, rows }), { columns, rows })
      )
    )
  })

  it("cuts names that are too long, and keeps the figures beside them", () => {
    const model = longNames(four)
    const text = textOf(model, small)
    expect(text).toMatch(/ALPHAX+…/)
    expect(text).toMatch(/r{20,}… {2}within this process/)
    for (const state of model.standing?.instruments ?? []) {
      expect(text).toContain(state.price.toFixed(2))
      expect(text).toContain(state.weights.map(({ weight }) => String(Math.round(weight * 100))).join("/"))
    }
  })

  it("says how many instruments it has no room for", () => {
    const lines = render(modelOf(30), small)
    const line = lines.find((text) => text.startsWith("… and "))
    const shown = lines.filter((text) => /^[A-Z]+2? +\d+\.\d/.test(text)).length
    expect(shown).toBeGreaterThanOrEqual(1)
    expect(line).toBe(`… and ${30 - shown} more`)
  })

  it("says more where there is more room: what to do from another terminal", () => {
    expect(flowing(four, large)).toContain("`stop --emergency` work from another terminal")
    expect(textOf(four, { ...small, rows: 20 })).not.toContain("another terminal")
  })
})

describe("what the live view says", () => {
  it("of a start is that it starts, then what is loaded, then how far the warm-up is", () => {
    expect(textOf(starting, small)).toContain("starting")
    expect(textOf(starting, small)).toContain("no instruments yet")
    expect(textOf(starting, small)).toContain("account: -")
    const feed = four.feed as NonNullable<typeof four.feed>
    const loading = { ...four, feed: { ...feed, phase: "loading" as const } }
    expect(textOf(loading, small)).toContain("loading simulator: momentum, seed 1")
    const warming = { ...four, feed: { ...feed, phase: "warm-up" as const, published: 50, warmUpTotal: 100 } }
    expect(textOf(warming, large)).toContain("███████████████░░░░░░░░░░░░░░░ 50/100 bars, 1.3 as-ofs/s")
    const endless = { ...four, feed: { ...feed, total: null } }
    expect(textOf(endless, small)).toContain("trading: bar 70, ")
  })

  it("of a voter is its opinion, that it abstains, or who stands in for it", () => {
    const [id, decision] = [...four.decisions][0] as [
      string,
      NonNullable<ReturnType<typeof four.decisions.get>>
    ]
    const answers = [
      opinion("deep-learning", { standIn: "previous", expectedReturn: 0.0042 }),
      opinion("reinforcement-learning", { standIn: "baseline", expectedReturn: 0 })
    ]
    const withAnswers = (said: typeof decision.inputs.answers) => ({
      ...four,
      decisions: new Map([[id, { ...decision, inputs: { ...decision.inputs, answers: said } }]])
    })
    expect(textOf(withAnswers(answers), small)).toContain("10/20/70 42bp (prev)  10/20/70 0bp (base)")
    expect(textOf(withAnswers([abstention("deep-learning")]), small)).toMatch(/abstains +- /)
  })

  it("of a decision that is not taken is the guard that objects first", () => {
    const [id, decision] = [...four.decisions][0] as [
      string,
      NonNullable<ReturnType<typeof four.decisions.get>>
    ]
    const failing = decision.verdicts.map((verdict) => ({ ...verdict, passed: verdict.guard !== "edge" }))
    const shown = (changes: Partial<typeof decision>) =>
      textOf({ ...four, decisions: new Map([[id, { ...decision, ...changes }]]) }, small)
    expect(shown({ strategy: "keep", verdicts: failing })).toContain("keep (edge)")
    expect(shown({ strategy: "directional", action: "buy" })).toContain("directional")
  })

  it("of a stop is that trading is stopped, why, and whether the account is flat", () => {
    const stopped = (flat: boolean) => ({ ...four, account: snapshot({ stop: { reason: "enough", flat } }) })
    expect(flowing(stopped(true), small)).toContain("STOPPED (flat): enough")
    expect(flowing(stopped(false), small)).toContain("STOPPED (not flat): enough")
  })

  it("of the skill is nothing before there are outcomes, and then the loss against the base rate", () => {
    expect(textOf(modelOf(1, { standing: undefined }), small)).toContain("skill: no outcomes yet")
    const text = flowing(four, small)
    expect(text).toMatch(/skill: log loss \d\.\d{4} against \d\.\d{4} of the base rate over 184 outcomes/)
    expect(text).toContain("evidence beyond 100:1 on 0 of 4")
  })

  it("of several nodes is how each of them and its agents are", () => {
    const nodes = [nodeOf("first"), nodeOf("second", { broker: { state: "standby" } })]
    const text = flowing({ ...four, nodes }, large)
    expect(text).toContain("node first (process 4242, 300 MiB)")
    expect(text).toContain("node second (process 4242, 300 MiB)")
    expect(text).toContain("broker standby")
  })
})
