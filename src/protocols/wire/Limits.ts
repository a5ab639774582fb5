/**
 * The limits every boundary holds to. One place, each with its unit in the name; whoever needs a tighter
 * one configures it, nobody goes above.
 */
export const Limits = {
  /** Largest message on the bus or in the journal; the default `max_payload` of nats-server. */
  payloadBytesMax: 1024 * 1024,
  /** Deepest nesting of a JSON document that is decoded at all. */
  jsonDepthMax: 64,
  /** Longest identifier (run, agent, instrument, alias) in characters. */
  identifierCharsMax: 128,
  /** Longest text that explains something (a reason, an error) in characters. */
  reasonCharsMax: 2_000,
  /** Instruments one request may ask about; a larger round is split. */
  questionsPerRequestMax: 100,
  /** Bars one market event may carry. */
  barsPerEventMax: 2_000,
  /** Largest frame between a node and its child processes. */
  frameBytesMax: 64 * 1024 * 1024,
  /** Largest model artefact. */
  artefactBytesMax: 256 * 1024 * 1024,
  /** Bytes of an artefact carried by one message. */
  artefactChunkBytes: 192 * 1024,
  /** Partitions of instruments; fixed for good, since they are part of subjects. */
  partitions: 64
} as const
