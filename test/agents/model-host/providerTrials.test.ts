import { existsSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { listSupportedBackends } from "onnxruntime-node"
import { Provider } from "../../../src/agents/model-host/Provider.ts"
import { tryProvider } from "../../../src/agents/model-host/providerTrials.ts"
import { unfitOf } from "../../../src/agents/model-host/unfitOf.ts"
import { bundled } from "../../support/bundle.ts"
import { temporaryDirectory } from "../../support/directory.ts"

const memoryBytesMax = 2 * 1024 * 1024 * 1024
const offers = Provider.literals.map((provider) => ({ provider, onlyIfFaster: false }))

describe("a trial of a provider", () => {
  it.scopedLive("says that each works, or by a known name why it does not", () =>
    Effect.gen(function* () {
      const script = yield* bundled("src/agents/model-host/main.ts")
      const offered = listSupportedBackends().map(({ name }) => name)
      for (const offer of offers) {
        const { provider, unfit } = yield* tryProvider(offer, { script, memoryBytesMax })
        expect(provider).toBe(offer.provider)
        if (unfit === null) continue
        expect(unfit.detail).not.toBe("")
        if (provider === "tensorflow-gpu") {
          expect(["not-installed", "library-missing", "no-device", "reads-no-onnx"]).toContain(unfit.reason)
        } else if (!offered.includes(provider)) expect(unfit.reason).toBe("not-offered")
        else expect(["library-missing", "no-device"]).toContain(unfit.reason)
      }
    })
  )

  it.scopedLive("is survived when its process dies", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const script = join(directory, "dies.mjs")
      // Says that it is ready, and aborts when something is asked of it.
      writeFileSync(
        script,
        `import { Socket } from "node:net"
         const pipe = new Socket({ fd: 3, readable: true, writable: true })
         const ready = Buffer.alloc(17)
         ready.writeUInt32LE(13, 0); ready.writeUInt8(1, 4); ready.writeUInt32LE(4, 9); ready.write("null", 13)
         pipe.write(ready)
         pipe.once("data", () => process.abort())`
      )
      expect(existsSync(script)).toBe(true)
      const { unfit } = yield* tryProvider(
        { provider: "webgpu", onlyIfFaster: true },
        { script, memoryBytesMax }
      )
      expect(unfit).toMatchObject({ _tag: "ProviderUnfit", provider: "webgpu", reason: "died" })
      expect(unfit?.message).toContain("SIGABRT")
    })
  )
})

describe("what a native library throws", () => {
  it.each([
    [
      "/onnxruntime_src/onnxruntime/core/providers/webgpu/webgpu_context.cc:136 onnxruntime::webgpu::WebGpuContext::Initialize(const onnxruntime::webgpu::WebGpuContextConfig&)::<lambda()> adapter_result.status == wgpu::RequestAdapterStatus::Success was false. Failed to get a WebGPU adapter: No supported adapters\n",
      "no-device",
      "Failed to get a WebGPU adapter: No supported adapters"
    ],
    [
      "OrtSessionOptionsAppendExecutionProvider_Cuda: Failed to load shared library",
      "library-missing",
      "OrtSessionOptionsAppendExecutionProvider_Cuda: Failed to load shared library"
    ],
    [
      "no available backend found. ERR: [dml] backend not found.",
      "not-offered",
      "no available backend found. ERR: [dml] backend not found."
    ],
    [
      "The Node.js native addon module (tfjs_binding.node) can not be found at path: /a/b.node. \nPlease run",
      "not-installed",
      "The Node.js native addon module (tfjs_binding.node) can not be found at path: /a/b.node. Please run"
    ],
    ["x".repeat(200), "failed", `${"x".repeat(159)}…`],
    ["Cannot find package '@tensorflow/tfjs-node-gpu' imported from x", "not-installed", undefined],
    ["something else", "failed", "something else"]
  ])("has a name: %s", (text, reason, detail) => {
    const unfit = unfitOf(new Error(text))
    expect(unfit.reason).toBe(reason)
    if (detail !== undefined) expect(unfit.detail).toBe(detail)
  })
})
