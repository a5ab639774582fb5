/**
 * Supervision as OTP has it. A tree of components is data; each is restarted by its policy, after a pause that
 * grows and is jittered, at most `restartsMax` times within `withinMs`. When that budget is spent, the component
 * is either given up, alone, or its supervisor fails, restarts all of its children at the cost of its own budget,
 * and so on up to the root, whose failure ends the process.
 *
 * Children start in their order and stop in the reverse one, each within its deadline: first it is asked to
 * finish (`onStop`), then it is interrupted.
 */
import { Cause, Context, Deferred, Effect, Exit, Fiber, Random, Scope } from "effect"
import type { ComponentState, ComponentStatus } from "../protocols/wire/ComponentStatus.ts"
import { truncateReason } from "../protocols/wire/Ids.ts"
import type { MailboxStatus } from "./Agent.ts"
import { RestartBudgetSpent } from "./errors.ts"
import { monotonicMs } from "./MonotonicClock.ts"

export interface RestartPolicy {
  /** `permanent` is always restarted, `transient` only after a failure, `temporary` never. */
  readonly mode: "permanent" | "transient" | "temporary"
  readonly restartsMax: number
  readonly withinMs: number
  /** Pause before the first restart; doubles with each further one up to the maximum. */
  readonly backoffMs: number
  readonly backoffMaxMs: number
  /** The pause varies by this share, so that siblings do not come back in step. */
  readonly jitter: number
  /** What a spent budget means: the supervisor above fails, or this component stays down alone. */
  readonly whenSpent: "escalate" | "give-up"
}

/** What a running component tells its supervisor about itself. */
export interface Component {
  readonly running: (detail?: string) => Effect.Effect<void>
  readonly standby: (detail: string) => Effect.Effect<void>
  /** Shown with the component's status. */
  readonly watchMailbox: (status: () => MailboxStatus) => Effect.Effect<void>
  /** Asked to finish before it is interrupted. */
  readonly onStop: (finish: Effect.Effect<void>) => Effect.Effect<void>
}

interface SpecBase {
  readonly name: string
  readonly restart: RestartPolicy
  readonly shutdownMs: number
}

/** A component that does something: it runs until it is done, fails, or is stopped. */
export interface WorkerSpec<R> extends SpecBase {
  readonly run: (component: Component) => Effect.Effect<void, unknown, R | Scope.Scope>
}

/** A component that watches over others. */
export interface BranchSpec<R> extends SpecBase {
  readonly children: ReadonlyArray<ChildSpec<R>>
}

export type ChildSpec<R> = WorkerSpec<R> | BranchSpec<R>

class Node {
  state: ComponentState = "waiting"
  restarts = 0
  lastFailure: string | null = null
  detail: string | null = null
  mailbox: (() => MailboxStatus) | undefined
  finish: Array<Effect.Effect<void>> = []
  readonly children: ReadonlyArray<Node>
  readonly spec: ChildSpec<never>

  constructor(spec: ChildSpec<never>) {
    this.spec = spec
    this.children = "children" in spec ? spec.children.map((child) => new Node(child)) : []
  }

  status(): ComponentStatus {
    return {
      name: this.spec.name,
      state: this.state,
      restarts: this.restarts,
      lastFailure: this.lastFailure,
      detail: this.detail,
      mailbox: this.mailbox?.() ?? null,
      children: this.children.map((child) => child.status())
    }
  }

  enter(state: ComponentState, detail: string | null = null) {
    this.state = state
    this.detail = detail
  }
}

const componentOf = (node: Node): Component => ({
  running: (detail) => Effect.sync(() => node.enter("running", detail ?? null)),
  standby: (detail) => Effect.sync(() => node.enter("standby", detail)),
  watchMailbox: (status) =>
    Effect.sync(() => {
      node.mailbox = status
    }),
  onStop: (finish) => Effect.sync(() => void node.finish.push(finish))
})

/** In one line, for the tree and the log. */
const describe = (cause: Cause.Cause<unknown>): string => {
  const failure = Cause.squash(cause)
  return truncateReason(failure instanceof Error ? `${failure.name}: ${failure.message}` : String(failure))
}

const stop = (node: Node, fiber: Fiber.RuntimeFiber<unknown, unknown>) =>
  Effect.gen(function* () {
    if (node.state !== "stopped" && node.state !== "failed") node.enter("stopping")
    const finish = Effect.forEach([...node.finish].reverse(), (effect) => effect, { discard: true })
    const isInTime = yield* Effect.zipRight(finish, Fiber.interrupt(fiber)).pipe(
      Effect.disconnect,
      Effect.interruptible,
      Effect.timeoutTo({ duration: node.spec.shutdownMs, onSuccess: () => true, onTimeout: () => false })
    )
    if (!isInTime) {
      yield* Effect.logWarning(`${node.spec.name} did not stop within ${node.spec.shutdownMs} ms`)
      yield* Fiber.interruptFork(fiber)
    }
    if (node.state === "stopping") node.enter("stopped")
  })

