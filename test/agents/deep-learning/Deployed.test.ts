import { describe, expect, it } from "@effect/vitest"
import {
  beforeChampion,
  champion,
  type Deployed,
  evolveDeployed,
  learnedTo,
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

describe("the network that votes, once it was calibrated anew", () => {
  const ofNetwork = ({ fittedAsOf }: ModelManifest) => ({ name: learnedTo, value: fittedAsOf })
  const anew = network("anew", { parent: one.digest, fittedAsOf: asOfAt(150), metrics: [ofNetwork(one)] })
  const again = network("again", { parent: anew.digest, fittedAsOf: asOfAt(180), metrics: [ofNetwork(one)] })
  const later = network("later", { parent: anew.digest, fittedAsOf: asOfAt(200) })
  const laterAnew = network("later anew", {
    parent: later.digest,
    fittedAsOf: asOfAt(250),
    metrics: [ofNetwork(later)]
  })
  const since = (alias: string, of: ModelManifest, previous: ModelManifest | null) =>
    activated(of.digest, { alias, previous: previous?.digest ?? null, since: of.fittedAsOf })
  const promoted = [
    published(linear),
    published(one),
    since(lstmAlias, one, null),
    since(serving, one, linear)
  ]
  const calibrated = [...promoted, published(anew), since(lstmAlias, anew, one)]
  const whoServes = (deployed: Deployed) =>
    standingsOf(deployed, null, timeFrame, 4).map(({ isServing, version }) => [version, isServing])

  it("votes in the place of the one that was promoted, since its own deployment and by that one's", () => {
    const deployed = having(...calibrated)
    expect(champion(deployed, timeFrame)).toEqual({
      deployment: deployed.deployments.get(serving),
      manifest: anew,
      since: asOfAt(150)
    })
    expect(champion(deployed, timeFrame)?.deployment).toMatchObject({
      version: one.digest,
      previous: linear.digest,
      since: asOfAt(100)
    })
    expect(whoServes(having(...promoted))).toEqual([[one.digest, true]])
    expect(whoServes(deployed)).toEqual([[anew.digest, true]])
    // The one that it was made of stands in for it.
    expect(beforeChampion(deployed, timeFrame)).toBe(one.digest)
    const twice = having(...calibrated, published(again), since(lstmAlias, again, anew))
    expect(champion(twice, timeFrame)).toMatchObject({ manifest: again, since: asOfAt(180) })
    expect(beforeChampion(twice, timeFrame)).toBe(anew.digest)
  })

  it("is the one that was promoted again as soon as the other is retired", () => {
    const deployed = having(...calibrated, retired(anew.digest))
    expect(champion(deployed, timeFrame)).toMatchObject({ manifest: one, since: asOfAt(100) })
    expect(beforeChampion(deployed, timeFrame)).toBeNull()
  })

  it("is no later training that was not promoted, nor that one calibrated anew", () => {
    const trainedLater = [...calibrated, published(later), since(lstmAlias, later, anew)]
    const before = having(...trainedLater)
    expect(champion(before, timeFrame)).toMatchObject({ manifest: one, since: asOfAt(100) })
    expect(whoServes(before)).toEqual([[later.digest, false]])
    const laterCalibrated = [...trainedLater, published(laterAnew), since(lstmAlias, laterAnew, later)]
    const after = having(...laterCalibrated)
    expect(champion(after, timeFrame)).toMatchObject({ manifest: one, since: asOfAt(100) })
    expect(whoServes(after)).toEqual([[laterAnew.digest, false]])
    // Promoted, it is.
    const both = having(...laterCalibrated, since(serving, later, one))
    expect(champion(both, timeFrame)).toMatchObject({ manifest: laterAnew, since: asOfAt(250) })
    expect(whoServes(both)).toEqual([[laterAnew.digest, true]])
  })

  it("is none of another network, which happens to have learned up to the same as-of", () => {
    const other = network("other", { kind: "network-cnn", metrics: [ofNetwork(one)] })
    const deployed = having(...promoted, published(other), since(networkAlias("cnn", timeFrame), other, null))
    expect(champion(deployed, timeFrame)?.manifest).toEqual(one)
    expect(whoServes(deployed)).toEqual([
      [one.digest, true],
      [other.digest, false]
    ])
  })

  it("votes no longer once the linear forecaster is named as serving", () => {
    const deployed = having(...calibrated, since(serving, linear, one))
    expect(champion(deployed, timeFrame)).toBeUndefined()
    expect(whoServes(deployed)).toEqual([[anew.digest, false]])
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
