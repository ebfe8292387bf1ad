/** Every step kind that a playbook can use. */
import { command } from './command/command.ts'
import { script } from './command/script.ts'
import { composeBuild } from './compose/build.ts'
import { composeExec } from './compose/exec.ts'
import { composeGuard } from './compose/guard/guard.ts'
import { imageBuild } from './compose/image-build.ts'
import { composeLogs } from './compose/logs.ts'
import { composePs } from './compose/ps.ts'
import { composePull } from './compose/pull.ts'
import { composeRollout } from './compose/rollout.ts'
import { composeUp } from './compose/up.ts'
import { composeWait } from './compose/wait.ts'
import { confirm } from './confirm.ts'
import type { StepKind } from './contract/step.ts'
import { envSet } from './env/env-set.ts'
import { filesSnapshot } from './files/snapshot.ts'
import { gitCheckout } from './git/checkout.ts'
import { gitDirtyCheck } from './git/dirty-check.ts'
import { gitFetch } from './git/fetch.ts'
import { healthPoll } from './health/health-poll.ts'
import { httpGet } from './health/http-get.ts'
import { notify } from './notify.ts'

export const kinds: Record<string, StepKind> = {
  command,
  script,
  'git.dirty-check': gitDirtyCheck,
  'git.fetch': gitFetch,
  'git.checkout': gitCheckout,
  'compose.guard': composeGuard,
  'compose.build': composeBuild,
  'image.build': imageBuild,
  'env.set': envSet,
  'files.snapshot': filesSnapshot,
  'compose.pull': composePull,
  'compose.up': composeUp,
  'compose.rollout': composeRollout,
  'compose.wait': composeWait,
  'compose.ps': composePs,
  'compose.logs': composeLogs,
  'compose.exec': composeExec,
  'health.poll': healthPoll,
  'http.get': httpGet,
  notify,
  confirm,
}
