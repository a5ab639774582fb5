/**
 * An agent: a bounded mailbox and one fiber that takes commands from it, one after the other. The mailbox outlives
 * the agent's restarts: what was in hand when it crashed is answered with `AgentCrashed`, what waits is taken up
 * by the next life.
 *
 * A command that fails answers its caller. A command that dies is a bug: its caller hears of the crash, and the
 * agent's supervisor begins a new life. A command once in the mailbox is carried out even if its caller has left.
 */
import { Cause, Deferred, Effect, Exit, Mailbox, Option, type Request } from "effect"
import { AgentCrashed, AgentUnavailable, Overloaded } from "../protocols/wire/errors.ts"

export type Command = Request.Request<unknown, unknown> & { readonly _tag: string }

/** What a command of each kind does. */
export type Behaviour<C extends Command, R = never> = {
  readonly [Tag in C["_tag"]]: (
    command: Extract<C, { readonly _tag: Tag }>
  ) => Effect.Effect<
    Request.Request.Success<Extract<C, { readonly _tag: Tag }>>,
    Request.Request.Error<Extract<C, { readonly _tag: Tag }>>,
    R
  >
}

export type MailboxError = Overloaded | AgentUnavailable | AgentCrashed

export interface MailboxStatus {
  readonly waiting: number
  readonly capacity: number
  readonly refused: number
}

type Answer<A extends Command> = Effect.Effect<
  Request.Request.Success<A>,
  Request.Request.Error<A> | MailboxError
>

export interface Agent<C extends Command> {
  readonly name: string
  /** Puts a command into the mailbox and waits for its answer. Refused at once when the mailbox is full. */
  readonly ask: <A extends C>(command: A) => Answer<A>
  /** The same for a durable consumer, which stops pulling meanwhile: waits for room, and for good once draining. */
  readonly submit: <A extends C>(command: A) => Answer<A>
  readonly mailbox: () => MailboxStatus
  /** One life: takes commands until drained. Dies of whatever a behaviour dies of. */
  readonly live: <R>(behaviour: Behaviour<C, R>) => Effect.Effect<void, never, R>
  /** Refuses what comes, and returns when what waits has been carried out. */
  readonly drain: Effect.Effect<void>
}

interface Entry<C extends Command> {
  readonly command: C
  readonly reply: Deferred.Deferred<unknown, unknown>
}

export const make = <C extends Command>(options: {
  readonly name: string
  readonly mailboxCapacityMax: number
}): Effect.Effect<Agent<C>> =>
  Effect.gen(function* () {
    const { mailboxCapacityMax, name } = options
    const mailbox = yield* Mailbox.make<Entry<C>>({ capacity: mailboxCapacityMax, strategy: "suspend" })
    const emptied = yield* Deferred.make<void>()
    let isDraining = false
    let isAlive = false
    let refused = 0
    const waiting = () =>
      Math.min(
        Option.getOrElse(mailbox.unsafeSize(), () => 0),
        mailboxCapacityMax
      )

    const unavailable = (command: C) =>
      new AgentUnavailable({ agent: name, call: command._tag, state: "stopping" })

    const enter = <A extends C>(command: A, offer: (entry: Entry<C>) => Effect.Effect<boolean>): Answer<A> =>
      Effect.gen(function* () {
        const reply = yield* Deferred.make<unknown, unknown>()
        const isIn = !isDraining && (yield* offer({ command, reply }))
        if (isDraining) return yield* unavailable(command)
        if (!isIn) {
          refused++
          return yield* new Overloaded({ agent: name, call: command._tag, limit: mailboxCapacityMax })
        }
        return yield* Deferred.await(reply)
      }) as Answer<A>

    const carryOut = <R>(
      behaviour: Behaviour<C, R>,
      { command, reply }: Entry<C>
    ): Effect.Effect<void, never, R> => {
      const behave = behaviour[command._tag as C["_tag"]] as (
        command: C
      ) => Effect.Effect<unknown, unknown, R>
      return Effect.matchCauseEffect(behave(command), {
        onSuccess: (value) => Effect.asVoid(Deferred.succeed(reply, value)),
        onFailure: (cause) => {
          if (!Cause.isDie(cause) && !Cause.isInterrupted(cause))
            return Effect.asVoid(Deferred.failCause(reply, cause))
          const answer = Cause.isDie(cause)
            ? new AgentCrashed({ agent: name, call: command._tag })
            : unavailable(command)
          return Effect.zipRight(Deferred.fail(reply, answer), Effect.failCause(cause as Cause.Cause<never>))
        }
      })
    }

    return {
      name,
      ask: (command) =>
        enter(command, (entry) =>
          Effect.sync(() => waiting() < mailboxCapacityMax && mailbox.unsafeOffer(entry))
        ),
      submit: (command) =>
        Effect.suspend(() => (isDraining ? Effect.never : enter(command, (entry) => mailbox.offer(entry)))),
      mailbox: () => ({ waiting: waiting(), capacity: mailboxCapacityMax, refused }),
      live: <R>(behaviour: Behaviour<C, R>) =>
        Effect.gen(function* () {
          isAlive = true
          for (;;) {
            // Nothing is taken without being carried out.
            const entry = yield* Effect.uninterruptibleMask((restore) =>
              Effect.flatMap(Effect.exit(restore(mailbox.take)), (taken) =>
                Exit.isSuccess(taken)
                  ? Effect.as(restore(carryOut(behaviour, taken.value)), true)
                  : Cause.isInterrupted(taken.cause)
                    ? Effect.interrupt
                    : Effect.succeed(false)
              )
            )
            if (!entry) break
          }
          yield* Deferred.succeed(emptied, undefined)
        }).pipe(
          Effect.ensuring(
            Effect.sync(() => {
              isAlive = false
            })
          )
        ),
      drain: Effect.suspend(() => {
        isDraining = true
        return Effect.zipRight(mailbox.end, isAlive ? Deferred.await(emptied) : Effect.void)
      })
    }
  })
