/**
 * The matrix on a real engine: the runner, the client and the daemon of an upgrade of a Compose stack are killed after
 * each entry, then the run is finished or taken back; images, containers and commit are what the report says.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Event } from '../../src/engine/events.ts'
import { chosen, LIMIT_MS, playAll } from '../rig/cells.ts'
import type { Where } from '../rig/crash.ts'
import type { Cell, Verb, Victim } from '../rig/crash-cell.ts'
import { dieIn } from '../rig/crash-death.ts'
import { type CrashStack, crashStack, type StackRun, type StackVersion } from '../rig/crash-stack.ts'
import { withoutDocker } from '../rig/docker.ts'
import type { Ended } from '../rig/hostops.ts'
import { seeded } from '../rig/seeded.ts'

type StackCell = Cell<StackVersion>

const missing = withoutDocker('runs that are killed on a real stack')
const VERSIONS: readonly StackVersion[] = ['v2', 'v4-unhealthy', 'v5-crashloop']
const ROWS: readonly (readonly [Where, Victim, readonly Verb[]])[] = [
  ['local', 'runner', ['resume', 'rollback']],
  ['on-host', 'client', ['none']],
  ['on-host', 'daemon', ['none']],
]
/** Always played, of a good version and of bad ones: where the stack is replaced, and where that is taken back. */
const ALWAYS_OF_GOOD = /^(step-started|step-finished (checkout|up)|run-finished)/
const ALWAYS_OF_BAD = /^(step-(started|finished) up|part-(started|finished) up reactivate)$/
const random = seeded(7)

describe.skipIf(missing !== null)('everybody dies at every entry', () => {
  /** Two cells at a time, each on a stack of its own. */
  const free: CrashStack[] = []
  const journals = new Map<StackVersion, Event[]>()
  beforeAll(async () => {
    free.push(...(await Promise.all([crashStack(), crashStack()])))
    for (const version of VERSIONS) journals.set(version, await wholeRun(version))
  }, LIMIT_MS)
  afterAll(async () => {
    for (const stack of free) await stack.remove()
  }, LIMIT_MS)

  test.each(ROWS)(
    '%s: the %s',
    async (where, victim, verbs) => {
      const cells = cellsOf(where, victim, verbs)
      const alive = await playAll(cells, cell => onStack(stack => play(stack, cell)), free.length)
      expect(alive, `of ${cells.length}`).toBeLessThanOrEqual(1 + cells.length / 10)
    },
    LIMIT_MS,
  )

  async function onStack<T>(work: (stack: CrashStack) => Promise<T>): Promise<T> {
    const stack = free.pop()!
    try {
      await stack.backToV1()
      return await work(stack)
    } finally {
      free.push(stack)
    }
  }

  const wholeRun = (version: StackVersion) =>
    onStack(async stack => {
      const run = stack.run('local')
      const { report, stderr } = await run.start(version).ended
      expect(report.outcome, stderr).toBe(version === 'v2' ? 'succeeded' : 'rolled-back')
      return run.numbered()
    })

  function cellsOf(where: Where, victim: Victim, verbs: readonly Verb[]): StackCell[] {
    const always: StackCell[] = []
    const others: StackCell[] = []
    for (const version of VERSIONS) {
      journals.get(version)!.forEach((event, at) => {
        const isMust = (version === 'v2' ? ALWAYS_OF_GOOD : ALWAYS_OF_BAD).test(wordsOf(event))
        verbs.forEach((verb, nth) => {
          // A good version is finished; a bad one now in this way and now in the other. Client and daemon take turns.
          const way = version === 'v2' ? nth === 0 : at % verbs.length === nth
          const mine = way && (victim === 'runner' || at % 2 === (victim === 'client' ? 0 : 1))
          const cell = { where, victim, version, verb, at: `after:${at + 1}` }
          ;(isMust && mine ? always : others).push(cell)
        })
      })
    }
    return chosen(always, others, 2, random)
  }
})

const wordsOf = (event: Event) =>
  `${event.type} ${'id' in event ? event.id : ''}${'movement' in event ? ` ${event.movement}` : ''}`

