/**
 * What tests start with the environment that they were given themselves: it keeps its state apart from the user's own, and
 * on a machine without curl, which Node and git are enough for, the demo's stand-in answers health polls.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { standInForCurl } from '../../examples/demo/curl.ts'

export default function ownState() {
  const folder = mkdtempSync(join(tmpdir(), 'hostops-tests-state-'))
  process.env['XDG_STATE_HOME'] = folder
  // It would be looked at first.
  delete process.env['HOSTOPS_STATE_DIR']
  const standIn = standInForCurl(folder)
  if (standIn !== null) {
    const words =
      'there is no curl here: health polls are tested with a stand-in, and not what they ask of curl itself'
    if (process.env['HOSTOPS_REQUIRE_DOCKER'] === '1') throw new Error(words)
    console.warn(`NOT TESTED: ${words}; apt-get install curl`)
    process.env['PATH'] = `${standIn}${delimiter}${process.env['PATH']}`
    process.env['HOSTOPS_TEST_CURL'] = 'stand-in'
  }
  return () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
}
