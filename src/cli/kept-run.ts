/** What a run folder keeps of its beginning, so that another runner can go on: the plan and the playbook's own text. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { JOURNAL_VERSION } from '../engine/journal.ts'
import type { Plan } from '../engine/plan.ts'
import { type JournalText, parseJournal } from '../engine/recover.ts'
import { Failed } from '../failure.ts'
import { loadPlaybook } from '../playbook/load.ts'
import type { Playbook } from '../playbook/playbook.ts'
import { kinds } from '../steps/index.ts'

export type Kept = { plan: Plan; playbook: Playbook; journal: JournalText }

export function keepRun(folder: string, plan: Plan, playbook: Playbook): void {
  writeFileSync(join(folder, 'plan.json'), `${JSON.stringify(plan)}\n`, { mode: 0o600 })
  writeFileSync(join(folder, 'playbook.yaml'), playbook.text, { mode: 0o600 })
}

/** Throws `Failed` where the folder does not hold enough to go on. */
export function readKept(folder: string, runId: string): Kept {
  const text = (name: string): string => {
    try {
      return readFileSync(join(folder, name), 'utf8')
    } catch {
      throw new Failed({
        code: 'usage',
        problem: `run ${runId} keeps no ${name}, so there is nothing to go on from`,
        hint: `hostops report ${runId}   tells what is known of it`,
      })
    }
  }
  const journal = parseJournal(text('journal.ndjson'), JOURNAL_VERSION)
  if (journal.newer) {
    throw new Failed({
      code: 'usage',
      problem: `run ${runId} was begun by a newer hostops`,
      hint: 'go on with that version',
    })
  }
  const plan = JSON.parse(text('plan.json')) as Plan
  const loaded = loadPlaybook(text('playbook.yaml'), plan.playbook, kinds)
  if (!loaded.ok) {
    throw new Failed({ code: 'internal', problem: `the playbook that run ${runId} keeps is no longer valid` })
  }
  return { plan, playbook: loaded.playbook, journal }
}