/** False when the run had ended before anybody could be killed. */
async function play({ run: next }: CrashStack, cell: StackCell): Promise<boolean> {
  const run = next(cell.where)
  const before = run.stack.running()
  const first = await dieIn(run, cell)
  if (first === null) return false
  await run.quiet()
  const open = inFlight(run.events())
  const ended = await recovered(run, cell, first)
  const told = `${ended.stdout}${ended.stderr}\n${run.history().join('\n')}`
  expectEnd(ended, cell, told)
  await expectStack(run, ended, before, told)
  expectOnce(run, ended, open, told)
  for (const again of [await run.ask('report'), await run.ask('wait')])
    expect([again.stdout, again.code], told).toEqual([ended.stdout, ended.code])
  return true
}

async function recovered(run: StackRun, cell: StackCell, first: Ended): Promise<Ended> {
  if (cell.verb === 'none') return first.stdout === '' ? run.ask('wait') : first
  const ended = await run.hostops(cell.verb, run.id)
  if (cell.verb !== 'resume' || ended.report.outcome !== 'unknown') return ended
  // Everything but the playbook's own command may be repeated, or tells how it ended.
  expect(ended.report, ended.stderr).toMatchObject({ errorCode: 'end-not-seen', failedStep: 'migrate' })
  return run.hostops('resume', run.id, '--assume', run.count('migrate') > 0 ? 'done' : 'not-done')
}

function expectEnd({ report, code }: Ended, { version, verb }: StackCell, told: string): void {
  const isGood = version === 'v2' && verb !== 'rollback'
  if (report.errorCode === 'not-begun') expect(verb, told).not.toBe('none')
  else if (isGood) expect([report.outcome, code], told).toEqual(['succeeded', 0])
  else
    expect([report.outcome, code], told).toEqual([
      expect.stringMatching(/^(rolled-back|failed-unchanged)$/),
      1,
    ])
  if (report.outcome === 'rolled-back')
    expect(report, told).toMatchObject({ rollbackVerified: true, changed: false })
}

async function expectStack(
  { stack }: StackRun,
  { report }: Ended,
  before: ReturnType<StackRun['stack']['running']>,
  told: string,
): Promise<void> {
  expect(stack.clean(), told).toBe(true)
  const names = stack.containers().map(id => stack.inspect('{{.Name}}', id))
  expect(names, told).toEqual([`/${stack.project}-gateway-1`])
  const [now] = stack.running()
  if (report.outcome !== 'succeeded') {
    expect([stack.head(), [now]], told).toEqual(['v1', before])
    return stack.answers()
  }
  expect(stack.head(), told).toBe('v2')
  expect(now, told).toMatchObject({
    version: 'v2',
    status: 'running',
    image: stack.inspect('{{.Id}}', stack.image),
  })
  expect(report.services, told).toMatchObject([
    { name: 'gateway', imageBefore: before[0]?.image, imageAfter: now?.image, state: 'running' },
  ])
}

/** No write was done twice: neither the playbook's own, nor was a container made that was there already. */
function expectOnce(run: StackRun, { report }: Ended, open: string | null, told: string): void {
  const made = run.created()
  expect(run.count('migrate'), told).toBeLessThanOrEqual(1)
  if (report.outcome === 'succeeded') {
    expect([run.count('migrate'), run.count('unmigrate'), made], told).toEqual([1, 0, 1])
  } else {
    // One of the new version, one of the old.
    expect([0, 2], `${made} containers\n${told}`).toContain(made)
    const backs = run.count('migrate') === 0 && open !== 'migrate' ? [0] : [1, 2]
    expect(backs, told).toContain(run.count('unmigrate'))
  }
}

function inFlight(events: Event[]): string | null {
  const open = new Set<string>()
  for (const event of events) {
    if (event.type === 'step-started') open.add(event.id)
    if (event.type === 'step-finished' && event.status !== 'unknown') open.delete(event.id)
  }
  return [...open][0] ?? null
}
