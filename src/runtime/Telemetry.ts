/**
 * Logs, and spans where they are switched on: one JSON object a line, in files of bounded size beside the run's
 * data. Warnings also go to standard error, as people read them; standard output belongs to the program's results.
 */
import {
  createWriteStream,
  existsSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
  type WriteStream
} from "node:fs"
import { join } from "node:path"
import { Cause, Effect, Exit, HashMap, Layer, List, Logger, LogLevel, Option, Tracer } from "effect"
import { canonicalJson } from "../protocols/wire/Json.ts"

export interface TelemetryOptions {
  readonly directory: string
  readonly logLevel: "debug" | "info" | "warning" | "error" | "none"
  readonly fileBytesMax: number
  readonly filesMax: number
  readonly tracing: boolean
  /** Whether warnings are shown on standard error: not while a view is drawn there. */
  readonly toStandardError: boolean
}

const levels = {
  debug: LogLevel.Debug,
  info: LogLevel.Info,
  warning: LogLevel.Warning,
  error: LogLevel.Error,
  none: LogLevel.None
} as const

interface RollingFile {
  readonly write: (line: string) => void
  readonly close: Effect.Effect<void>
}

/** A file that is moved aside when it is full; the oldest of those is removed. */
const rollingFile = (path: string, bytesMax: number, filesMax: number): RollingFile => {
  let stream: WriteStream | undefined
  let size = 0
  const open = () => {
    size = existsSync(path) ? statSync(path).size : 0
    stream = createWriteStream(path, { flags: "a", mode: 0o600 })
    // A full disk must not end the program for want of a log.
    stream.on("error", () => undefined)
    return stream
  }
  const roll = () => {
    stream?.end()
    rmSync(`${path}.${filesMax - 1}`, { force: true })
    for (let i = filesMax - 2; i >= 1; i--) {
      if (existsSync(`${path}.${i}`)) renameSync(`${path}.${i}`, `${path}.${i + 1}`)
    }
    if (filesMax > 1) renameSync(path, `${path}.1`)
    else rmSync(path, { force: true })
    return open()
  }
  return {
    write: (line) => {
      const target = size + line.length > bytesMax && size > 0 ? roll() : (stream ?? open())
      size += line.length + 1
      target.write(`${line}\n`)
    },
    close: Effect.async((resume) => {
      if (stream === undefined) return resume(Effect.void)
      stream.end(() => resume(Effect.void))
    })
  }
}

const plain = (value: unknown): unknown => {
  if (value instanceof Error) return `${value.name}: ${value.message}`
  if (Cause.isCause(value)) return Cause.pretty(value)
  if (typeof value === "bigint") return String(value)
  if (typeof value !== "object" || value === null) return value
  try {
    return JSON.parse(canonicalJson(value)) as unknown
  } catch {
    return String(value)
  }
}

const textOf = (message: unknown): string =>
  (Array.isArray(message) ? message : [message])
    .map((part) => (typeof part === "string" ? part : JSON.stringify(plain(part))))
    .join(" ")

const fileLogger = (file: RollingFile) =>
  Logger.make(({ annotations, cause, date, logLevel, message, spans }) => {
    const line: Record<string, unknown> = {
      time: date.toISOString(),
      level: logLevel.label.toLowerCase(),
      message: textOf(message)
    }
    for (const [key, value] of HashMap.toEntries(annotations)) line[key] = plain(value)
    if (!Cause.isEmpty(cause)) line.cause = Cause.pretty(cause, { renderErrorCause: true })
    if (List.isCons(spans)) line.span = spans.head.label
    file.write(JSON.stringify(line))
  })

/** What people see of it: one line, no stack. */
const standardErrorLogger = Logger.make<unknown, void>(({ logLevel, message }) => {
  if (LogLevel.lessThan(logLevel, LogLevel.Warning)) return
  process.stderr.write(`${logLevel.label.toLowerCase()}: ${textOf(message)}\n`)
})

/** Effect's own spans, written down when they end. */
const recordingTracer = (
  native: Tracer.Tracer,
  record: (span: Tracer.Span, end: bigint, exit: Exit.Exit<unknown, unknown>) => void
) =>
  Tracer.make({
    context: native.context,
    span: (...args) => {
      const span = native.span(...args)
      const end = span.end.bind(span)
      return Object.assign(span, {
        end: (at: bigint, exit: Exit.Exit<unknown, unknown>) => {
          end(at, exit)
          record(span, at, exit)
        }
      })
    }
  })

const nanosPerMilli = 1e6

const spanLayer = (file: RollingFile) =>
  Layer.unwrapEffect(
    Effect.map(Effect.tracer, (native) =>
      Layer.setTracer(
        recordingTracer(native, (span, end, exit) => {
          const parent = Option.getOrUndefined(span.parent)
          file.write(
            JSON.stringify({
              traceId: span.traceId,
              spanId: span.spanId,
              parentId: parent?.spanId ?? null,
              name: span.name,
              startMs: Number(span.status.startTime) / nanosPerMilli,
              durationMs: Number(end - span.status.startTime) / nanosPerMilli,
              ok: Exit.isSuccess(exit)
            })
          )
        })
      )
    )
  )

export const layer = (options: TelemetryOptions): Layer.Layer<never> =>
  Layer.unwrapScoped(
    Effect.gen(function* () {
      const { directory, fileBytesMax, filesMax, logLevel, toStandardError, tracing } = options
      mkdirSync(directory, { recursive: true })
      const open = (name: string) =>
        Effect.acquireRelease(
          Effect.sync(() => rollingFile(join(directory, name), fileBytesMax, filesMax)),
          (file) => file.close
        )
      const log = fileLogger(yield* open("log.ndjson"))
      const logger = toStandardError ? Logger.zip(log, standardErrorLogger) : log
      const logging = Layer.mergeAll(
        Logger.replace(Logger.defaultLogger, logger),
        Logger.minimumLogLevel(levels[logLevel])
      )
      return tracing ? Layer.merge(logging, spanLayer(yield* open("spans.ndjson"))) : logging
    })
  )
