/**
 * The tree on a terminal. listr2 keeps the tasks and their states; it starts nothing, catches no signal and takes
 * nothing back: each task only waits for the event that says how its step ended.
 */
import { Listr, type ListrRenderer, type ListrTaskWrapper } from 'listr2'
import type { Event } from '../engine/events.ts'
import { sentence } from '../wording/word.ts'
import type { Face } from './face.ts'
import { LiveRenderer } from './live-renderer.ts'
import { makePaint, makePainter, type Terminal } from './painter.ts'
import { byInWords, confirmInWords, elapsed, interruptedInWords, verifiedInWords } from './words.ts'

export function treeFace(terminal: Terminal): Face {
  const painter = makePainter(terminal)
  const paint = makePaint(terminal.colour)
  const options = { terminal, painter, paint }
  const tasks = new Map<string, Waiting>()
  let order: Waiting[] = []
  /** Lists are drawn one after the other, whatever the pace of the events. */
  let drawn: Promise<void> = Promise.resolve()

  const draw = (waiting: Waiting[]) => {
    for (const one of waiting) tasks.set(one.key, one)
    order = waiting
    drawn = drawn.then(() => drawList(waiting, options))
  }
  /** Above what still runs; below what has just ended. */
  const say = (line: string) => {
    if (order.some(one => !one.settled)) painter.above([line])
    else drawn = drawn.then(() => painter.above([line]))
  }
  const step = (id: string) => tasks.get(`step ${id}`)
  const heading = (text: string) => say(paint.bold(text))
  let steps: Waiting[] = []
  let runId = ''

  const show = (event: Event) => {
    switch (event.type) {
      case 'run-started':
        runId = event.runId
        heading(`${event.playbook} on ${event.target}`)
        steps = event.steps.map(({ id, name }) => waitingTask(`step ${id}`, name))
        return
      case 'snapshot-started':
        begin()
        order.find(one => !one.settled)?.output('recording the state to come back to')
        return
      case 'step-started':
        begin()
        return step(event.id)?.output('')
      case 'output':
      case 'said': {
        const running = order.find(one => !one.settled && one.key.endsWith(` ${event.id}`)) ?? step(event.id)
        // A lock, or the link to a host, is no step.
        return running ? running.output(event.line) : say(`${paint.yellow(event.id)}: ${event.line}`)
      }
      case 'step-finished':
        begin()
        return finishStep(step(event.id), event, paint.dim)
      case 'rollback-started':
        for (const one of order) one.drop()
        heading(
          `going back${event.stopsAt ? `, but not past ${event.stopsAt}, which cannot be taken back` : ''}`,
        )
        return
      case 'part-started':
        return draw([waitingTask(`${event.movement} ${event.id}`, `${event.movement} ${event.id}`)])
      case 'part-finished':
        return finishPart(tasks.get(`${event.movement} ${event.id}`), event, paint.dim)
      case 'resumed':
        runId = event.runId
        break
      default:
        break
    }
    const line = saying(event, terminal, runId)
    if (line !== null) say(line)
  }
  const begin = () => {
    if (steps.length === 0) return
    draw(steps)
    steps = []
  }

  return {
    event: show,
    async close() {
      for (const one of order) one.drop()
      await drawn
      painter.settle()
    },
  }
}

/** What an event says beside the tasks; null: nothing. Pure. */
function saying(event: Event, { colour, unicode, at }: Terminal, runId: string): string | null {
  const paint = makePaint(colour)
  switch (event.type) {
    case 'confirm-awaited':
      return `${paint.yellow(event.id)}: ${confirmInWords(event, runId, at)}`
    case 'confirmed':
      return `${paint.yellow(event.id)}: confirmed${byInWords(event.by)}`
    case 'step-retrying':
      return `${paint.yellow(unicode ? '↻' : '~')} ${event.id}: attempt ${event.attempt} failed, again in ${elapsed(event.delayMs)}: ${sentence(event.failure)}`
    case 'checked':
      return event.failure
        ? `${paint.red(event.id)}: ${sentence(event.failure)}`
        : `${paint.cyan(event.id)}: ${event.text}`
    case 'interrupting':
      return paint.yellow(interruptedInWords(event))
    case 'evidence': {
      const names = event.evidence.map(({ name }) => name)
      return names.length === 0 ? null : `kept as evidence: ${names.join(', ')}`
    }
    case 'evidence-missing':
      return paint.yellow(`${event.id}: its evidence could not be kept: ${sentence(event.failure)}`)
    case 'rollback-finished': {
      const { verified } = event
      const inColour = verified === null ? paint.yellow : verified ? paint.green : paint.red
      return inColour(verifiedInWords(event))
    }
    case 'resumed':
      return `going on with run ${event.runId}${event.inFlight ? `, ${event.inFlight} was under way` : ''}`
    default:
      return null
  }
}

