/**
 * How a source of a chain does: whether its live bars flow, since when it has been well, how late its bars come, and
 * the breakers of its two sides. Changed in place by the chain that owns it.
 *
 * Invariant: `wellSince` is set exactly while the source is connected, has given a bar since, and is behind with no
 * instrument.
 */
import type { FeedSourceState } from "../../protocols/rpc/MarketDataRpcs.ts"
import { truncateReason } from "../../protocols/wire/Ids.ts"
import * as CircuitBreaker from "./CircuitBreaker.ts"
import type { SourceFailed } from "./errors.ts"

export interface ChainSource {
  readonly name: string
  readonly kind: string
  readonly hasLive: boolean
  readonly hasHistory: boolean
}

export interface SourceHealth {
  readonly source: ChainSource
  live: CircuitBreaker.CircuitBreaker
  history: CircuitBreaker.CircuitBreaker
  isConnected: boolean
  /** Of the connection, or of its latest bar: what silence is counted from. */
  heardAt: number
  /** Whether a bar has come since it was connected. */
  hasGiven: boolean
  /** Instruments of which others have had a bar for too long that this one has not. */
  readonly behind: Set<string>
  wellSince: number | null
  /** Since when it has been lost, once it had been well. */
  lostAt: number | null
  bars: number
  failures: number
  disagreements: number
  lastFailure: string | null
  lastBarAt: number | null
  /** From a bar's close to its arrival, smoothed. */
  latencyMs: number | null
}

/** Weight of the newest latency. */
const latencyWeight = 0.1

export const make = (source: ChainSource): SourceHealth => ({
  source,
  live: CircuitBreaker.closed,
  history: CircuitBreaker.closed,
  isConnected: false,
  heardAt: Number.NEGATIVE_INFINITY,
  hasGiven: false,
  behind: new Set(),
  wellSince: null,
  lostAt: null,
  bars: 0,
  failures: 0,
  disagreements: 0,
  lastFailure: null,
  lastBarAt: null,
  latencyMs: null
})

/** Keeps `wellSince` and `lostAt` true to what has changed. */
const settle = (health: SourceHealth, now: number): void => {
  const isWell = health.isConnected && health.hasGiven && health.behind.size === 0
  if (isWell) health.wellSince ??= now
  else if (health.wellSince !== null) {
    health.wellSince = null
    health.lostAt ??= now
  }
}

export const connecting = (health: SourceHealth, now: number): void => {
  health.live = CircuitBreaker.trying(health.live)
  health.isConnected = true
  health.hasGiven = false
  health.heardAt = now
}

export const gaveBar = (health: SourceHealth, closeTime: number, now: number, wallMs: number): void => {
  health.live = CircuitBreaker.succeeded(health.live)
  health.hasGiven = true
  health.heardAt = now
  health.bars++
  health.lastBarAt = wallMs
  const latency = Math.max(0, wallMs - closeTime)
  health.latencyMs =
    health.latencyMs === null ? latency : health.latencyMs + latencyWeight * (latency - health.latencyMs)
  settle(health, now)
}

export const setBehind = (health: SourceHealth, instrument: string, isBehind: boolean, now: number): void => {
  if (isBehind === health.behind.has(instrument)) return
  if (isBehind) health.behind.add(instrument)
  else health.behind.delete(instrument)
  settle(health, now)
}

export const failed = (
  health: SourceHealth,
  side: "live" | "history",
  failure: SourceFailed,
  now: number,
  options: CircuitBreaker.BreakerOptions
): void => {
  health.failures++
  health.lastFailure = truncateReason(failure.message)
  health[side] = CircuitBreaker.failed(health[side], now, failure.retryAfterMs, options)
  if (failure.retryAfterMs !== null) {
    // Who asks to be left alone means every request.
    const retryAt = now + failure.retryAfterMs
    health.live = { ...health.live, retryAt: Math.max(health.live.retryAt, retryAt) }
    health.history = { ...health.history, retryAt: Math.max(health.history.retryAt, retryAt) }
  }
  if (side === "live") health.isConnected = false
  settle(health, now)
}

const stateOf = (health: SourceHealth): FeedSourceState["state"] => {
  if (!health.source.hasLive) return health.history.state === "closed" ? "well" : "down"
  if (!health.isConnected) return "down"
  if (health.behind.size > 0) return "late"
  return health.hasGiven ? "well" : "connecting"
}

export const describe = (health: SourceHealth, isActive: boolean, now: number): FeedSourceState => {
  const { latencyMs, source, wellSince } = health
  return {
    name: source.name,
    kind: source.kind,
    role: !source.hasLive ? "history" : isActive ? "active" : "standby",
    state: stateOf(health),
    breaker: (source.hasLive ? health.live : health.history).state,
    wellForMs: wellSince === null ? null : Math.max(0, Math.round(now - wellSince)),
    bars: health.bars,
    failures: health.failures,
    disagreements: health.disagreements,
    lastBarAt: health.lastBarAt,
    latencyMs: latencyMs === null ? null : Math.round(latencyMs),
    lastFailure: health.lastFailure
  }
}
