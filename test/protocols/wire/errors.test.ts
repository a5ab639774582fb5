import { describe, expect, it } from "@effect/vitest"
import { Either, Schema } from "effect"
import * as errors from "../../../src/protocols/wire/errors.ts"

const about = { agent: "orchestrator", call: "Decide" }

const all: ReadonlyArray<errors.CallError> = [
  new errors.AgentUnreachable(about),
  new errors.BusUnavailable({ ...about, reason: "no connection" }),
  new errors.DeadlineExceeded({ ...about, afterMs: 500 }),
  new errors.PeerLost({ ...about, silentMs: 4_000 }),
  new errors.Overloaded({ ...about, limit: 8 }),
  new errors.AgentUnavailable({ ...about, state: "stopping" }),
  new errors.AgentCrashed(about),
  new errors.BadRequest(about),
  new errors.UnknownCall(about),
  new errors.InternalError({ ...about, incident: "n1-7" })
]

describe("the errors that any call may have", () => {
  it("come back from the wire as they were, every one of them", () => {
    const encode = Schema.encodeSync(errors.CallError)
    const decode = Schema.decodeUnknownSync(errors.CallError)
    for (const error of all) {
      const back = decode(JSON.parse(JSON.stringify(encode(error))))
      expect(back).toBeInstanceOf(error.constructor)
      expect(back).toEqual(error)
    }
    expect(new Set(all.map(({ _tag }) => _tag)).size).toBe(errors.CallError.members.length)
  })

  it("are sentences that name the agent and the call", () => {
    for (const { message } of all) {
      expect(message).toContain("orchestrator")
      expect(message).toContain('"Decide"')
      expect(message).not.toContain("undefined")
    }
  })

  it("are transient where another try may succeed, and else not", () => {
    expect(all.filter((error) => !errors.isTransient(error)).map(({ _tag }) => _tag)).toEqual([
      "BadRequest",
      "UnknownCall",
      "InternalError"
    ])
    expect(errors.isTransient({ _tag: "OrderRefused" })).toBe(false)
  })

  it("are refused when they come with texts without end or numbers that are none", () => {
    const decode = Schema.decodeUnknownEither(errors.CallError)
    for (const bad of [
      { _tag: "AgentCrashed", agent: "x".repeat(129), call: "Decide" },
      { _tag: "BusUnavailable", ...about, reason: "x".repeat(2_001) },
      { _tag: "DeadlineExceeded", ...about, afterMs: -1 },
      { _tag: "Overloaded", ...about, limit: JSON.parse("1e999") },
      { _tag: "Unheard", ...about }
    ]) {
      expect(Either.isLeft(decode(bad)), bad._tag).toBe(true)
    }
  })
})
