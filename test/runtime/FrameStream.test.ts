import { PassThrough, Writable } from "node:stream"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Deferred, Effect, Fiber, Stream } from "effect"
import { encodeFrame, type Frame } from "../../src/protocols/wire/Frame.ts"
import { readFrames, writeFrame } from "../../src/runtime/FrameStream.ts"

const frames: ReadonlyArray<Frame> = Array.from({ length: 40 }, (_, i) => ({
  kind: 16 + (i % 3),
  id: i,
  header: { i },
  body: Uint8Array.from({ length: i * 17 }, (_, k) => k)
}))

const collect = (pipe: PassThrough, frameBytesMax = 1_000_000) =>
  Effect.map(Stream.runCollect(readFrames(pipe, frameBytesMax)), Chunk.toReadonlyArray)

describe("frames over a stream", () => {
  it.effect("arrive as they were written, until the stream ends", () =>
    Effect.gen(function* () {
      const pipe = new PassThrough()
      const reading = yield* Effect.fork(collect(pipe))
      for (const frame of frames) expect(writeFrame(pipe, frame, 1_000_000)).toBe(true)
      pipe.end()
      expect(yield* Fiber.join(reading)).toEqual(frames)
    })
  )

  it.effect("arrive whole from a stream that gives one byte at a time", () =>
    Effect.gen(function* () {
      const pipe = new PassThrough()
      const reading = yield* Effect.fork(collect(pipe))
      for (const byte of Buffer.concat(frames.slice(0, 8).map(encodeFrame))) pipe.write(Buffer.from([byte]))
      pipe.end()
      expect(yield* Fiber.join(reading)).toEqual(frames.slice(0, 8))
    })
  )

  it.effect("are read no faster than they are taken", () =>
    Effect.gen(function* () {
      const pipe = new PassThrough({ highWaterMark: 1_024 })
      const body = new Uint8Array(900)
      let written = 0
      while (pipe.write(encodeFrame({ kind: 16, id: ++written, body })) || written < 4) {
        if (written > 1_000) throw new Error("it takes everything")
      }
      const gate = yield* Deferred.make<void>()
      const taken: Array<number> = []
      const reading = yield* readFrames(pipe, 10_000).pipe(
        Stream.runForEach((frame) =>
          Effect.zipRight(
            Effect.sync(() => void taken.push(frame.id)),
            Deferred.await(gate)
          )
        ),
        Effect.fork
      )
      yield* Effect.promise(() => new Promise((resolve) => pipe.once("drain", resolve)))
      while (pipe.write(encodeFrame({ kind: 16, id: ++written, body }))) {
        if (written > 1_000) throw new Error("it is read though nobody takes")
      }
      expect(taken).toEqual([1])
      pipe.end()
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(reading)
      expect(taken).toEqual(Array.from({ length: written }, (_, i) => i + 1))
    })
  )

  it.effect("end in a typed error at what is no frame, after those before it", () =>
    Effect.gen(function* () {
      for (const nonsense of [
        Buffer.alloc(4, 0xff),
        encodeFrame({ kind: 1, id: 1, body: new Uint8Array(2_000) })
      ]) {
        const pipe = new PassThrough()
        const seen: Array<number> = []
        const reading = yield* readFrames(pipe, 1_000).pipe(
          Stream.runForEach((frame) => Effect.sync(() => void seen.push(frame.id))),
          Effect.flip,
          Effect.fork
        )
        yield* Effect.yieldNow()
        pipe.write(encodeFrame({ kind: 16, id: 7 }))
        yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
        pipe.write(nonsense)
        const error = yield* Fiber.join(reading)
        expect(error._tag).toBe("FrameStreamBroken")
        expect(error.reason).toContain("is outside 9..1000")
        expect(seen).toEqual([7])
      }
    })
  )

  it.effect("end in a typed error when the stream breaks, while it is read and while it is not", () =>
    Effect.gen(function* () {
      for (const isReading of [true, false]) {
        const pipe = new PassThrough()
        // Whoever has the stream listens too: an error without listeners ends the process.
        pipe.on("error", () => undefined)
        const breaking = Effect.promise(
          () => new Promise((resolve) => pipe.once("close", resolve).destroy(new Error("reset by peer")))
        )
        if (!isReading) yield* breaking
        const reading = yield* Effect.fork(Effect.flip(collect(pipe)))
        yield* Effect.yieldNow()
        if (isReading) yield* breaking
        expect((yield* Fiber.join(reading)).message).toBe("A stream of frames broke: reset by peer.")
      }
    })
  )

  it.effect("just end when the stream is closed", () =>
    Effect.gen(function* () {
      const pipe = new PassThrough()
      const reading = yield* Effect.fork(collect(pipe))
      yield* Effect.yieldNow()
      pipe.destroy()
      expect(yield* Fiber.join(reading)).toEqual([])
    })
  )

  it("are not written when too much waits already, nor to a stream that is gone", () => {
    const stuck = new Writable({ highWaterMark: 1, write: () => undefined })
    const frame = { kind: 16, id: 1, body: new Uint8Array(600) }
    expect([1, 2, 3, 4].map(() => writeFrame(stuck, frame, 1_000))).toEqual([true, true, false, false])
    expect(stuck.writableLength).toBe(2 * encodeFrame(frame).length)
    stuck.destroy()
    expect(writeFrame(stuck, frame, 1_000)).toBe(false)
  })
})
