/** The market-intelligence streams, for those who ask instead of subscribing. */
import { RpcGroup } from "@effect/rpc"
import { Schema } from "effect"
import { Publication, StreamName } from "../Streams.ts"
import { streamingCall } from "../wire/Rpc.ts"

/** The latest publication of each stream, in the order of the streams; what has not been published yet is left out. */
export const LatestStreams = streamingCall("LatestStreams", {
  /** All of them when empty. */
  payload: { streams: Schema.Array(StreamName).pipe(Schema.maxItems(StreamName.literals.length)) },
  success: Publication
})

/** The latest publications of one stream, one of each as-of, oldest first; as many as are still held, at most `limit`. */
export const StreamHistory = streamingCall("StreamHistory", {
  payload: { stream: StreamName, limit: Schema.Int.pipe(Schema.between(1, 1_000)) },
  success: Publication
})

export class StreamsRpcs extends RpcGroup.make(LatestStreams, StreamHistory) {}
