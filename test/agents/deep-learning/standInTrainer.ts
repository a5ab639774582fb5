/** In the place of the trainer: has made at once what lies in the folder that it is given. */
import { readFileSync } from "node:fs"
import { Socket } from "node:net"
import { join } from "node:path"
import { type TrainerHeader, trainerKind } from "../../../src/agents/trainer/frames.ts"
import { encodeFrame, FrameReader, frameKind } from "../../../src/protocols/wire/Frame.ts"

const pipe = new Socket({ fd: 3, readable: true, writable: true })
const reader = new FrameReader()
let folder = ""

const send = (frame: Parameters<typeof encodeFrame>[0]) => void pipe.write(encodeFrame(frame))

pipe.on("data", (chunk) => {
  for (const { header, id, kind } of reader.push(chunk)) {
    if (kind === trainerKind.train) {
      folder = (header as TrainerHeader).folder
      send({ kind: frameKind.answer, id })
    } else {
      const made: unknown = JSON.parse(readFileSync(join(folder, "made.json"), "utf8"))
      const body = readFileSync(join(folder, "artefact"))
      send({ kind: frameKind.answer, id, header: { events: [], outcome: { made } }, body })
    }
  }
})
pipe.on("close", () => process.exit(0))
send({ kind: frameKind.ready, id: 0 })