/** One life of a component. */
const life = (node: Node): Effect.Effect<void, unknown> => {
  const { spec } = node
  if (!("children" in spec)) return Effect.scoped(spec.run(componentOf(node)))
  return Effect.scoped(
    Effect.gen(function* () {
      const failed = yield* Deferred.make<never, RestartBudgetSpent>()
      const fibers: Array<Fiber.RuntimeFiber<void>> = []
      // Owned by the finalizer that stops them. A child of this fiber or of its scope would be interrupted before
      // it could finish, and one that cannot be interrupted would hold up everything.
      for (const child of node.children) {
        const fiber = yield* supervise(child).pipe(
          Effect.catchAll((error) => Deferred.fail(failed, error)),
          Effect.asVoid,
          Effect.interruptible,
          Effect.forkDaemon
        )
        fibers.push(fiber)
        yield* Effect.addFinalizer(() => stop(child, fiber))
      }
      node.enter("running")
      yield* Effect.raceFirst(Deferred.await(failed), Fiber.awaitAll(fibers))
    })
  )
}

/** Life after life, until it is done, given up, stopped or fails for good. */
const supervise = (node: Node): Effect.Effect<void, RestartBudgetSpent> =>
  Effect.gen(function* () {
    const { name, restart } = node.spec
    const now = yield* monotonicMs
    let recent: Array<number> = []
    for (;;) {
      node.enter("starting")
      node.finish = []
      const exit = yield* Effect.exit(Effect.interruptible(life(node)))
      if (Exit.isFailure(exit) && Cause.isInterruptedOnly(exit.cause)) {
        node.enter("stopped")
        return yield* Effect.interrupt
      }
      // A worker that is to run for ever fails by ending; a supervisor ends when all its children have.
      const mayEnd = restart.mode !== "permanent" || "children" in node.spec
      if (Exit.isSuccess(exit) && mayEnd) return node.enter("stopped")
      node.lastFailure = Exit.isSuccess(exit) ? "it ended by itself" : describe(exit.cause)
      yield* Effect.logError(`${name} failed`).pipe(
        Effect.annotateLogs("cause", Exit.isSuccess(exit) ? node.lastFailure : Cause.pretty(exit.cause))
      )
      if (restart.mode === "temporary") return node.enter("failed", node.lastFailure)

      const at = now()
      recent = recent.filter((time) => at - time < restart.withinMs)
      if (recent.length >= restart.restartsMax) {
        node.enter("failed", node.lastFailure)
        const spent = new RestartBudgetSpent({
          component: name,
          restarts: recent.length,
          withinMs: restart.withinMs,
          lastFailure: node.lastFailure
        })
        yield* Effect.logError(spent.message)
        if (restart.whenSpent === "give-up") return
        return yield* spent
      }
      const pause = Math.min(restart.backoffMs * 2 ** recent.length, restart.backoffMaxMs)
      const jittered = pause * (1 + restart.jitter * ((yield* Random.next) * 2 - 1))
      recent.push(at)
      node.restarts++
      node.enter("backing-off", node.lastFailure)
      yield* Effect.sleep(jittered)
    }
  })

export interface Supervisor {
  readonly status: () => ComponentStatus
  /** Fails when the root's budget is spent; returns when nothing is left to run. */
  readonly done: Effect.Effect<void, RestartBudgetSpent>
}

const provided = <R>(spec: ChildSpec<R>, context: Context.Context<R>): ChildSpec<never> =>
  "children" in spec
    ? { ...spec, children: spec.children.map((child) => provided(child, context)) }
    : {
        ...spec,
        run: (component) =>
          Effect.provide(spec.run(component), context) as Effect.Effect<void, unknown, Scope.Scope>
      }

/** Starts a tree, and stops it with the scope. */
export const start = <R>(spec: ChildSpec<R>): Effect.Effect<Supervisor, never, R | Scope.Scope> =>
  Effect.gen(function* () {
    // Without the scope of the supervisor itself: every life has its own.
    const context = Context.omit(Scope.Scope)(yield* Effect.context<R | Scope.Scope>()) as Context.Context<R>
    const root = new Node(provided(spec, context))
    const fiber = yield* Effect.forkDaemon(Effect.interruptible(supervise(root)))
    yield* Effect.addFinalizer(() => stop(root, fiber))
    return { status: () => root.status(), done: Fiber.join(fiber) }
  })
