/** Sentences of a made-up press for tests, labelled by how they were made; each with names of its own. */
import { Either } from "effect"
import { runThrough } from "../../../src/learning/steps.ts"
import type { LabelledText } from "../../../src/learning/text/SentenceClassifier.ts"
import { sentenceGroup } from "../../../src/learning/text/SentenceTerms.ts"
import { makeTermTable } from "../../../src/learning/text/TermTable.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"

const firms = ["Aalto", "Birch", "Cedar", "Delta", "Elm", "Fjord", "Grove", "Harbour", "Iris", "Juniper"]
const things = ["profit", "net sales", "revenue", "operating income", "earnings per share"]
const moves = [
  ["fell to", "declined to", "dropped to"],
  ["is based in", "will publish its report in", "has offices in"],
  ["rose to", "increased to", "climbed to"]
]
const places = ["Oslo", "Turku", "Riga", "Lyon", "Porto", "Vilnius"]
const months = ["January", "March", "May", "July", "October", "December"]

export interface MadeSentence {
  readonly sentence: string
  readonly label: number
}

export const makeSentences = (count: number, seed = 1): ReadonlyArray<MadeSentence> => {
  const random = keyedRandom("test sentences", seed)
  const one = <A>(from: ReadonlyArray<A>): A => from[random.int(from.length)] as A
  return Array.from({ length: count }, (_, i) => {
    const label = i % 3
    const firm = `${one(firms)} ${one(firms)} ${one(places)}`
    const move = one(moves[label] as ReadonlyArray<string>)
    if (label === 1) return { label, sentence: `${firm} ${move} ${one(places)} in ${one(months)} .` }
    const now = 10 + random.int(90)
    const change = 1 + random.int(9)
    const before = label === 0 ? now + change : now - change
    return {
      label,
      sentence: `${firm} said its ${one(things)} ${move} EUR ${now} mn in ${one(months)} from EUR ${before} mn .`
    }
  })
}

export const textOf = (made: ReadonlyArray<MadeSentence>): LabelledText => ({
  table: Either.getOrThrow(runThrough(makeTermTable(made.map(({ sentence }) => sentence)))),
  labels: Uint8Array.from(made, ({ label }) => label),
  groups: made.map(({ sentence }) => sentenceGroup(sentence))
})
