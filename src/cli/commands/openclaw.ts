/** `hostops openclaw install|uninstall`: prints what it will do, asks, does it. Both may be repeated. */
import { dirname, join } from 'node:path'
import { replaceApprovals } from '../../app/openclaw/approvals.ts'
import { type Door, type InstallStep, install, stepsFor, uninstall } from '../../app/openclaw/install.ts'
import { approvalsOf, CLOSED_APPROVALS, placesOf } from '../../app/openclaw/layout.ts'
import { type Manifest, readManifest, removeManifest, writeManifest } from '../../app/openclaw/manifest.ts'
import { commandMistake, Failed } from '../../failure.ts'
import { findProgram } from '../../hostlink/daemon/policy/program.ts'
import { holdLock } from '../../process/hold-lock.ts'
import { makeFolder } from '../../process/make-folder.ts'
import { EXIT_NO, EXIT_OK, EXIT_REFUSED, EXIT_USAGE } from '../../report/exit-code.ts'
import { printable } from '../../wording/printable.ts'
import { type InstallOptions, readDoor } from '../openclaw/read-machine.ts'
import {
  hasSystemd,
  makeUser,
  nodeUser,
  reloadDaemon,
  removeUser,
  startService,
  stopService,
} from '../openclaw/system.ts'
import { blockedWords, leftWords, nextWords, plannedWords, removedWords } from '../openclaw/words.ts'
import { wordedError } from '../print/print-failure.ts'
import { askYesNo } from '../terminal/ask.ts'
import type { Io } from '../terminal/io.ts'

type Asking = Pick<InstallOptions, 'openclaw' | 'root' | 'yes' | 'dryRun'>

export const openclawInstall = (given: InstallOptions, io: Io): Promise<number> =>
  alone('install', given, io, async () => {
    const before = readManifest(given.root)
    const door = await readDoor(given, before, io.env)
    const steps = stepsFor(door, before?.done ?? [])
    io.stderr.write(plannedWords(door, steps))
    if (isBlocked(steps, io)) return EXIT_REFUSED
    if (!(await isAgreed(given, io))) return given.dryRun ? EXIT_OK : EXIT_REFUSED
    return carryOut(door, before, io)
  })

function isBlocked(steps: readonly InstallStep[], io: Io): boolean {
  const blocked = steps.filter(({ look }) => look.state === 'blocked')
  if (blocked.length > 0) io.stderr.write(`\nno file was changed\n${blocked.map(blockedWords).join('')}`)
  return blocked.length > 0
}

function carryOut(planned: Door, before: Manifest | null, io: Io): number {
  const { options } = planned
  let manifest: Manifest = before ?? { version: 1, options, madeUser: false, approvals: [], done: [] }
  const record = (news: Partial<Manifest>) => {
    manifest = { ...manifest, options, ...news }
    writeManifest(manifest)
  }
  if (planned.node === 'missing') addUser(planned, record)
  const door = { ...planned, node: nodeUser(options.user) }
  // Looked at again: its user may not have been there.
  const steps = stepsFor(door, manifest.done)
  if (isBlocked(steps, io)) return EXIT_REFUSED
  const left = install(door, steps, manifest.done, done => record({ done }))
  for (const each of left) io.stderr.write(leftWords(each))
  const isOpen = allow(door, manifest, record, io)
  const services = hasSystemd(options)
  if (services) reloadDaemon()
  // Without approvals OpenClaw allows everything.
  if (services && isOpen && door.hasService) startService()
  io.stderr.write(nextWords(door, { services, isOpen }))
  return isOpen ? EXIT_OK : EXIT_NO
}

type RecordNews = (news: Partial<Manifest>) => void

/** Not ours if it could not be made: somebody may make it now. */
function addUser({ options }: Door, record: RecordNews): void {
  record({ madeUser: true })
  try {
    makeUser(options)
  } catch (error) {
    record({ madeUser: false })
    throw error
  }
}

