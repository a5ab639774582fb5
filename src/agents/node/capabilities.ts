/** What this machine can do, as systeminformation finds it. Looking takes a while and happens once. */
import { Effect } from "effect"
import systeminformation from "systeminformation"
import type { Capabilities } from "../../protocols/NodeStatus.ts"

export const readCapabilities: Effect.Effect<Capabilities | null> = Effect.tryPromise(async () => {
  const [cpu, memory, graphics, os] = await Promise.all([
    systeminformation.cpu(),
    systeminformation.mem(),
    systeminformation.graphics(),
    systeminformation.osInfo()
  ])
  return {
    platform: `${os.platform} ${os.release} ${os.arch}`.trim(),
    cpuModel: `${cpu.manufacturer} ${cpu.brand}`.trim(),
    cpuCores: cpu.cores,
    memoryBytes: memory.total,
    gpus: graphics.controllers
      .map(({ model, vendor }) => `${vendor} ${model}`.trim())
      .filter((gpu) => gpu !== ""),
    node: process.version
  }
}).pipe(
  Effect.catchAll((error) =>
    Effect.as(Effect.logWarning("The capabilities of this machine are unknown", error), null)
  )
)
