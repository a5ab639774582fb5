import { describe, expect, it } from "@effect/vitest"
import { Arbitrary } from "effect"
import fc from "fast-check"
import * as Address from "../../../src/protocols/wire/Address.ts"
import { AgentName, Identifier, NodeId, RunId } from "../../../src/protocols/wire/Ids.ts"
import { Limits } from "../../../src/protocols/wire/Limits.ts"
import { matches } from "../../../src/runtime/Bus.ts"

const run = Arbitrary.make(RunId)
const agent = Arbitrary.make(AgentName)
const branch = fc.constantFrom<Address.Branch>("rpc", "control")
const address = fc.oneof(
  fc.tuple(agent, branch).map(([name, at]) => Address.any(name, at)),
  fc
    .tuple(agent, fc.nat(Limits.partitions - 1), branch)
    .map(([name, partition, at]) => Address.owner(name, partition, at)),
  fc.tuple(agent, Arbitrary.make(NodeId), branch).map(([name, id, at]) => Address.instance(name, id, at))
)

const isToken = (token: string) => /^[A-Za-z0-9_-]+$/.test(token)

describe("addresses", () => {
  it("are subjects of plain tokens below their run", () => {
    fc.assert(
      fc.property(run, address, (id, to) => {
        const tokens = Address.subjectOf(id, to).split(".")
        expect(tokens.every(isToken)).toBe(true)
        expect(tokens.slice(0, 5)).toEqual(["conclave", "v1", id, to.branch, to.agent])
      })
    )
  })

  it("are different subjects when they are different addresses", () => {
    fc.assert(
      fc.property(run, address, run, address, (runA, a, runB, b) => {
        const isSame = JSON.stringify([runA, a]) === JSON.stringify([runB, b])
        expect(Address.subjectOf(runA, a) === Address.subjectOf(runB, b)).toBe(isSame)
      })
    )
  })

  it("of calls that need a role lie in a branch of their own", () => {
    const id = RunId.make("r")
    fc.assert(
      fc.property(address, (to) => {
        const tokens = Address.subjectOf(id, to).split(".")
        expect(matches(["conclave", "v1", "*", "control", ">"], tokens)).toBe(to.branch === "control")
        expect(matches(["conclave", "v1", "*", "rpc", ">"], tokens)).toBe(to.branch === "rpc")
      })
    )
  })

  it("are what other programs know them by", () => {
    const id = RunId.make("r1")
    expect(Address.subjectOf(id, Address.any("orchestrator"))).toBe("conclave.v1.r1.rpc.orchestrator.any")
    expect(Address.subjectOf(id, Address.owner("broker", 7, "control"))).toBe(
      "conclave.v1.r1.control.broker.owner.7"
    )
    expect(Address.subjectOf(id, Address.instance("node", "n1"))).toBe("conclave.v1.r1.rpc.node.instance.n1")
    expect(Address.everyoneSubject(id, "node", "rpc")).toBe("conclave.v1.r1.rpc.node.everyone")
    expect(Address.topicSubject(id, "decisions")).toBe("conclave.v1.r1.topic.decisions")
    expect(Address.topicSubject(id, "decisions", "btc")).toBe("conclave.v1.r1.topic.decisions.btc")
    expect(Address.journalSubject(id, "bars")).toBe("conclave.v1.r1.journal.bars")
  })

  it("of one run are none of another's, though its name begins the same", () => {
    fc.assert(
      fc.property(run, Arbitrary.make(Identifier), address, (id, more, to) => {
        const other = RunId.make(`${id}-${more}`.slice(0, 128))
        if (other === id) return
        const pattern = `${Address.runPrefix(id)}.>`.split(".")
        expect(matches(pattern, Address.subjectOf(id, to).split("."))).toBe(true)
        expect(matches(pattern, Address.subjectOf(other, to).split("."))).toBe(false)
      })
    )
  })
})

describe("the partition of an instrument", () => {
  it("is one of the fixed number, always the same", () => {
    fc.assert(
      fc.property(fc.fullUnicodeString(), (instrument) => {
        const partition = Address.partitionOf(instrument)
        expect(Number.isInteger(partition) && partition >= 0 && partition < Limits.partitions).toBe(true)
        expect(Address.partitionOf(instrument)).toBe(partition)
      })
    )
  })

  it("is the same on every machine and in every version: subjects and leases bear it", () => {
    expect(Limits.partitions).toBe(64)
    expect(
      ["binance:BTCUSDT:perp", "binance:BTCUSDT:spot", "file:VIX:index"].map(Address.partitionOf)
    ).toEqual([3, 38, 34])
  })

  it("spreads instruments evenly", () => {
    const counts = new Array<number>(Limits.partitions).fill(0)
    for (let i = 0; i < 6_400; i++) {
      const partition = Address.partitionOf(`venue:SYMBOL${i}:spot`)
      counts[partition] = (counts[partition] as number) + 1
    }
    // Chi-squared with 63 degrees of freedom: 103.4 is passed once in a thousand.
    expect(counts.reduce((sum, count) => sum + (count - 100) ** 2 / 100, 0)).toBeLessThan(103.4)
  })
})
