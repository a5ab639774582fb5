import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Queue, Redacted } from "effect"
import { connect } from "nats"
import * as NatsMessages from "../../src/runtime/NatsMessages.ts"
import { natsServer } from "../support/natsServer.ts"

const subscribe = (url: string, heard: Queue.Enqueue<readonly [string, string]>) =>
  NatsMessages.subscribe({
    url: Redacted.make(url),
    name: "test",
    connectTimeoutMs: 2_000,
    pingEveryMs: 1_000,
    subjects: ["left.*", "right.>"],
    onMessage: (subject, data) => void Queue.unsafeOffer(heard, [subject, Buffer.from(data).toString("utf8")])
  })
const publisherTo = (url: string) =>
  Effect.acquireRelease(
    Effect.promise(() => connect({ servers: url.replace("nats://", ""), reconnect: false })),
    (connection) => Effect.promise(() => connection.close())
  )

describe("messages of a NATS server", () => {
  it.scopedLive("are heard from the moment of the subscription on, of its subjects alone", () =>
    Effect.gen(function* () {
      const { url } = yield* natsServer
      const publisher = yield* publisherTo(url)
      const heard = yield* Queue.unbounded<readonly [string, string]>()
      yield* subscribe(url, heard)
      for (const subject of ["left.one", "middle.one", "left.one.two", "right.one.two"]) {
        publisher.publish(subject, Buffer.from(subject))
      }
      expect([...(yield* Queue.takeBetween(heard, 2, 2))]).toEqual([
        ["left.one", "left.one"],
        ["right.one.two", "right.one.two"]
      ])
    })
  )

  it.scopedLive("end for good with the server: what comes after its return is another subscription's", () =>
    Effect.gen(function* () {
      const server = yield* natsServer
      const heard = yield* Queue.unbounded<readonly [string, string]>()
      const lost = yield* subscribe(server.url, heard)
      const waiting = yield* Effect.fork(Effect.flip(lost))
      yield* server.kill
      expect((yield* Fiber.join(waiting))._tag).toBe("NatsUnreachable")
      yield* server.restart
      const again = yield* Queue.unbounded<readonly [string, string]>()
      yield* subscribe(server.url, again)
      const publisher = yield* publisherTo(server.url)
      publisher.publish("left.one", Buffer.from("new"))
      yield* Queue.take(again)
      expect(yield* Queue.size(heard)).toBe(0)
    })
  )

  it.scopedLive("are not to be had by an address that is none, or where nobody answers", () =>
    Effect.gen(function* () {
      const heard = yield* Queue.unbounded<readonly [string, string]>()
      const wrong = yield* Effect.flip(subscribe("nats://not a host", heard))
      expect(wrong.message).toContain("it is not a URL like nats://host:4222")
      const nobody = yield* Effect.flip(subscribe("nats://127.0.0.1:9", heard))
      expect(nobody.message).toContain("127.0.0.1:9")
    })
  )
})