type Wrapper = ListrTaskWrapper<unknown, typeof ListrRenderer, typeof ListrRenderer>

/** A task that waits for its end, and may be told of it before listr2 has come to it. */
type Waiting = {
  readonly key: string
  readonly title: string
  readonly settled: boolean
  start(task: Wrapper): Promise<void>
  output(line: string): void
  succeed(note: string): void
  skip(reason: string): void
  fail(note: string, reason: string): void
  /** It will not run any more. */
  drop(): void
}

function waitingTask(key: string, title: string): Waiting {
  let settled = false
  let task: Wrapper | null = null
  const queue: ((task: Wrapper) => void)[] = []
  const { promise, resolve, reject } = deferred()
  promise.catch(() => {})
  const tell = (act: (task: Wrapper) => void) => {
    if (task) act(task)
    else queue.push(act)
  }
  const settle = (act: (task: Wrapper) => void, end: () => void) => {
    if (settled) return
    settled = true
    tell(act)
    end()
  }
  return {
    key,
    title,
    get settled() {
      return settled
    },
    start(wrapper) {
      task = wrapper
      for (const act of queue.splice(0)) act(wrapper)
      return promise
    },
    output: line => {
      if (!settled)
        tell(on => {
          on.output = line
        })
    },
    succeed: note =>
      settle(on => {
        on.title = `${title} ${note}`
      }, resolve),
    skip: reason => settle(on => on.skip(reason), resolve),
    fail: (note, reason) =>
      settle(
        on => {
          on.title = `${title} ${note}`
        },
        () => reject(new Error(reason)),
      ),
    drop: () =>
      settle(
        () => {},
        () => reject(new Error('')),
      ),
  }
}

function finishStep(
  task: Waiting | undefined,
  event: Extract<Event, { type: 'step-finished' }>,
  dim: (text: string) => string,
): void {
  const tries = event.attempts > 1 ? `, ${event.attempts} attempts` : ''
  const reason = event.failure ? sentence(event.failure) : event.status
  if (event.status === 'succeeded') {
    task?.succeed(dim(`${elapsed(event.durationMs)}${tries}${event.changed ? ', changed' : ''}`))
  } else if (event.status === 'skipped') task?.skip(event.reason ?? 'skipped')
  else if (event.tolerated) task?.skip(`failed, the run goes on: ${reason}`)
  else task?.fail(dim(`${elapsed(event.durationMs)}${tries}`), reason)
}

function finishPart(
  task: Waiting | undefined,
  { movement, changed, durationMs, failure }: Extract<Event, { type: 'part-finished' }>,
  dim: (text: string) => string,
): void {
  if (failure) task?.fail(dim(elapsed(durationMs)), sentence(failure))
  else
    task?.succeed(dim(`${elapsed(durationMs)}${changed || movement === 'verify' ? '' : ', nothing to do'}`))
}

async function drawList(waiting: Waiting[], options: unknown): Promise<void> {
  const list = new Listr(
    waiting.map(one => ({ title: one.title, task: (_: unknown, task: Wrapper) => one.start(task) })),
    {
      renderer: LiveRenderer as unknown as typeof ListrRenderer,
      rendererOptions: options as Record<PropertyKey, unknown>,
      concurrent: false,
      exitOnError: true,
      registerSignalListeners: false,
    },
  )
  // The failure of a task is part of the drawing; what it means was decided elsewhere.
  await list.run().catch(() => {})
}

function deferred() {
  let resolve: () => void = () => {}
  let reject: (error: Error) => void = () => {}
  const promise = new Promise<void>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}
