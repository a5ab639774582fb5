import { describe, expect, it } from "@effect/vitest"
import {
  beforeChampion,
  champion,
  type Deployed,
  evolveDeployed,
  modelOfKind,
  networkAlias,
  networkDeployment,
  networkKindOf,
  noneDeployed,
  servingAlias,
  standingsOf
} from "../../../src/agents/deep-learning/Deployed.ts"
import type { Deployment, ModelEvent, ModelManifest } from "../../../src/protocols/Model.ts"
import { NetworkModel } from "../../../src/protocols/Prediction.ts"
import { TimeFrame } from "../../../src/protocols/TimeFrame.ts"
import { asOfAt, timeFrame } from "../feedEvents.ts"
import { activated, manifestOf, published, retired } from "../model-manager/manifests.ts"

const linear = manifestOf("linear")
const network = (name: string, changes: Partial<ModelManifest> = {}) =>
  manifestOf(name, { kind: "network-lstm", ...changes })
const [one, two, three] = [network("one"), network("two"), network("three")]
const cnn = network("cnn", { kind: "network-cnn" })
const lstmAlias = networkAlias("lstm", timeFrame)
const serving = servingAlias(timeFrame)

const having = (...events: ReadonlyArray<ModelEvent>): Deployed =>
  events.reduce(evolveDeployed, noneDeployed())
const at = (alias: string, { digest }: ModelManifest, previous: ModelManifest | null = null) =>
  activated(digest, { alias, previous: previous?.digest ?? null })

describe("what is deployed", () => {
  it("names networks and their deployments after themselves", () => {
    for (const model of NetworkModel.literals) expect(modelOfKind(networkKindOf(model))).toBe(model)
    for (const kind of ["linear", "q-table", "network-", "network-other", "lstm", ""]) {
      expect(modelOfKind(kind)).toBeUndefined()
    }
    expect(lstmAlias).toBe("deep-learning/network-lstm/1h")
    expect(serving).toBe("deep-learning/serving/1h")
  })

  it("is folded from what the models' stream says, of this agent alone", () => {
    const deployed = having(
      published(linear),
      published(one),
      published(manifestOf("table", { kind: "q-table", voter: "reinforcement-learning" })),
      published(manifestOf("other", { voter: "reinforcement-learning" })),
      at("deep-learning/linear/1h", linear),
      at("reinforcement-learning/q-table/1h", linear),
      at(lstmAlias, one)
    )
    expect([...deployed.manifests.values()]).toEqual([one])
    expect(deployed.linear).toEqual(linear)
    expect([...deployed.deployments.keys()]).toEqual(["deep-learning/linear/1h", lstmAlias])
    expect(networkDeployment(deployed, "lstm", timeFrame)?.version).toBe(one.digest)
    expect(networkDeployment(deployed, "cnn", timeFrame)).toBeUndefined()
    expect(networkDeployment(deployed, "lstm", TimeFrame.make("4h"))).toBeUndefined()
  })

  it("holds the latest deployment under each name, and no version that was retired", () => {
    const deployed = having(
      published(one),
      at(lstmAlias, one),
      published(two),
      at(lstmAlias, two, one),
      retired(one.digest)
    )
    expect(networkDeployment(deployed, "lstm", timeFrame)).toMatchObject({
      version: two.digest,
      previous: one.digest
    })
    expect([...deployed.manifests.keys()]).toEqual([two.digest])
  })
})

