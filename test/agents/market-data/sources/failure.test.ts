import { describe, expect, it } from "@effect/vitest"
import { ConfigProvider, Effect, Redacted } from "effect"
import {
  readSecret,
  reasonOf,
  sourceFailed,
  withCredentials
} from "../../../../src/agents/market-data/sources/failure.ts"
import { Limits } from "../../../../src/protocols/wire/Limits.ts"
import { parseUrl } from "../../../../src/runtime/NatsConnection.ts"

describe("the failure of a source", () => {
  it("says in a sentence what happened and when it may be asked again, however much there is to say", () => {
    expect(sourceFailed("main", "rate-limited", "it answers 429", 2_000).message).toBe(
      "The bar source main is rate-limited: it answers 429; it can be asked again in 2000 ms."
    )
    expect(sourceFailed("main", "malformed", "x".repeat(1_000_000)).reason.length).toBe(Limits.reasonCharsMax)
  })

  it("says why, of errors that say it in their cause alone", () => {
    expect(reasonOf(new TypeError("fetch failed", { cause: new Error("connect ECONNREFUSED") }))).toBe(
      "fetch failed: connect ECONNREFUSED"
    )
    expect(reasonOf("gone")).toBe("gone")
    expect(reasonOf(new RangeError())).toBe("RangeError")
  })
})

describe("the secret of a source", () => {
  it.effect("is what the variable holds, without the end of its line", () =>
    Effect.gen(function* () {
      const secret = yield* readSecret("main", "FEED_SECRET")
      expect(secret === undefined ? undefined : Redacted.value(secret)).toBe("open sesame")
      expect(yield* readSecret("main", undefined)).toBeUndefined()
      expect((yield* Effect.flip(readSecret("main", "OTHER"))).message).toContain("OTHER is not set")
    }).pipe(Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["FEED_SECRET", "open sesame\n"]]))))
  )

  it("stands in an address as user and password, whatever they hold", () => {
    const nats = (secret: string) =>
      parseUrl(withCredentials("nats://127.0.0.1:4222", Redacted.make(secret), "user"))
    expect(nats("me:p@ss:/word")).toMatchObject({ user: "me", pass: "p@ss:/word" })
    expect(nats("s3cret+token")).toMatchObject({ token: "s3cret+token" })
    expect(withCredentials("redis://127.0.0.1:6379", Redacted.make("pass"), "password")).toBe(
      "redis://:pass@127.0.0.1:6379"
    )
    expect(withCredentials("redis://127.0.0.1:6379", undefined, "password")).toBe("redis://127.0.0.1:6379")
  })
})
