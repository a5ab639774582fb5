/** Names what a native library throws: it has words, and no codes. */
import type { ProviderUnfitReason } from "./errors.ts"
import type { Unfit } from "./frames.ts"

const detailLengthMax = 160

const named: ReadonlyArray<readonly [words: RegExp, reason: ProviderUnfitReason]> = [
  [/backend not found/i, "not-offered"],
  [/cannot find (package|module)|native addon module .* can not be found/i, "not-installed"],
  [/shared library|shared object|LoadLibrary/i, "library-missing"],
  [/adapter|no cuda-capable device|no device|NoDevice|driver version is insufficient/i, "no-device"]
]

export const unfitOf = (cause: unknown): Unfit => {
  const text = (cause instanceof Error ? cause.message : String(cause)).replace(/\s+/g, " ").trim()
  const reason = named.find(([words]) => words.test(text))?.[1] ?? "failed"
  // onnxruntime says first where in its sources it happened, and which condition was not met.
  const [, said = text] = /^\/\S+:\d+ .* was false\. (.+)$/.exec(text) ?? []
  return { reason, detail: said.length <= detailLengthMax ? said : `${said.slice(0, detailLengthMax - 1)}…` }
}
