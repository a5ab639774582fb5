import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import * as CircuitBreaker from "../../../src/agents/market-data/CircuitBreaker.ts"

const options = { failuresMax: 3, backoffMs: 100, backoffMaxMs: 1_000 }

describe("a circuit breaker", () => {
  it("opens after so many failures, lets one trial through, and closes with a success", () => {
    let breaker = CircuitBreaker.closed
    expect(CircuitBreaker.mayTry(breaker, 0)).toBe(true)
    const pauses: Array<number> = []
    for (let i = 0; i < 6; i++) {
      breaker = CircuitBreaker.failed(breaker, 0, null, options)
      pauses.push(breaker.retryAt)
    }
    expect(pauses).toEqual([100, 200, 400, 800, 1_000, 1_000])
    expect(breaker).toMatchObject({ state: "open", failures: 6 })
    expect(CircuitBreaker.mayTry(breaker, 999)).toBe(false)
    expect(CircuitBreaker.mayTry(breaker, 1_000)).toBe(true)
    breaker = CircuitBreaker.trying(breaker)
    expect(breaker.state).toBe("half-open")
    expect(CircuitBreaker.mayTry(breaker, 5_000)).toBe(false)
    expect(CircuitBreaker.failed(breaker, 5_000, null, options)).toMatchObject({
      state: "open",
      retryAt: 6_000
    })
    expect(CircuitBreaker.succeeded(breaker)).toMatchObject({ state: "closed", failures: 0 })
  })

  it("leaves alone for as long as it is asked to, whatever comes between", () => {
    const asked = CircuitBreaker.failed(CircuitBreaker.closed, 0, 60_000, options)
    const better = CircuitBreaker.succeeded(asked)
    expect(CircuitBreaker.mayTry(better, 59_999)).toBe(false)
    expect(CircuitBreaker.mayTry(better, 60_000)).toBe(true)
    expect(CircuitBreaker.failed(asked, 10, null, options).retryAt).toBe(60_000)
  })

  it("never lets a failing source be asked more often than its longest pause allows, once it is open", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 400 }), { maxLength: 200 }), (waits) => {
        let breaker = CircuitBreaker.closed
        let now = 0
        const tried: Array<number> = []
        for (const wait of waits) {
          now += wait
          if (!CircuitBreaker.mayTry(breaker, now)) continue
          tried.push(now)
          breaker = CircuitBreaker.failed(CircuitBreaker.trying(breaker), now, null, options)
        }
        for (let i = 5; i < tried.length; i++) {
          expect((tried[i] as number) - (tried[i - 1] as number)).toBeGreaterThanOrEqual(options.backoffMaxMs)
        }
      })
    )
  })
})
