/** Frames over Node's streams, read no faster than they are taken and written no faster than they are sent. */
import type { Readable, Writable } from "node:stream"
import { Chunk, Effect, Option, Schema, Stream } from "effect"
import { encodeFrame, type Frame, FrameReader } from "../protocols/wire/Frame.ts"

/** What came is no sequence of frames, or the stream broke. */
export class FrameStreamBroken extends Schema.TaggedError<FrameStreamBroken>()("FrameStreamBroken", {
  reason: Schema.String
}) {
  override get message() {
    return `A stream of frames broke: ${this.reason}.`
  }
}

const broken = (cause: unknown) =>
  new FrameStreamBroken({ reason: cause instanceof Error ? cause.message : String(cause) })

/** The next bytes, or none at the end. */
const readChunk = (readable: Readable): Effect.Effect<Buffer, Option.Option<FrameStreamBroken>> =>
  Effect.async((resume) => {
    const attempt = () => {
      const chunk = readable.read() as Buffer | null
      if (chunk !== null) finish(Effect.succeed(chunk))
      // It may have broken while nobody was reading.
      else if (readable.errored) fail(readable.errored)
      else if (readable.readableEnded || readable.destroyed) finish(Effect.fail(Option.none()))
    }
    const end = () => finish(Effect.fail(Option.none()))
    const fail = (cause: Error) => finish(Effect.fail(Option.some(broken(cause))))
    const detach = () => {
      readable.off("readable", attempt).off("end", end).off("close", end).off("error", fail)
    }
    const finish = (result: Effect.Effect<Buffer, Option.Option<FrameStreamBroken>>) => {
      detach()
      resume(result)
    }
    readable.on("readable", attempt).on("end", end).on("close", end).on("error", fail)
    attempt()
    return Effect.sync(detach)
  })

export const readFrames = (
  readable: Readable,
  frameBytesMax: number
): Stream.Stream<Frame, FrameStreamBroken> =>
  Stream.suspend(() => {
    const reader = new FrameReader(frameBytesMax)
    return Stream.repeatEffectChunkOption(
      Effect.flatMap(readChunk(readable), (bytes) =>
        Effect.try({
          try: () => Chunk.unsafeFromArray(reader.push(bytes)),
          catch: (cause) => Option.some(broken(cause))
        })
      )
    )
  })

/** Writes a frame; false when more than `backlogBytesMax` wait to be sent, and nothing was written. */
export const writeFrame = (
  writable: Writable,
  frame: Parameters<typeof encodeFrame>[0],
  backlogBytesMax: number
): boolean => {
  if (writable.destroyed || writable.writableLength > backlogBytesMax) return false
  writable.write(encodeFrame(frame))
  return true
}
