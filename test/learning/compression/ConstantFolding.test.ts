import { describe, expect, it } from "@effect/vitest"
import { foldConstants } from "../../../src/learning/compression/ConstantFolding.ts"
import { answersOf, feedsFor, firstParameters, networks, servedModel } from "./networks.ts"

const moving = new Set(["Identity", "Reshape", "Transpose", "Squeeze", "Slice", "Concat"])

describe("constants that are only moved about", () => {
  for (const [name, spec] of networks) {
    it(`are known beforehand in the model of a ${name}, which answers the same bits`, async () => {
      const model = servedModel(spec, firstParameters(spec, 7))
      const folded = { ...model, graph: foldConstants(model.graph) }
      const constants = new Set(folded.graph.initializers.map((one) => one.name))
      const left = folded.graph.nodes.filter(
        ({ inputs, op }) => moving.has(op) && inputs.every((input) => constants.has(input))
      )
      expect(left).toEqual([])
      const used = new Set(folded.graph.nodes.flatMap(({ inputs }) => inputs))
      expect([...constants].filter((constant) => !used.has(constant))).toEqual([])
      const feeds = feedsFor(spec, "folding", 5)
      expect(await answersOf(folded, feeds)).toEqual(await answersOf(model, feeds))
    })
  }

  it("stay where a feed may replace them", () => {
    const spec = networks[0]?.[1]
    if (spec === undefined) throw new Error("no networks")
    const { graph } = servedModel(
      { ...spec, body: { kind: "lstm", hidden: 4, layers: 1, dropout: 0 } },
      new Float32Array(1_000)
    )
    const inputs = [
      ...graph.inputs,
      ...graph.initializers.map(({ dims, elementType, name }) => ({ name, elementType, dims }))
    ]
    expect(foldConstants({ ...graph, inputs }).nodes.length).toBe(graph.nodes.length)
    expect(foldConstants(graph).nodes.length).toBeLessThan(graph.nodes.length)
  })
})
