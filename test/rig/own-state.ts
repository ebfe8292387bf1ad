/**
 * What tests start with the environment that they were given themselves: it keeps its state apart from the user's own, and
 * on a machine without curl, which Node and git are enough for, the demo's stand-in answers health polls.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { standInForCurl } from '../../examples/demo/curl.ts'
import { notTested } from './not-tested.ts'

export default function ownState() {
  const folder = mkdtempSync(join(tmpdir(), 'hostops-tests-state-'))
  process.env['XDG_STATE_HOME'] = folder
  // It would be looked at first.
  delete process.env['HOSTOPS_STATE_DIR']
  const standIn = standInForCurl(folder)
  if (standIn !== null) {
    notTested('what health polls ask of curl itself: there is no curl here; apt-get install curl')
    process.env['PATH'] = `${standIn}${delimiter}${process.env['PATH']}`
    process.env['HOSTOPS_TEST_CURL'] = 'stand-in'
  }
  return () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
}
