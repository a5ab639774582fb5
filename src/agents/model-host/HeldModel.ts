/**
 * A model in the host: a session on the CPU, and one on another provider once that has answered its first rows as the
 * CPU has. The comparison comes after the answer: whoever asks first does not wait for a provider to compile.
 *
 * What can go wrong: a provider refuses the model, answers otherwise, is slower, or fails at a later run. The CPU's
 * session stays, and serves from there on.
 * Invariant: no answer of a provider goes out before the comparison.
 */
import type { InferenceSession, Tensor } from "onnxruntime-node"
import type { Offer, Settled, Unfit } from "./frames.ts"
import { unfitOf } from "./unfitOf.ts"

export type Feeds = Readonly<Record<string, Tensor>>
export type Results = InferenceSession.OnnxValueMapType

/** What is needed of a session. */
export interface Session {
  readonly run: (feeds: Feeds) => Promise<Results>
  readonly release: () => Promise<void>
}

export interface HeldModel {
  readonly run: (feeds: Feeds) => Promise<Results>
  /** A provider to compare with, after the next run. Again the same one changes nothing. */
  readonly offer: (offer: Offer, bytes: Uint8Array) => void
  /** Compares, if there is something to compare. To be called after a run. */
  readonly settle: () => Promise<void>
  /** What the comparison has come to, once. */
  readonly takeSettled: () => Settled | undefined
  readonly release: () => Promise<void>
}

export interface HeldModelOptions {
  readonly onCpu: Session
  readonly open: (bytes: Uint8Array, provider: string) => Promise<Session>
  /** Milliseconds since some instant. */
  readonly now: () => number
}

/** Of a number, plus the same share of its size: a GPU's products may round to ten bits of mantissa (TF32). */
const toleranceMax = 2e-3
/** Runs whose shortest counts, after one that compiles; fewer where they take long. */
const timedRunsMax = 3
const timedMsMax = 200

/** Where two results differ by more than rounding, in words. */
export const disagreement = (own: Results, other: Results): string | undefined => {
  for (const [name, tensor] of Object.entries(own)) {
    const a = tensor.data as ArrayLike<number>
    const b = (other[name]?.data ?? []) as ArrayLike<number>
    if (a.length !== b.length) return `"${name}" has ${b.length} numbers, not ${a.length}`
    for (let i = 0; i < a.length; i++) {
      const [x, y] = [Number(a[i]), Number(b[i])]
      // Object.is: NaN agrees with NaN, and an infinity with itself.
      if (Object.is(x, y) || Math.abs(x - y) <= toleranceMax * (1 + Math.abs(x))) continue
      return `"${name}" is ${y} where the CPU says ${x}`
    }
  }
  return undefined
}

const shortestMs = async (session: Session, feeds: Feeds, now: () => number): Promise<number> => {
  const begun = now()
  let shortest = Number.POSITIVE_INFINITY
  for (let i = 0; i < timedRunsMax && now() - begun < timedMsMax; i++) {
    const at = now()
    await session.run(feeds)
    shortest = Math.min(shortest, now() - at)
  }
  return shortest
}

/** What keeps a session from standing for the one on the CPU, which has given `results`. */
export const compare = async (
  session: Session,
  onCpu: Session,
  rows: { readonly feeds: Feeds; readonly results: Results },
  options: { readonly onlyIfFaster: boolean; readonly now: () => number }
): Promise<Unfit | null> => {
  const { feeds, results } = rows
  const detail = disagreement(results, await session.run(feeds))
  if (detail !== undefined) return { reason: "wrong-answers", detail }
  if (!options.onlyIfFaster) return null
  const there = await shortestMs(session, feeds, options.now)
  const here = await shortestMs(onCpu, feeds, options.now)
  if (there <= here) return null
  return { reason: "slower", detail: `${there.toFixed(2)} ms, ${here.toFixed(2)} ms on the CPU` }
}

export const holdModel = ({ now, onCpu, open }: HeldModelOptions): HeldModel => {
  let other: { readonly session: Session; readonly offer: Offer } | undefined
  let offered: { readonly offer: Offer; readonly bytes: Uint8Array } | undefined
  let settledFor: string | undefined
  let settled: Settled | undefined
  let last: { readonly feeds: Feeds; readonly results: Results } | undefined

  const settle = async () => {
    if (offered === undefined || last === undefined) return
    const { bytes, offer } = offered
    const rows = last
    offered = undefined
    last = undefined
    let session: Session | undefined
    let unfit: Unfit | null
    try {
      session = await open(bytes, offer.provider)
      unfit = await compare(session, onCpu, rows, { onlyIfFaster: offer.onlyIfFaster, now })
    } catch (cause) {
      unfit = unfitOf(cause)
    }
    if (unfit === null && session !== undefined) other = { session, offer }
    else await session?.release()
    settled = { provider: offer.provider, unfit }
  }

  const run = async (feeds: Feeds): Promise<Results> => {
    if (other !== undefined) {
      const { offer, session } = other
      try {
        return await session.run(feeds)
      } catch (cause) {
        const results = await onCpu.run(feeds)
        // What the CPU refuses as well is the question's fault.
        other = undefined
        settled = { provider: offer.provider, unfit: unfitOf(cause) }
        await session.release()
        return results
      }
    }
    const results = await onCpu.run(feeds)
    if (offered !== undefined) last = { feeds, results }
    return results
  }

  return {
    run,
    settle,
    offer: (offer, bytes) => {
      if (settledFor === offer.provider) return
      settledFor = offer.provider
      offered = { offer, bytes }
    },
    takeSettled: () => {
      const taken = settled
      settled = undefined
      return taken
    },
    release: async () => {
      await other?.session.release()
      await onCpu.release()
    }
  }
}
