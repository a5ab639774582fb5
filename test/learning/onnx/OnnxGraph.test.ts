import { describe, expect, it } from "vitest"
import { GraphInvalid } from "../../../src/learning/errors.ts"
import { encode } from "../../../src/learning/onnx/OnnxFile.ts"
import { intAttribute, OnnxGraph } from "../../../src/learning/onnx/OnnxGraph.ts"
import { runOnnx } from "./runOnnx.ts"

const refusal = (build: (graph: OnnxGraph) => unknown): string => {
  try {
    build(new OnnxGraph("g"))
  } catch (error) {
    expect(error).toBeInstanceOf(GraphInvalid)
    return (error as GraphInvalid).message
  }
  return expect.fail("it was built")
}

describe("OnnxGraph", () => {
  it("infers shapes as onnxruntime does", async () => {
    const graph = new OnnxGraph("g")
    const x = graph.input("x", "float", ["N", 3])
    const sum = graph.node("Add", "sum", [x, graph.constant("bias", [3], [1, 2, 3])])
    const vector = graph.node("MatMul", "vector", [sum, graph.constant("v", [3], [1, 10, 100])])
    const index = graph.node("Cast:int64", "index", [
      graph.node("Clip", "clipped", [vector, graph.scalar("low", 0), graph.scalar("high", 1)])
    ])
    const rows = graph.node(
      "Gather",
      "rows",
      [graph.constant("table", [2, 2], [1, 2, 3, 4]), index],
      [intAttribute("axis", 0)]
    )
    const columns = graph.node(
      "Gather",
      "columns",
      [x, graph.constant("at", [2], [2, 0], "int64")],
      [intAttribute("axis", 1)]
    )
    const joined = graph.node("Concat", "joined", [rows, columns], [intAttribute("axis", 1)])
    const softmax = graph.node("Softmax", "softmax", [joined], [intAttribute("axis", 1)])
    for (const value of [vector, joined, softmax]) graph.output(value)
    expect([vector, joined, softmax].map((value) => value.dims)).toEqual([["N"], ["N", 4], ["N", 4]])

    const out = await runOnnx(encode(graph.model(new Map())), {
      x: { dims: [2, 3], values: [0, 0, 0, -9, 0, 0] }
    })
    expect(out.vector).toEqual({ dims: [2], values: [321, 312] })
    expect(out.joined).toEqual({ dims: [2, 4], values: [3, 4, 0, 0, 3, 4, 0, -9] })
    expect(out.softmax?.dims).toEqual([2, 4])
  })

  it("names the node whose inputs do not fit", () => {
    expect(
      refusal((graph) =>
        graph.node("Add", "sum", [graph.input("x", "float", ["N", 3]), graph.constant("b", [2], [1, 2])])
      )
    ).toBe('Node "sum" (Add) of graph "g" does not fit: [N, 3] and [2] cannot be broadcast.')
    expect(
      refusal((graph) =>
        graph.node("MatMul", "product", [
          graph.input("x", "float", ["N", 3]),
          graph.constant("w", [2, 1], [1, 2])
        ])
      )
    ).toContain('"product" (MatMul)')
    expect(
      refusal((graph) => {
        const x = graph.input("x", "float", ["N", 3])
        return graph.node(
          "Concat",
          "joined",
          [x, graph.input("y", "float", [4, 3])],
          [intAttribute("axis", 1)]
        )
      })
    ).toContain("[N, 3] and [4, 3] cannot be joined along axis 1")
    expect(
      refusal((graph) =>
        graph.node("Gather", "taken", [graph.input("x", "float", [2]), graph.scalar("i", 0)])
      )
    ).toContain("indices are float")
    expect(
      refusal((graph) => {
        const x = graph.input("x", "float", [2])
        return graph.node("Add", "mixed", [x, graph.constant("i", [2], [1, 2], "int64")])
      })
    ).toContain("float and int64 do not mix")
  })

  it("refuses a name given twice, a foreign value and a shape with a second open size", () => {
    expect(
      refusal((graph) => {
        graph.scalar("x", 1)
        graph.scalar("x", 2)
      })
    ).toContain("its name is taken")
    const foreign = new OnnxGraph("other").scalar("x", 1)
    expect(refusal((graph) => graph.node("Log", "log", [foreign]))).toContain("no value of this graph")
    expect(refusal((graph) => graph.output(foreign))).toContain("no value of this graph")
    expect(refusal((graph) => graph.input("x", "float", ["N", "M"]))).toContain("not static")
    expect(refusal((graph) => graph.constant("c", [3], [1, 2]))).toContain(
      "2 values do not fill the shape [3]"
    )
  })
})