describe("the network that votes", () => {
  it("is the one that is named as serving, of its time frame, and none before", () => {
    const events = [published(one), at(lstmAlias, one)]
    expect(champion(having(...events), timeFrame)).toBeUndefined()
    const deployed = having(...events, at(serving, one))
    expect(champion(deployed, timeFrame)).toMatchObject({
      manifest: one,
      deployment: { version: one.digest, alias: serving }
    })
    expect(champion(deployed, TimeFrame.make("4h"))).toBeUndefined()
  })

  it("is none where the linear forecaster is named, or a version that is gone", () => {
    const events = [published(linear), published(one), at(lstmAlias, one), at(serving, one)]
    expect(champion(having(...events, at(serving, linear, one)), timeFrame)).toBeUndefined()
    expect(champion(having(...events, retired(one.digest)), timeFrame)).toBeUndefined()
  })

  it("has the version of the same network before it, as long as that is there", () => {
    const first = [published(one), at(lstmAlias, one), at(serving, one)]
    expect(beforeChampion(having(...first), timeFrame)).toBeNull()
    expect(beforeChampion(noneDeployed(), timeFrame)).toBeNull()
    const second = [
      ...first,
      published({ ...two, parent: one.digest }),
      at(lstmAlias, two, one),
      at(serving, two, one)
    ]
    expect(beforeChampion(having(...second), timeFrame)).toBe(one.digest)
    expect(beforeChampion(having(...second, retired(one.digest)), timeFrame)).toBeNull()
  })

  it("never has itself before it: a later version of the network may be there that does not vote", () => {
    const events = [
      published(one),
      at(lstmAlias, one),
      published({ ...two, parent: one.digest }),
      at(lstmAlias, two, one),
      at(serving, two),
      published({ ...three, parent: two.digest }),
      at(lstmAlias, three, two)
    ]
    const deployed = having(...events)
    expect(champion(deployed, timeFrame)?.deployment.version).toBe(two.digest)
    expect(beforeChampion(deployed, timeFrame)).toBe(one.digest)
    expect(beforeChampion(having(...events, retired(one.digest)), timeFrame)).toBeNull()
  })

  it("does not take another network for the version before it", () => {
    const deployed = having(
      published(cnn),
      at(networkAlias("cnn", timeFrame), cnn),
      at(serving, cnn),
      published({ ...one, parent: cnn.digest }),
      at(lstmAlias, one),
      at(serving, one, cnn)
    )
    expect(beforeChampion(deployed, timeFrame)).toBeNull()
  })
})

describe("how models stand", () => {
  const deploymentOf = ({ digest }: ModelManifest, alias = "deep-learning/linear/1h"): Deployment => ({
    alias,
    version: digest,
    previous: null,
    share: 1,
    since: asOfAt(100),
    reason: "it was better"
  })

  it("is told of every model that can be asked, the linear forecaster first, and of who votes", () => {
    const events = [
      published(linear),
      published(one),
      published(cnn),
      at(lstmAlias, one),
      at(networkAlias("cnn", timeFrame), cnn)
    ]
    const standings = (deployed: Deployed) => standingsOf(deployed, deploymentOf(linear), timeFrame, 4)
    const before = standings(having(...events))
    expect(before.map(({ isServing, model, version }) => [model, version, isServing])).toEqual([
      ["linear", linear.digest, true],
      ["lstm", one.digest, false],
      ["cnn", cnn.digest, false]
    ])
    expect(before[0]).toEqual({
      model: "linear",
      timeFrame,
      version: linear.digest,
      horizonBars: 4,
      since: asOfAt(100),
      isServing: true,
      metrics: linear.metrics,
      reason: "it was better"
    })
    const voting = standings(having(...events, at(serving, cnn)))
    expect(voting.map(({ isServing, model }) => [model, isServing])).toEqual([
      ["linear", false],
      ["lstm", false],
      ["cnn", true]
    ])
  })

  it("is told of networks of other time frames, whoever votes in the feed's", () => {
    const longer = network("longer", { timeFrame: TimeFrame.make("4h"), horizonBars: 4 })
    const deployed = having(
      published(one),
      at(lstmAlias, one),
      at(serving, one),
      published(longer),
      at(networkAlias("lstm", longer.timeFrame), longer)
    )
    expect(
      standingsOf(deployed, null, timeFrame, 4).map(({ isServing, timeFrame: of }) => [of, isServing])
    ).toEqual([
      [timeFrame, true],
      ["4h", false]
    ])
  })

  it("has no linear forecaster before there is one or a time frame, and no metrics of a version that is not its own", () => {
    expect(standingsOf(noneDeployed(), null, timeFrame, 4)).toEqual([])
    expect(standingsOf(noneDeployed(), deploymentOf(linear), null, 4)).toEqual([])
    const [standing] = standingsOf(
      having(published(linear)),
      deploymentOf(manifestOf("linear before")),
      timeFrame,
      4
    )
    expect(standing?.metrics).toEqual([])
  })

  it("says nothing of a deployment whose version is gone", () => {
    const deployed = having(published(one), at(lstmAlias, one), retired(one.digest))
    expect(standingsOf(deployed, null, timeFrame, 4)).toEqual([])
  })
})
