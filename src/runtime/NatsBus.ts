/**
 * The bus over a NATS server.
 *
 * The client library buffers without bound while the server does not read. What has been published and not
 * yet confirmed by a ping's answer is therefore counted here, and beyond the limit publishing fails with a
 * typed error instead of filling the memory.
 */
import { Effect, Layer } from "effect"
import { createInbox, ErrorCode, type NatsError } from "nats"
import { Limits } from "../protocols/wire/Limits.ts"
import { Bus } from "./Bus.ts"
import { BusCongested, BusDisconnected, type BusError, PayloadTooLarge } from "./errors.ts"
import { NatsConnection } from "./NatsConnection.ts"

/** Bytes that may be on their way to the server. */
const pendingBytesMax = 16 * 1024 * 1024
/** Published bytes after which their arrival is asked for. */
const confirmEveryBytes = 256 * 1024
const flushTimeoutMs = 5_000
/** Counted for each message beside its data. */
const overheadBytes = 128

const make = Effect.gen(function* () {
  const nats = yield* NatsConnection
  const { connection } = nats
  const payloadBytesMax = Math.min(
    Limits.payloadBytesMax,
    connection.info?.max_payload ?? Limits.payloadBytesMax
  )
  const disconnected = (cause: unknown) =>
    new BusDisconnected({
      transport: "nats",
      detail: `${nats.address}: ${cause instanceof Error ? cause.message : String(cause)}`
    })

  const flush = Effect.tryPromise({ try: () => connection.flush(), catch: disconnected }).pipe(
    Effect.timeoutFail({
      duration: flushTimeoutMs,
      onTimeout: () => disconnected(`no answer to a ping within ${flushTimeoutMs} ms`)
    })
  )

  let pendingBytes = 0
  let unconfirmedBytes = 0
  let isConfirming = false
  const confirm = () => {
    isConfirming = true
    const confirming = unconfirmedBytes
    unconfirmedBytes = 0
    const done = () => {
      isConfirming = false
      pendingBytes -= confirming
      if (unconfirmedBytes >= confirmEveryBytes) confirm()
    }
    // A failed flush means that the connection was lost and with it what was on its way.
    connection.flush().then(done, done)
  }

  return Bus.of({
    transport: "nats",
    detail: nats.address,
    payloadBytesMax,
    publish: (subject, data, reply) =>
      Effect.suspend((): Effect.Effect<void, BusError> => {
        if (data.byteLength > payloadBytesMax) {
          return new PayloadTooLarge({ subject, bytes: data.byteLength, bytesMax: payloadBytesMax })
        }
        const bytes = data.byteLength + overheadBytes
        if (pendingBytes + bytes > pendingBytesMax) {
          return new BusCongested({ subject, pendingBytes, pendingBytesMax })
        }
        try {
          connection.publish(subject, data, reply === undefined ? undefined : { reply })
        } catch (cause) {
          return disconnected(cause)
        }
        pendingBytes += bytes
        unconfirmedBytes += bytes
        if (unconfirmedBytes >= confirmEveryBytes && !isConfirming) confirm()
        return Effect.void
      }),
    subscribe: (subject, onMessage, options) =>
      Effect.asVoid(
        Effect.acquireRelease(
          Effect.try({
            try: () =>
              connection.subscribe(subject, {
                ...(options?.queue === undefined ? {} : { queue: options.queue }),
                callback: (error: NatsError | null, message) => {
                  if (error !== null && error.code !== ErrorCode.NoResponders) return
                  const noResponders =
                    error?.code === ErrorCode.NoResponders ||
                    (message.data.length === 0 && message.headers?.code === 503)
                  onMessage({
                    subject: message.subject,
                    data: message.data,
                    reply: message.reply === "" ? undefined : message.reply,
                    noResponders
                  })
                }
              }),
            catch: disconnected
          }),
          (subscription) => Effect.sync(() => subscription.unsubscribe())
        ).pipe(
          // The subscription must be known to the server before anybody relies on it.
          Effect.tap(() => flush)
        )
      ),
    newInbox: Effect.sync(() => createInbox()),
    flush
  })
})

export const layer: Layer.Layer<Bus, never, NatsConnection> = Layer.effect(Bus, make)
