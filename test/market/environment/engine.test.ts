/** The environment's accounts against the engine of the broker and the backtest, fed the same orders. */
import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import * as fc from "fast-check"
import type { Costs } from "../../../src/market/Costs.ts"
import type { CourseParts } from "../../../src/market/environment/Course.ts"
import { hold, type TradingEnvironments } from "../../../src/market/environment/TradingEnvironments.ts"
import * as Account from "../../../src/market/execution/Account.ts"
import { place } from "../../../src/market/execution/acceptance.ts"
import { toMicro, toQuote } from "../../../src/market/execution/Money.ts"
import * as Order from "../../../src/market/execution/Order.ts"
import { termsOf, withoutLimits } from "../../../src/market/execution/Terms.ts"
import type { Bar } from "../../../src/protocols/Bar.ts"
import { type Instrument, instrumentId } from "../../../src/protocols/Instrument.ts"
import { TimeFrame } from "../../../src/protocols/TimeFrame.ts"
import {
  barMs,
  courseOf,
  environmentOf,
  exposures,
  holdingCosts,
  instrument,
  type Path,
  path,
  sides,
  usual
} from "./arbitraries.ts"

/** An account of the engine: one market order a bar, for the exposure at the mark, filled at once or not at all. */
const engineOf = (bars: Path, steps: CourseParts["instrument"], costs: Costs) => {
  const id = instrumentId("test", "A", steps.kind)
  const listed: Instrument = { ...steps, id, venue: "test", symbol: "A", currency: "USD", calendar: "always" }
  const account = Account.open(toMicro(usual.cash), termsOf(withoutLimits(costs)))
  Account.list(account, listed)
  const held = () => Account.heldOf(account, id)
  const barAt = (index: number): Bar => {
    const [open, close] = [bars.open[index] as number, bars.close[index] as number]
    const closeTime = (index + 1) * barMs
    return {
      instrument: id,
      timeFrame: TimeFrame.make("1h"),
      openTime: index * barMs,
      closeTime,
      open,
      high: Math.max(open, close),
      low: Math.min(open, close),
      close,
      volume: bars.volume === null ? null : (bars.volume[index] as number),
      closeOnly: bars.closeOnly,
      source: "test",
      sequence: index,
      revision: 0,
      knownAt: closeTime
    }
  }
  let index = 0
  const close = () => Account.applyBars(account, { asOf: (index + 1) * barMs, bars: [barAt(index)] })
  close()
  return {
    held,
    cash: () => account.ledger.cash,
    equity: () => Account.equityOf(account),
    /** Orders after the close of the bar, and goes on to the next one. Null: no order. */
    step: (exposure: number | null) => {
      const mark = account.listings.get(id)?.mark as number
      const price = mark * steps.tick * steps.lot
      const change =
        exposure === null ? 0 : Math.trunc((exposure * toQuote(Account.equityOf(account))) / price) - held()
      if (change !== 0) {
        const request = Order.market(id, change, { timeInForce: "immediate-or-cancel" })
        Either.getOrThrow(place(account, { ...request, id: `order-${index}`, asOf: (index + 1) * barMs }))
      }
      index++
      close()
    }
  }
}

const ended = ({ terminated, truncated }: TradingEnvironments) => terminated[0] === 1 || truncated[0] === 1

/** Equal to the unit; a zero has no sign here. */
const expectSame = ({ accounts }: TradingEnvironments, engine: ReturnType<typeof engineOf>) => {
  expect((accounts.lots[0] as number) + 0).toBe(engine.held() + 0)
  expect(accounts.cash[0]).toBe(engine.cash())
  expect(accounts.equity[0]).toBe(engine.equity())
}

describe("the accounts of the environment", () => {
  it("are those of the engine to the last unit, by exposure", () => {
    fc.assert(
      fc.property(path, instrument, holdingCosts, exposures, (bars, steps, costs, actions) => {
        const course = courseOf(bars, { instrument: steps, costs })
        const environment = environmentOf([course], { actions: { kind: "box", low: -1, high: 1 } })
        const engine = engineOf(bars, steps, costs)
        for (const action of actions) {
          const exposure = Math.fround(action)
          engine.step(exposure)
          environment.step(Float32Array.of(exposure))
          if (ended(environment)) {
            expect(environment.finalEquityMicro[0]).toBe(engine.equity())
            return
          }
          expectSame(environment, engine)
        }
      }),
      { numRuns: 300 }
    )
  })

  it("are those of the engine by side too, with and without shorting", () => {
    fc.assert(
      fc.property(
        path,
        instrument,
        holdingCosts,
        sides,
        fc.boolean(),
        (bars, steps, costs, actions, shorting) => {
          const course = courseOf(bars, { instrument: steps, costs })
          const environment = environmentOf([course], { actions: { kind: "discrete", shorting } })
          const engine = engineOf(bars, steps, costs)
          for (const action of actions) {
            const target = action === 2 ? 1 : shorting ? -1 : 0
            engine.step(action === hold || Math.sign(engine.held()) === target ? null : target)
            environment.step(Int32Array.of(action))
            if (ended(environment)) {
              expect(environment.finalEquityMicro[0]).toBe(engine.equity())
              return
            }
            expectSame(environment, engine)
          }
        }
      ),
      { numRuns: 300 }
    )
  })
})
