/**
 * A child process for the tests of those who have one. It speaks frames on descriptor 3 and does what its first
 * argument says; a request of kind 16 is answered, of 17 refused, of 18 never answered, of 19 its end with 3, of 20
 * what takes memory without end, and of 21 bytes that are no frame.
 */
import { Socket } from "node:net"

const [mode = "ready", ...rest] = process.argv.slice(2)
const pipe = new Socket({ fd: 3, readable: true, writable: true })

const frame = (kind, id, header = null, body = Buffer.alloc(0)) => {
  const json = Buffer.from(JSON.stringify(header))
  const head = Buffer.alloc(13)
  head.writeUInt32LE(9 + json.length + body.length, 0)
  head.writeUInt8(kind, 4)
  head.writeUInt32LE(id, 5)
  head.writeUInt32LE(json.length, 9)
  return Buffer.concat([head, json, body])
}

const hoard = []
const takeMemory = () => {
  hoard.push(Buffer.alloc(16 * 1024 * 1024, 1))
  setTimeout(takeMemory, 5)
}

const act = (kind, id, header, body) => {
  switch (kind) {
    case 16:
      return pipe.write(frame(3, id, { header, arguments: rest, mark: process.env.MARK ?? null }, body))
    case 17:
      return pipe.write(frame(4, id, { reason: "it does not want to" }))
    case 19:
      process.stderr.write("one line\nits last words\n")
      return process.exit(3)
    case 20:
      return takeMemory()
    case 21:
      return pipe.write(Buffer.alloc(64, 0xff))
    default:
      return undefined
  }
}

let buffered = Buffer.alloc(0)
pipe.on("data", (chunk) => {
  buffered = Buffer.concat([buffered, chunk])
  while (buffered.length >= 4 && buffered.length >= 4 + buffered.readUInt32LE(0)) {
    const whole = buffered.subarray(0, 4 + buffered.readUInt32LE(0))
    buffered = buffered.subarray(whole.length)
    const headerEnd = 13 + whole.readUInt32LE(9)
    act(
      whole[4],
      whole.readUInt32LE(5),
      JSON.parse(whole.toString("utf8", 13, headerEnd)),
      whole.subarray(headerEnd)
    )
  }
})
pipe.on("close", () => process.exit(0))
if (mode === "ready") {
  pipe.write(frame(1, 0))
  setInterval(() => pipe.write(frame(2, 0, { residentBytes: process.memoryUsage.rss() })), 50)
}
if (mode === "dies") {
  process.stderr.write("it cannot start\n")
  process.exitCode = 7
  pipe.destroy()
}
