/** How a source says that it failed: bounded, whatever the other side had to say. */
import { Config, Effect, Option, Redacted } from "effect"
import { truncateReason } from "../../../protocols/wire/Ids.ts"
import { SourceFailed } from "../errors.ts"

export const sourceFailed = (
  source: string,
  kind: SourceFailed["kind"],
  reason: string,
  retryAfterMs: number | null = null
): SourceFailed => new SourceFailed({ source, kind, reason: truncateReason(reason), retryAfterMs })

const messageOf = ({ message, name }: Error): string => (message === "" ? name : message)

export const reasonOf = (cause: unknown): string => {
  if (!(cause instanceof Error)) return String(cause)
  // fetch says "fetch failed", and why in its cause.
  const inner = cause.cause instanceof Error ? `: ${messageOf(cause.cause)}` : ""
  return `${messageOf(cause)}${inner}`
}

/** The value of the environment variable that holds a source's secret; undefined where none is named. */
export const readSecret = (
  source: string,
  variable: string | undefined
): Effect.Effect<Redacted.Redacted<string> | undefined, SourceFailed> =>
  variable === undefined
    ? Effect.succeed(undefined)
    : Config.option(Config.redacted(variable)).pipe(
        Effect.mapError((error) => sourceFailed(source, "refused", String(error))),
        Effect.flatMap((secret) => {
          // Whoever wrote it into a file ended the line.
          const text = Option.isSome(secret) ? Redacted.value(secret.value).trim() : ""
          return text === ""
            ? sourceFailed(source, "refused", `the environment variable ${variable} is not set`)
            : Effect.succeed(Redacted.make(text))
        })
      )

/** An address with the user and password of a secret `user:password`; what stands alone is the one or the other. */
export const withCredentials = (
  url: string,
  secret: Redacted.Redacted<string> | undefined,
  alone: "user" | "password"
): string => {
  if (secret === undefined) return url
  const text = Redacted.value(secret)
  const colon = text.indexOf(":")
  const [user, password] =
    colon >= 0 ? [text.slice(0, colon), text.slice(colon + 1)] : alone === "user" ? [text, ""] : ["", text]
  const full = new URL(url)
  full.username = encodeURIComponent(user)
  full.password = encodeURIComponent(password)
  return full.href
}
