/** An account that is driven without its agent: each step makes its event by the pure parts, and applies it. */
import { type AccountState, empty, evolve } from "../../../src/agents/broker/AccountState.ts"
import { applyBars, applyDecisions, latchStop } from "../../../src/agents/broker/trading.ts"
import { enveloped } from "../../../src/agents/NodeContext.ts"
import type { Costs } from "../../../src/market/Costs.ts"
import { termsOf, withoutLimits } from "../../../src/market/execution/Terms.ts"
import { type AccountEvent, Micro } from "../../../src/protocols/Account.ts"
import type { Bar } from "../../../src/protocols/Bar.ts"
import { decisionId, type Strategy } from "../../../src/protocols/Decision.ts"
import type { Instrument } from "../../../src/protocols/Instrument.ts"
import { Epoch } from "../../../src/protocols/wire/Ids.ts"
import { asOfAt, instrumentOf, run, timeFrame } from "../feedEvents.ts"

export const costs: Costs = { feeBps: 5, halfSpreadBps: 1, slippageBps: 1 }
export const free: Costs = { feeBps: 0, halfSpreadBps: 0, slippageBps: 0 }
export const broker = { tradeExposureMin: 0.02, terms: termsOf(withoutLimits(costs)) }
export const startingCash = 100_000_000_000

export const alpha = instrumentOf("ALPHA")
export const beta = instrumentOf("BETA", { tick: 0.25, lot: 1 })

type PayloadOf<Type extends AccountEvent["type"]> = Extract<AccountEvent, { readonly type: Type }>["payload"]

export const eventOf = <Type extends AccountEvent["type"]>(type: Type, payload: PayloadOf<Type>) =>
  ({
    ...enveloped({ run, source: "broker", asOf: 0, subject: type }, payload),
    type,
    version: 1,
    epoch: Epoch.make(1)
  }) as unknown as AccountEvent

/** An account with its cash and what can be traded, before any bar. */
export const openAccount = (instruments: ReadonlyArray<Instrument> = [alpha, beta]): AccountState =>
  [
    eventOf("AccountOpened", { account: "paper", currency: "USD", cash: Micro.make(startingCash) }),
    eventOf("InstrumentsListed", { barsSequence: 1, instruments })
  ].reduce(evolve, empty)

export const bars = (state: AccountState, some: ReadonlyArray<Bar>, by: Costs = costs) => {
  const asOf = Math.max(...some.map(({ closeTime }) => closeTime))
  const index = some[0]?.sequence ?? 0
  const payload = applyBars(
    state,
    { asOf, timeFrame, index, warmUp: false, bars: some },
    state.barsSequence + 1,
    termsOf(withoutLimits(by))
  )
  return { state: evolve(state, eventOf("BarsApplied", payload)), payload }
}

export const decisionOn = (
  instrument: Instrument,
  index: number,
  targetExposure: number,
  strategy: Strategy = "directional"
) => {
  const key = { run, instrument: instrument.id, timeFrame, asOf: asOfAt(index) }
  return { id: decisionId(key), key, strategy, targetExposure }
}

export const decisions = (state: AccountState, some: ReadonlyArray<ReturnType<typeof decisionOn>>) => {
  const asOf = some[0]?.key.asOf ?? 0
  const payload = applyDecisions(state, some, asOf, state.decisionsSequence + 1, broker)
  return { state: evolve(state, eventOf("DecisionsApplied", payload)), payload }
}

export const stop = (state: AccountState, command: string) => {
  const payload = latchStop(state, command, "enough is enough")
  return { state: evolve(state, eventOf("StopLatched", payload)), payload }
}

export const release = (state: AccountState, command: string): AccountState =>
  evolve(state, eventOf("StopReleased", { command, reason: "all is well" }))

export const lotsOf = (state: AccountState, instrument: Instrument): number =>
  state.ledger.positions.get(instrument.id)?.lots ?? 0
