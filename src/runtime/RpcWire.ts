/**
 * The messages of `@effect/rpc` as they travel on the bus: the library's own JSON, with the caller's inbox and
 * deadline beside a request, and the answering instance beside a response. Whatever arrives is bounded and
 * checked here before the library sees it.
 */
import type { RpcMessage } from "@effect/rpc"
import { Either, Schema } from "effect"
import { CallError } from "../protocols/wire/errors.ts"
import type { AgentName } from "../protocols/wire/Ids.ts"
import { describeRefusal, parseJson, stringifyToBytes } from "../protocols/wire/Json.ts"

export type { AgentName }

/** Asks the instance that has a call in hand to say so. */
export interface Ping {
  readonly _tag: "Ping"
  readonly requestId: string
}

/** From a caller; `client` is its inbox, and names it. */
export type ToServer = (Exclude<RpcMessage.FromClientEncoded, RpcMessage.Ping | RpcMessage.Eof> | Ping) & {
  readonly client: string
  /** Milliseconds the caller will wait, counted from arrival; absent for streams. */
  readonly deadlineMs?: number
}

/** From an instance of an agent. */
export type ToClient = RpcMessage.FromServerEncoded & { readonly instance: string }

export type Encoded<A> = Either.Either<A, string>

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const isShortString = (value: unknown): value is string => typeof value === "string" && value.length <= 256
const isRequestId = (value: unknown): value is string =>
  typeof value === "string" && /^[0-9]{1,24}$/.test(value)

const isHeaders = (value: unknown): boolean =>
  Array.isArray(value) &&
  value.length <= 32 &&
  value.every((pair) => Array.isArray(pair) && pair.length === 2 && pair.every((part) => isShortString(part)))

const isOptionalTrace = (message: Record<string, unknown>): boolean =>
  (message.traceId === undefined || isShortString(message.traceId)) &&
  (message.spanId === undefined || isShortString(message.spanId)) &&
  (message.sampled === undefined || typeof message.sampled === "boolean")

const isDeadline = (value: unknown): boolean =>
  value === undefined || (typeof value === "number" && value >= 0 && value <= 86_400_000)

const parse = (data: Uint8Array): Encoded<Record<string, unknown>> => {
  const parsed = parseJson(data)
  if (Either.isLeft(parsed)) return Either.left(describeRefusal(parsed.left))
  return isRecord(parsed.right) ? Either.right(parsed.right) : Either.left("not a JSON object")
}

export const decodeToServer = (data: Uint8Array): Encoded<ToServer> => {
  const parsed = parse(data)
  if (Either.isLeft(parsed)) return Either.left(parsed.left)
  const message = parsed.right
  if (!isShortString(message.client) || message.client === "") return Either.left("no client inbox")
  switch (message._tag) {
    case "Request": {
      const isWellFormed =
        isRequestId(message.id) &&
        isShortString(message.tag) &&
        isHeaders(message.headers) &&
        isOptionalTrace(message) &&
        isDeadline(message.deadlineMs)
      return isWellFormed ? Either.right(message as unknown as ToServer) : Either.left("not a request")
    }
    case "Ack":
    case "Interrupt":
    case "Ping":
      return isRequestId(message.requestId)
        ? Either.right(message as unknown as ToServer)
        : Either.left(`a ${message._tag} without a request id`)
    default:
      return Either.left(`no message of kind ${String(message._tag).slice(0, 40)} is known`)
  }
}

export const decodeToClient = (data: Uint8Array): Encoded<ToClient> => {
  const parsed = parse(data)
  if (Either.isLeft(parsed)) return Either.left(parsed.left)
  const message = parsed.right
  if (!isShortString(message.instance)) return Either.left("no answering instance")
  switch (message._tag) {
    case "Exit":
      return isRequestId(message.requestId) && isRecord(message.exit)
        ? Either.right(message as unknown as ToClient)
        : Either.left("not an exit")
    case "Chunk":
      return isRequestId(message.requestId) && Array.isArray(message.values) && message.values.length > 0
        ? Either.right(message as unknown as ToClient)
        : Either.left("not a chunk")
    case "Pong":
      return Either.right(message as unknown as ToClient)
    default:
      return Either.left(`no message of kind ${String(message._tag).slice(0, 40)} is known`)
  }
}

export const encodeMessage = (message: ToServer | ToClient): Uint8Array => stringifyToBytes(message)

const encodeCallError = Schema.encodeSync(CallError)

/** The end of one call by an error that any call may have. */
export const failedExit = (requestId: string, error: CallError): RpcMessage.ResponseExitEncoded => ({
  _tag: "Exit",
  requestId,
  exit: { _tag: "Failure", cause: { _tag: "Fail", error: encodeCallError(error) } }
})

type CauseEncoded = Extract<RpcMessage.ResponseExitEncoded["exit"], { readonly _tag: "Failure" }>["cause"]

export type Summary =
  | { readonly _tag: "Fail"; readonly error: unknown }
  | { readonly _tag: "Die"; readonly defect: unknown }
  | { readonly _tag: "Interrupt" }

/** The typed failure within a cause, if there is one, and else whether it is a defect or an interruption. */
export const summarise = (cause: CauseEncoded): Summary => {
  switch (cause._tag) {
    case "Fail":
      return { _tag: "Fail", error: cause.error }
    case "Die":
      return { _tag: "Die", defect: cause.defect }
    case "Sequential":
    case "Parallel": {
      const left = summarise(cause.left)
      if (left._tag === "Fail") return left
      const right = summarise(cause.right)
      if (right._tag === "Fail") return right
      return left._tag === "Die" ? left : right
    }
    default:
      return { _tag: "Interrupt" }
  }
}