/** False if somebody has to do it by hand. */
function allow(
  { options, openclaw, node, grants }: Door,
  { approvals }: Manifest,
  record: RecordNews,
  io: Io,
): boolean {
  const names = grants.map(({ name }) => name)
  const wanted = approvalsOf(placesOf(options).launcher, options.agent, names)
  const ours = [...approvals, wanted]
  record({ approvals: ours })
  const problem = replaceApprovals({ openclaw, node, state: options.state }, wanted, [
    {},
    CLOSED_APPROVALS,
    ...ours,
  ])
  if (problem === null) {
    record({ approvals: [wanted] })
    return true
  }
  io.stderr.write(
    `the approvals of the node were not changed: ${printable(problem)}\nhint: put this into approvals.json, then, as ${options.user}: openclaw approvals set --file approvals.json\n${JSON.stringify(wanted, null, 2)}\n`,
  )
  return false
}

export const openclawUninstall = (given: Asking, io: Io): Promise<number> =>
  alone('uninstall', given, io, async () => {
    const manifest = readManifest(given.root)
    if (manifest === null) {
      // One that was not written to its end.
      if (!given.dryRun) removeManifest(given.root)
      io.stderr.write('nothing is installed\n')
      return EXIT_OK
    }
    io.stderr.write(removedWords(manifest))
    if (!(await isAgreed(given, io))) return given.dryRun ? EXIT_OK : EXIT_REFUSED
    return takeAway(manifest, findProgram(given.openclaw ?? 'openclaw', io.env), io)
  })

/** The program is never the one that the manifest would name. */
function takeAway({ options, done, madeUser, approvals }: Manifest, openclaw: string | null, io: Io): number {
  const services = hasSystemd(options)
  const place = { options, node: nodeUser(options.user) }
  if (services) stopService()
  if (approvals.length > 0) {
    const program = { openclaw, node: place.node, state: options.state }
    const problem = replaceApprovals(program, CLOSED_APPROVALS, [CLOSED_APPROVALS, ...approvals])
    io.stderr.write(
      problem === null
        ? 'the approvals of the node deny everything now\n'
        : `the approvals of the node were not changed: ${printable(problem)}\nhint: openclaw approvals get\n`,
    )
  }
  for (const each of uninstall(place, done)) io.stderr.write(leftWords(each))
  if (madeUser && !removeUser(options))
    io.stderr.write(`the user ${options.user} was left\nhint: userdel ${options.user}\n`)
  removeManifest(options.root)
  if (services) reloadDaemon()
  else io.stderr.write('hint: send SIGHUP to hostlinkd, so that it forgets the token\n')
  return EXIT_OK
}

async function isAgreed({ yes, dryRun }: Asking, io: Io): Promise<boolean> {
  if (dryRun) {
    io.stderr.write('\nnothing was changed\n')
    return false
  }
  if (yes) return true
  const answer = await askYesNo('\nproceed?')
  if (answer === null) throw commandMistake('there is no terminal to ask at', '--yes')
  if (!answer) io.stderr.write('nothing was changed\n')
  return answer
}

/** One at a time on a machine, from what it reads there to what it writes. A dry run holds nobody up. */
async function alone(
  verb: 'install' | 'uninstall',
  { root, dryRun }: Asking,
  io: Io,
  work: () => Promise<number>,
): Promise<number> {
  try {
    if (dryRun) return await work()
    if (root === '' && process.geteuid?.() !== 0)
      throw commandMistake(
        'only root can change the system',
        `sudo hostops openclaw ${verb} ...; --dry-run only prints what it would do`,
      )
    const file = join(root, '/run/hostops-openclaw.lock')
    makeFolder(dirname(file))
    const holder = holdLock(file, `hostops openclaw ${verb}, process ${process.pid}`)
    if (holder === null) return await work()
    io.stderr.write(`error: another one is running: ${printable(holder)}\nhint: wait until it has ended\n`)
    return EXIT_REFUSED
  } catch (error) {
    if (!(error instanceof Failed)) throw error
    io.stderr.write(wordedError(error.failure))
    return EXIT_USAGE
  }
}
