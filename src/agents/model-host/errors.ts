/** What keeps an execution provider from serving. */
import { Schema } from "effect"

export const ProviderUnfitReason = Schema.Literal(
  /** onnxruntime was built without it for this platform. */
  "not-offered",
  /** Its package is not there, or not with its native part. */
  "not-installed",
  /** A library that it loads is not there. */
  "library-missing",
  /** No device, or none that it takes. */
  "no-device",
  /** It answers otherwise than the CPU. */
  "wrong-answers",
  /** It takes longer than the CPU. */
  "slower",
  /** It works, but artefacts are ONNX files, and it reads none. */
  "reads-no-onnx",
  /** The process that used it died. */
  "died",
  "failed"
)
export type ProviderUnfitReason = typeof ProviderUnfitReason.Type

export class ProviderUnfit extends Schema.TaggedError<ProviderUnfit>()("ProviderUnfit", {
  provider: Schema.String,
  reason: ProviderUnfitReason,
  detail: Schema.String
}) {
  override get message() {
    return `${this.provider}: ${this.reason} (${this.detail})`
  }
}
