/**
 * A model as a file: read, and checked in every way that needs no run: its size, its checksum where one lies beside it,
 * whether it is ONNX of an operator set that can be served, whether it answers as opinion models do.
 *
 * Written, it is there whole or not at all, with its checksum beside it in the form of `sha256sum`.
 */
import { existsSync, readFileSync, statSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { basename } from "node:path"
import { Effect, Either } from "effect"
import { describe, type OpinionModelDescription } from "../../learning/OpinionModel.ts"
import { decode, type ModelProto } from "../../learning/onnx/OnnxFile.ts"
import { sha256 } from "../../protocols/wire/Json.ts"
import { Limits } from "../../protocols/wire/Limits.ts"
import type { FileUnwritable } from "../training-host/errors.ts"
import { writeWhole } from "../training-host/wholeFile.ts"
import { ModelFileUnfit } from "./errors.ts"
import { inputFeatures } from "./InputFeatures.ts"
import { inputOfNames, inputSchema, looksAtAll, type ModelInput, type SequenceInput } from "./ModelInput.ts"
import { readTrainedModel, type TrainedModel } from "./TrainedModel.ts"

/** Of ai.onnx, as onnxruntime has them. */
const servedOpsets = { least: 7, most: 26 }
const checksumBytesMax = 4_096
/** What a frame has beside the model. */
const frameBytesBeside = 4_096

export interface ModelFile {
  readonly path: string
  readonly bytes: Uint8Array
  readonly digest: string
  readonly description: OpinionModelDescription
  /** What it was trained as; undefined for a model from elsewhere. */
  readonly trained: TrainedModel | undefined
  /** How its features are made from bars; undefined where nothing here can make them. */
  readonly input: ModelInput | undefined
}

export const checksumPath = (path: string): string => `${path}.sha256`

const reasonOf = (cause: unknown): string => {
  const { code, message } = cause as NodeJS.ErrnoException
  if (code === "ENOENT") return "there is no such file"
  if (code === "EISDIR") return "it is a folder"
  if (code === "EACCES") return "permission is denied"
  return message
}

/** A model of operators that can be served. The left says what is wrong, as the end of a sentence. */
export const decodeServed = (bytes: Uint8Array): Either.Either<ModelProto, string> =>
  Either.gen(function* () {
    const model = yield* Either.mapLeft(decode(bytes), ({ reason }) => `it is no readable ONNX (${reason})`)
    for (const { domain, version } of model.opsets) {
      const name = domain === "" ? "ai.onnx" : domain
      if (name !== "ai.onnx") yield* Either.left(`it needs the operator set ${name}, which is not there`)
      if (version < servedOpsets.least || version > servedOpsets.most) {
        yield* Either.left(
          `it is of opset ${version}, those from ${servedOpsets.least} to ${servedOpsets.most} can be run`
        )
      }
    }
    return model
  })

/** The left says what is wrong, as the end of a sentence. */
export const checkModel = (bytes: Uint8Array): Either.Either<Omit<ModelFile, "path" | "digest">, string> =>
  Either.gen(function* () {
    const model = yield* decodeServed(bytes)
    const description = yield* Either.mapLeft(describe(model), ({ reason }) => reason)
    const { featureNames: names, featureSchemaVersion: version, metadata } = description
    const trained = readTrainedModel(metadata)
    if (trained === undefined) {
      return { bytes, description, trained, input: inputOfNames({ names, version }) }
    }
    const { features, length, scaling, version: wanted } = trained.sequence
    const standIns = scaling === undefined ? {} : { standIns: scaling.means }
    const input: SequenceInput = { kind: "sequence", features, length, ...standIns }
    if (inputFeatures[features].version !== wanted) {
      yield* Either.left(
        `it sees version ${wanted} of the features of ${features}, which are not made any more`
      )
    }
    if (inputSchema(input).names.join() !== names.join()) {
      yield* Either.left(`its ${names.length} columns are not ${length} bars of the features of ${features}`)
    }
    if (looksAtAll(input) && scaling?.means.length !== inputFeatures[features].names.length) {
      yield* Either.left(`it does not say what stands in for features of ${features} that are absent`)
    }
    return { bytes, description, trained, input }
  })

/** A model's bytes, as they were written: no larger than can be served, and as the checksum beside them says. */
export const readModelBytes = (
  path: string
): Effect.Effect<{ readonly bytes: Uint8Array; readonly digest: string }, ModelFileUnfit> =>
  Effect.gen(function* () {
    const unfit = (reason: string) => new ModelFileUnfit({ path, reason })
    const attempt = <A>(work: () => Promise<A>) =>
      Effect.tryPromise({ try: work, catch: (cause) => unfit(reasonOf(cause)) })
    const bytesMax = Math.min(Limits.artefactBytesMax, Limits.frameBytesMax - frameBytesBeside)
    const { size } = yield* attempt(async () => statSync(path))
    if (size > bytesMax) return yield* unfit(`it has ${size} bytes, ${bytesMax} are allowed`)
    const bytes = yield* attempt(() => readFile(path))
    const digest = sha256(bytes)
    const beside = checksumPath(path)
    if (existsSync(beside)) {
      const text = yield* attempt(async () => readFileSync(beside, "utf8").slice(0, checksumBytesMax))
      const [wanted = ""] = text.trim().split(/\s+/)
      if (wanted !== digest) {
        return yield* unfit(`its checksum is ${digest.slice(0, 12)}…, ${beside} says ${wanted.slice(0, 12)}…`)
      }
    }
    return { bytes: new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength), digest }
  })

export const readModelFile = (path: string): Effect.Effect<ModelFile, ModelFileUnfit> =>
  Effect.gen(function* () {
    const { bytes, digest } = yield* readModelBytes(path)
    const checked = checkModel(bytes)
    if (Either.isLeft(checked)) return yield* new ModelFileUnfit({ path, reason: checked.left })
    return { path, digest, ...checked.right }
  })

/** Writes a model and its checksum; gives the digest. */
export const writeModelFile = (path: string, bytes: Uint8Array): Effect.Effect<string, FileUnwritable> =>
  Effect.gen(function* () {
    const digest = sha256(bytes)
    // The checksum first: a model without its own is refused, and not taken for the one before.
    yield* writeWhole(checksumPath(path), [Buffer.from(`${digest}  ${basename(path)}\n`)], 0o644)
    yield* writeWhole(path, [bytes], 0o644)
    return digest
  })
