/**
 * What tests start with the environment that they were given themselves: it keeps their files, state and home apart from the
 * user's own, and on a machine without curl, which Node and git are enough for, the demo's stand-in answers health polls.
 * At the end nothing may be left of them.
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, watch } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { standInForCurl } from '../../examples/demo/curl.ts'
import { leftovers } from './leftovers.ts'
import { notTested } from './not-tested.ts'

/** For what ends by itself a moment after its test. */
const GRACE_MS = 10_000

export default function ownState() {
  // A short name: sockets lie below it.
  const folder = mkdtempSync(join(tmpdir(), 'ht-'))
  // Other users put things there as well.
  chmodSync(folder, 0o1777)
  const own = (name: string) => {
    mkdirSync(join(folder, name), { mode: 0o700 })
    return join(folder, name)
  }
  process.env['TMPDIR'] = folder
  process.env['HOME'] = own('.home')
  process.env['XDG_STATE_HOME'] = own('.state')
  // They would be looked at first.
  delete process.env['HOSTOPS_STATE_DIR']
  delete process.env['XDG_CACHE_HOME']
  const standIn = standInForCurl(own('.curl'))
  if (standIn !== null) {
    notTested('what health polls ask of curl itself: there is no curl here; apt-get install curl')
    process.env['PATH'] = `${standIn}${delimiter}${process.env['PATH']}`
    process.env['HOSTOPS_TEST_CURL'] = 'stand-in'
  }
  const made = new Set<string>()
  const watcher = watch(folder, (_, name) => made.add(name ?? ''))
  return async () => {
    watcher.close()
    let left = leftovers(folder, made)
    for (const end = Date.now() + GRACE_MS; left.length > 0 && Date.now() < end; await sleep(500))
      left = leftovers(folder, made)
    for (const each of left) console.error(`LEFT BEHIND: ${each}`)
    // Of the machine's suites no whole run has been seen to leave nothing yet: there it is only told.
    if (left.length > 0 && process.env['HOSTOPS_LEFT_BEHIND'] !== 'told') process.exitCode = 1
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}
