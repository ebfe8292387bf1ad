/** Every step kind that a playbook can use. */
import { command } from './command.ts'
import { gitCheckout } from './git-checkout.ts'
import { gitDirtyCheck } from './git-dirty-check.ts'
import { gitFetch } from './git-fetch.ts'
import { healthPoll } from './health-poll.ts'
import { httpGet } from './http-get.ts'
import { script } from './script.ts'
import type { StepKind } from './step.ts'

export const kinds: Record<string, StepKind> = {
  command,
  script,
  'git.dirty-check': gitDirtyCheck,
  'git.fetch': gitFetch,
  'git.checkout': gitCheckout,
  'health.poll': healthPoll,
  'http.get': httpGet,
}
