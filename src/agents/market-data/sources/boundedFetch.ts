/** One HTTP request whose answer is read whole, within a limit of bytes, and never from where it redirects to. */
import type { SourceFailed } from "../errors.ts"
import { reasonOf, sourceFailed } from "./failure.ts"

export interface BoundedRequest {
  readonly method?: string | undefined
  readonly headers?: Record<string, string> | undefined
  readonly body?: string | null | undefined
  readonly signal: AbortSignal
  readonly bytesMax: number
}

export interface BoundedAnswer {
  readonly status: number
  readonly statusText: string
  readonly headers: Headers
  readonly bytes: Buffer
}

const retryAfterMsMax = 3_600_000

/** Seconds, as rate limits say it. A date would have to be compared with a clock that is not theirs. */
const retryAfterMs = (headers: Headers): number | null => {
  const seconds = Number(headers.get("retry-after") ?? Number.NaN)
  return seconds >= 0 ? Math.min(seconds * 1_000, retryAfterMsMax) : null
}

/** What an answer's status has to say about the source; null where it is one to read. */
export const refusalOf = (source: string, { headers, status }: BoundedAnswer): SourceFailed | null => {
  if (status === 429 || status === 418) {
    return sourceFailed(source, "rate-limited", `it answers ${status}`, retryAfterMs(headers))
  }
  if (status >= 500) {
    return sourceFailed(source, "unavailable", `it answers ${status}`, retryAfterMs(headers))
  }
  return status >= 400 ? sourceFailed(source, "refused", `it answers ${status}`) : null
}

/** Rejects with `SourceFailed`, or with the signal's reason. */
export const boundedFetch = async (
  source: string,
  url: string,
  { body, bytesMax, headers, method, signal }: BoundedRequest
): Promise<BoundedAnswer> => {
  const failed = (cause: unknown) => {
    signal.throwIfAborted()
    return sourceFailed(source, "unavailable", reasonOf(cause))
  }
  const response = await fetch(url, {
    method: method ?? "GET",
    headers: headers ?? {},
    body: body ?? null,
    redirect: "error",
    signal
  }).catch((cause: unknown) => {
    throw failed(cause)
  })
  const chunks: Array<Uint8Array> = []
  let size = 0
  try {
    for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      size += chunk.byteLength
      // Leaving the loop cancels the rest.
      if (size > bytesMax) break
      chunks.push(chunk)
    }
  } catch (cause) {
    throw failed(cause)
  }
  if (size > bytesMax) {
    throw sourceFailed(source, "malformed", `its answer is longer than ${bytesMax} bytes`)
  }
  const { status, statusText } = response
  return { status, statusText, headers: response.headers, bytes: Buffer.concat(chunks) }
}
