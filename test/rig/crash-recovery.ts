/** After a death: somebody goes on with the run or takes it back, and everything is as the report then says. */
import { expect } from 'vitest'
import type { Event } from '../../src/engine/events.ts'
import type { CrashWorld } from './crash.ts'
import type { Cell, Verb } from './crash-cell.ts'
import { type Ended, poll } from './hostops.ts'
import { lockFileOf } from './lock-file.ts'

/** `first`: what the client said, where it lived long enough to say anything. */
export async function recoverAndCheck(world: CrashWorld, cell: Cell, first: Ended): Promise<void> {
  await world.quiet()
  const left = world.events()
  const begun = left.at(-1)?.type === 'step-started' ? (left.at(-1) as { id: string }).id : null
  // Intent before act: who dies with the intent alone has not acted.
  if (cell.victim === 'runner' && cell.at.startsWith('after:') && begun !== null)
    expect(world.count(begun), `${begun} was done before its intent was written`).toBe(0)
  const undone = wasSeen(left, 'migrate') ? world.count('unmigrate') : null
  const ended = await recovered(world, cell, first)
  const told = `${ended.stdout}${ended.stderr}\n${world.history().join('\n')}`
  expectEnd(ended, cell, told)
  await expectHost(world, ended, told)
  // A daemon that was gone when the lock was given back keeps it: the next run finds that its holder had ended.
  if (!losesItsDaemon(cell) && ended.report.outcome !== 'unreachable')
    expect(lockFileOf(world.checkout), told).toBeNull()
  // A part that was seen to end well is not done again.
  if (undone !== null) expect(world.count('unmigrate'), told).toBe(undone)
  // One that succeeded, since its daemon's death did not even end it, would be taken back now.
  const again = cell.verb === 'none' ? 'wait' : ended.report.outcome === 'succeeded' ? 'resume' : cell.verb
  for (const asked of [
    await world.ask('report'),
    cell.verb === 'none' ? await world.ask(again) : await world.hostops([again, 'r']),
  ])
    expect([asked.stdout, asked.code], told).toEqual([ended.stdout, ended.code])
}

const wasSeen = (events: Event[], restored: string): boolean =>
  events.some(
    event =>
      event.type === 'part-finished' &&
      event.movement === 'restore' &&
      event.id === restored &&
      event.failure === null,
  )

async function recovered(world: CrashWorld, cell: Cell, first: Ended): Promise<Ended> {
  if (cell.verb === 'none') return first.stdout === '' ? world.ask('wait') : first
  // A runner that lost its daemon ends by itself, and says as much as it knows.
  const own = first.stdout === '' || world.where === 'on-host' ? 'unknown' : first.report.outcome
  if (FINISHED.has(own)) return first
  const verb = own === 'unknown' ? cell.verb : 'rollback'
  for (const order of cell.again ?? []) {
    const [how = '', own = verb] = order.split('@')
    const next = await world.hostops([own, 'r'], how)
    await world.quiet()
    if (next.signal !== 'SIGKILL' && isKnown(next)) return next
  }
  return goOn(world, verb)
}

/** Also to those who come later: what could not be written down is not. */
const isKnown = ({ report }: Ended): boolean =>
  FINISHED.has(report.outcome) && report.recordIncomplete !== true

const FINISHED: ReadonlySet<string> = new Set(['succeeded', 'rolled-back', 'failed-unchanged', 'unreachable'])

/** What nobody saw the end of is not repeated: somebody looks, and says what there is. */
async function goOn(world: CrashWorld, verb: Verb): Promise<Ended> {
  const inFlight = commandInFlight(world.events())
  const before = inFlight === null ? 0 : world.count(inFlight)
  const ended = await world.hostops([verb, 'r'])
  if (inFlight !== null) expect(world.count(inFlight), `${inFlight}, by nobody's word`).toBe(before)
  if (verb !== 'resume' || ended.report.outcome !== 'unknown') return ended
  if (ended.report.errorCode === 'record-incomplete') return world.hostops(['rollback', 'r'])
  expect(ended, ended.stderr).toMatchObject({
    code: 6,
    report: { success: null, errorCode: 'end-not-seen', failedStep: inFlight },
  })
  const begun = world.count(inFlight!) > 0
  // Half of it was done: neither word is true, and the way back is what is left.
  if (begun && inFlight === 'restart' && world.count('restarted') === 0)
    return world.hostops(['rollback', 'r'])
  return world.hostops(['resume', 'r', '--assume', begun ? 'done' : 'not-done'])
}

/** The command of the playbook's own that was begun and not seen to end. */
function commandInFlight(events: Event[]): string | null {
  const open = new Set<string>()
  for (const event of events) {
    if (event.type === 'step-started') open.add(event.id)
    if (event.type === 'step-finished' && event.status !== 'unknown') open.delete(event.id)
  }
  return [...open].find(id => id === 'migrate' || id === 'restart') ?? null
}

const MAY_END: Record<Verb, RegExp> = {
  none: /^(succeeded|rolled-back)$/,
  resume: /^(succeeded|rolled-back|failed-unchanged|unreachable)$/,
  rollback: /^(rolled-back|failed-unchanged|unreachable)$/,
}

function expectEnd(ended: Ended, cell: Cell, told: string): void {
  const { outcome, errorCode } = ended.report
  if (losesItsDaemon(cell) || cell.again?.some(mayTurnBack)) {
    // The way was gone for a while, or the one between turned back: it went on, or it did not, and says which.
    expect(outcome, told).toMatch(MAY_END.resume)
    if (cell.version !== 'v2') expect(outcome, told).not.toBe('succeeded')
  } else if (cell.version === 'v2' && cell.verb !== 'rollback') {
    // Only a run that had not begun may be "finished" by saying so.
    if (outcome === 'failed-unchanged') expect(errorCode, told).toBe('not-begun')
    else if (cell.victim !== 'machine' || outcome !== 'rolled-back') expect(outcome, told).toBe('succeeded')
  } else {
    expect(outcome, told).toMatch(cell.verb === 'none' ? /^rolled-back$/ : MAY_END.rollback)
  }
  const codes = { succeeded: 0, 'rolled-back': 1, 'failed-unchanged': 1, unreachable: 4 }
  expect(ended.code, told).toBe(codes[outcome as keyof typeof codes])
}

const losesItsDaemon = ({ victim, where }: Cell): boolean => victim === 'daemon' && where === 'hostlink'
const mayTurnBack = (order: string): boolean => !/^(after|torn):\d+$/.test(order)

/** The host is what the report says, and no write was done twice. */
async function expectHost(world: CrashWorld, ended: Ended, told: string): Promise<void> {
  const version = ended.report.outcome === 'succeeded' ? 'v2' : 'v1'
  expect(world.head(), told).toBe(version)
  await poll(async () => (await world.says()) !== null)
  expect(await world.says(), told).toBe(version)
  const [migrated, restarted] = [world.count('migrate'), world.count('restart')]
  expect(migrated, told).toBeLessThanOrEqual(1)
  expect(restarted, told).toBeLessThanOrEqual(1)
  if (version === 'v2') expect([migrated, restarted, world.count('unmigrate')], told).toEqual([1, 1, 0])
  else if (migrated === 1) expect(world.count('unmigrate'), told).toBeGreaterThanOrEqual(1)
}
