import { describe, expect, it } from "@effect/vitest"
import { Tensor } from "onnxruntime-node"
import {
  type Feeds,
  type HeldModel,
  holdModel,
  type Session
} from "../../../src/agents/model-host/HeldModel.ts"

const feeds: Feeds = { x: new Tensor("float32", Float32Array.of(1), [1]) }
const bytes = Uint8Array.of(1)

/** Sessions that answer as told, and take as long as told on a clock of their own. */
const make = (there: { readonly answer: () => number; readonly takesMs?: number }) => {
  let clock = 0
  const counts = { opened: 0, there: 0, onCpu: 0, released: 0 }
  const session = (of: "there" | "onCpu", answer: () => number, takesMs: number): Session => ({
    run: async () => {
      counts[of]++
      clock += takesMs
      return { y: new Tensor("float32", Float32Array.of(answer()), [1]) }
    },
    release: async () => void counts.released++
  })
  const model = holdModel({
    onCpu: session("onCpu", () => 0.5, 10),
    now: () => clock,
    open: async () => {
      counts.opened++
      return session("there", there.answer, there.takesMs ?? 1)
    }
  })
  const ask = async () => {
    const results = await model.run(feeds)
    await model.settle()
    return (results.y as Tensor).data[0]
  }
  return { model, counts, ask }
}

const auto = { provider: "webgpu", onlyIfFaster: true } as const
const named = { provider: "webgpu", onlyIfFaster: false } as const
const reasonOf = (model: HeldModel) => model.takeSettled()?.unfit?.reason

describe("a held model", () => {
  it("is served on the CPU alone when nothing is offered", async () => {
    const { ask, counts, model } = make({ answer: () => 0.25 })
    expect([await ask(), await ask()]).toEqual([0.5, 0.5])
    expect(counts).toEqual({ opened: 0, there: 0, onCpu: 2, released: 0 })
    expect(model.takeSettled()).toBeUndefined()
  })

  it("answers its first rows on the CPU, and goes on where they came out the same", async () => {
    const near = 0.5004
    const { ask, counts, model } = make({ answer: () => near })
    model.offer(auto, bytes)
    expect(await ask()).toBe(0.5)
    expect(model.takeSettled()).toEqual({ provider: "webgpu", unfit: null })
    expect(model.takeSettled()).toBeUndefined()
    const before = counts.onCpu
    expect(await ask()).toBe(Math.fround(near))
    expect(counts.onCpu).toBe(before)
  })

  it.each([0.6, Number.NaN, Number.POSITIVE_INFINITY])(
    "stays on the CPU where a provider says %d instead",
    async (wrong) => {
      for (const offer of [auto, named]) {
        const { ask, counts, model } = make({ answer: () => wrong })
        model.offer(offer, bytes)
        expect([await ask(), await ask()]).toEqual([0.5, 0.5])
        expect(reasonOf(model)).toBe("wrong-answers")
        expect(counts.released).toBe(1)
      }
    }
  )

  it("stays on the CPU where a provider takes longer, unless that was asked for by its name", async () => {
    const slow = { answer: () => 0.5002, takesMs: 11 }
    const one = make(slow)
    one.model.offer(auto, bytes)
    expect([await one.ask(), await one.ask()]).toEqual([0.5, 0.5])
    expect(reasonOf(one.model)).toBe("slower")
    const other = make(slow)
    other.model.offer(named, bytes)
    expect([await other.ask(), await other.ask()]).toEqual([0.5, Math.fround(0.5002)])
    expect(other.model.takeSettled()).toEqual({ provider: "webgpu", unfit: null })
  })

  it("stays on the CPU where a provider refuses the model, and does not ask it again", async () => {
    const { ask, counts, model } = make({
      answer: () => {
        throw new Error("no kernel")
      }
    })
    for (let i = 0; i < 3; i++) {
      model.offer(auto, bytes)
      expect(await ask()).toBe(0.5)
    }
    expect(reasonOf(model)).toBe("failed")
    expect(counts).toMatchObject({ opened: 1, there: 1, released: 1 })
  })

  it("goes back to the CPU when a provider fails later, within the same answer", async () => {
    let isLost = false
    const { ask, counts, model } = make({
      answer: () => {
        if (isLost) throw new Error("the device was lost")
        return 0.5
      }
    })
    model.offer(named, bytes)
    await ask()
    expect(reasonOf(model)).toBeUndefined()
    isLost = true
    expect(await ask()).toBe(0.5)
    expect(reasonOf(model)).toBe("failed")
    const before = counts.there
    expect(await ask()).toBe(0.5)
    expect(counts).toMatchObject({ there: before, released: 1 })
  })
})
