/**
 * What versions of networks, or of the linear forecaster, say of rows whose outcomes are known, in a process that answers nobody
 * else.
 *
 * What can go wrong: an artefact that cannot see bars (ArtefactRefused), what the model host says, a feature that is not finite.
 */
import { Effect, Either } from "effect"
import { ArtefactRefused } from "../../protocols/errors.ts"
import { sha256 } from "../../protocols/wire/Json.ts"
import type * as ChildProcess from "../../runtime/ChildProcess.ts"
import { runRowsOf } from "../training/evaluateModel.ts"
import { checkModel } from "../training/ModelFile.ts"
import { looksAtAll } from "../training/ModelInput.ts"
import { loadModel } from "../training/ModelRun.ts"
import type { QuestionRows } from "../training/QuestionRows.ts"
import { askMatured, type Reviewed } from "./review.ts"

/** How an artefact sees bars, how many rows of them at a time, and when the last outcome that it has learned from was known. */
export const reviewedAs = (
  artefact: Uint8Array
): Either.Either<Omit<Reviewed, "ask"> & { readonly knownTo: number | undefined }, ArtefactRefused> =>
  Either.gen(function* () {
    const refused = (reason: string) => new ArtefactRefused({ digest: sha256(artefact), reason })
    const { input, trained } = yield* Either.mapLeft(checkModel(artefact), refused)
    if (input === undefined) return yield* Either.left(refused("it cannot see bars"))
    const together = looksAtAll(input) ? (trained?.data.instruments ?? []) : null
    return { input, together, rowsMax: runRowsOf({ trained }), knownTo: trained?.data.knownTo }
  })

export const answersOfNetwork = (child: ChildProcess.Child, artefact: Uint8Array, rows: QuestionRows) =>
  Effect.gen(function* () {
    const seen = yield* reviewedAs(artefact)
    const ask = yield* loadModel(child, { bytes: artefact, path: sha256(artefact).slice(0, 12) })
    return yield* askMatured({ ...seen, ask }, rows)
  })
