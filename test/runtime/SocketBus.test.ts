import { statSync } from "node:fs"
import { connect } from "node:net"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
import { Bus } from "../../src/runtime/Bus.ts"
import * as InProcessBus from "../../src/runtime/InProcessBus.ts"
import * as SocketBus from "../../src/runtime/SocketBus.ts"
import { temporaryDirectory } from "../support/directory.ts"
import { busConformance } from "./busConformance.ts"
import { rpcConformance } from "./rpcConformance.ts"

const bridged = Layer.unwrapScoped(
  Effect.gen(function* () {
    const path = join(yield* temporaryDirectory, "node.sock")
    yield* Effect.provide(SocketBus.serve(path), yield* Layer.build(InProcessBus.layer))
    return SocketBus.layer(path)
  })
)

describe("the bus through a node's socket", () => {
  busConformance(bridged)
})

describe("RPC through a node's socket", () => {
  rpcConformance(bridged)
})

describe("a node's socket", () => {
  it.scopedLive("is for its owner alone, and outlives those who send rubbish", () =>
    Effect.gen(function* () {
      const path = join(yield* temporaryDirectory, "node.sock")
      yield* Effect.provide(SocketBus.serve(path), yield* Layer.build(InProcessBus.layer))
      expect(statSync(path).mode & 0o777).toBe(0o600)
      const rubbish = [
        Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        Buffer.from([0xff, 0xff, 0xff, 0x7f, 1, 2, 3]),
        Buffer.alloc(64, 0),
        Buffer.from([9, 0, 0, 0, 99, 0, 0, 0, 0, 0, 0, 0, 0])
      ]
      for (const bytes of rubbish) {
        yield* Effect.async<void>((resume) => {
          const socket = connect(path, () => socket.write(bytes))
          socket.once("close", () => resume(Effect.void))
          socket.on("error", () => undefined)
        })
      }
      const bus = yield* Effect.provide(Bus, yield* Layer.build(SocketBus.layer(path)))
      yield* bus.flush
    }).pipe(Effect.provide(Logger.remove(Logger.defaultLogger)))
  )

  it.scopedLive("that is not there is reported as such", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        Layer.build(SocketBus.layer(join(yield* temporaryDirectory, "no.sock")))
      )
      expect(error._tag).toBe("BusDisconnected")
    })
  )
})
