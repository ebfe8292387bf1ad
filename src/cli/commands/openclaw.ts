/** `hostops openclaw install|uninstall`: says what it will do, asks, does it; twice is fine, and it takes all of it away. */
import { closeApprovals, openApprovals } from '../../app/openclaw/approvals.ts'
import type { ChangeRecord } from '../../app/openclaw/changes.ts'
import { changesFor, type Door, install, stepsFor, uninstall } from '../../app/openclaw/install.ts'
import { approvalsOf, placesOf } from '../../app/openclaw/layout.ts'
import { type Manifest, readManifest, removeManifest, writeManifest } from '../../app/openclaw/manifest.ts'
import { commandMistake, Failed } from '../../failure.ts'
import { findUser } from '../../hostlink/daemon/config/user.ts'
import { EXIT_NO, EXIT_OK, EXIT_REFUSED, EXIT_USAGE } from '../../report/exit-code.ts'
import { printable } from '../../wording/printable.ts'
import { type InstallOptions, readDoor } from '../openclaw/read-machine.ts'
import {
  hasSystemd,
  makeUser,
  reloadDaemon,
  removeUser,
  startService,
  stopService,
} from '../openclaw/system.ts'
import { blockedWords, leftWords, nextWords, plannedWords, removedWords } from '../openclaw/words.ts'
import { wordedError } from '../print/print-failure.ts'
import { askYesNo } from '../terminal/ask.ts'
import type { Io } from '../terminal/io.ts'

type Asking = Pick<InstallOptions, 'root' | 'yes' | 'dryRun'>

export const openclawInstall = (given: InstallOptions, io: Io): Promise<number> =>
  wordFailure(io, async () => {
    needRoot('install', given)
    const before = readManifest(given.root)
    const door = await readDoor(given, before, io.env)
    const steps = stepsFor(changesFor(door), before?.done ?? [])
    io.stderr.write(plannedWords(door, steps))
    const blocked = steps.filter(({ look }) => look.state === 'blocked')
    if (blocked.length > 0) {
      io.stderr.write(`\nnothing was changed\n${blocked.map(blockedWords).join('')}`)
      return EXIT_REFUSED
    }
    if (!(await isAgreed(given, io))) return given.dryRun ? EXIT_OK : EXIT_REFUSED
    return carryOut(door, before, io)
  })

async function carryOut(door: Door, before: Manifest | null, io: Io): Promise<number> {
  const { options } = door
  const madeUser = makeUser(options) || (before?.madeUser ?? false)
  const user = findUser(options.user)
  const owned = options.root === '' && user !== null ? { ...door, owner: user } : door
  // Looked at again: the owner may not have been there.
  const steps = stepsFor(changesFor(owned), before?.done ?? [])
  let manifest: Manifest = { version: 1, options, madeUser, approvals: before?.approvals ?? null, done: [] }
  const record = (done: ChangeRecord[]) => {
    manifest = { ...manifest, done }
    writeManifest(manifest)
  }
  const left = install(steps, before?.done ?? [], record)
  for (const each of left) io.stderr.write(leftWords(each))
  const isOpen = allow(door, manifest, io)
  const services = hasSystemd(options)
  if (services) reloadDaemon()
  // Without approvals OpenClaw allows everything.
  if (services && isOpen && door.hasService) startService()
  io.stderr.write(nextWords(door, { services, isOpen }))
  return isOpen ? EXIT_OK : EXIT_NO
}

/** False if somebody has to do it by hand. */
function allow({ options, grants }: Door, manifest: Manifest, io: Io): boolean {
  const names = grants.map(({ name }) => name)
  const wanted = approvalsOf(placesOf(options).launcher, options.agent, names)
  const problem = openApprovals(options, wanted, manifest.approvals)
  if (problem === null) {
    writeManifest({ ...manifest, approvals: wanted })
    return true
  }
  io.stderr.write(
    `the approvals of the node were not changed: ${printable(problem)}\nhint: put this into approvals.json, then, as ${options.user}: openclaw approvals set --file approvals.json\n${JSON.stringify(wanted, null, 2)}\n`,
  )
  return false
}

export const openclawUninstall = (given: Asking, io: Io): Promise<number> =>
  wordFailure(io, async () => {
    needRoot('uninstall', given)
    const manifest = readManifest(given.root)
    if (manifest === null) {
      io.stderr.write('nothing is installed\n')
      return EXIT_OK
    }
    io.stderr.write(removedWords(manifest))
    if (!(await isAgreed(given, io))) return given.dryRun ? EXIT_OK : EXIT_REFUSED
    return takeAway(manifest, io)
  })

function takeAway({ options, done, madeUser, approvals }: Manifest, io: Io): number {
  const services = hasSystemd(options)
  if (services) stopService()
  if (approvals !== null)
    io.stderr.write(
      closeApprovals(options, approvals)
        ? 'the approvals of the node deny everything now\n'
        : 'the approvals of the node were left as they are\nhint: openclaw approvals get\n',
    )
  for (const each of uninstall(done)) io.stderr.write(leftWords(each))
  if (madeUser && !removeUser(options))
    io.stderr.write(`the user ${options.user} was left\nhint: userdel ${options.user}\n`)
  removeManifest(options.root)
  if (services) reloadDaemon()
  else io.stderr.write('hint: send SIGHUP to hostlinkd, so that it forgets the token\n')
  return EXIT_OK
}

function needRoot(verb: string, { root, dryRun }: Asking): void {
  if (root !== '' || dryRun || process.geteuid?.() === 0) return
  throw commandMistake(
    `this changes the system, and needs root`,
    `sudo hostops openclaw ${verb} ...; --dry-run only says what it would do`,
  )
}

async function isAgreed({ yes, dryRun }: Asking, io: Io): Promise<boolean> {
  if (dryRun) {
    io.stderr.write('\nnothing was changed\n')
    return false
  }
  if (yes) return true
  const answer = await askYesNo('\ngo ahead?')
  if (answer === null) throw commandMistake('nobody is there to be asked', 'say --yes')
  if (!answer) io.stderr.write('nothing was changed\n')
  return answer
}

async function wordFailure(io: Io, work: () => Promise<number>): Promise<number> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof Failed)) throw error
    io.stderr.write(wordedError(error.failure))
    return EXIT_USAGE
  }
}
