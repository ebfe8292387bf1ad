/** What tests start with the environment that they were given themselves keeps its state apart from the user's own. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export default function ownState() {
  const folder = mkdtempSync(join(tmpdir(), 'hostops-tests-state-'))
  process.env.XDG_STATE_HOME = folder
  // It would be looked at first.
  delete process.env.HOSTOPS_STATE_DIR
  return () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
}
