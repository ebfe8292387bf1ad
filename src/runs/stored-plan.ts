/** What a run folder keeps of its beginning, so that another runner can go on: the plan and the playbook's own text. */
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Plan } from '../engine/plan.ts'
import { Failed, type Mistake } from '../failure.ts'
import { loadPlaybook } from '../playbook/load.ts'
import type { Playbook } from '../playbook/playbook.ts'
import { kinds } from '../steps/index.ts'
import { JOURNAL_VERSION, type JournalText, parseJournal } from './journal-text.ts'
import { type RunEntry, unwritable } from './runs-folder.ts'

export type Kept = { plan: Plan; playbook: Playbook; journal: JournalText }

/** Returns the hash that the plan can be told by later. */
export function keepRun(folder: string, plan: Plan, playbook: Playbook): string {
  const text = `${JSON.stringify(plan)}\n`
  try {
    writeFileSync(join(folder, 'plan.json'), text, { mode: 0o600 })
    writeFileSync(join(folder, 'playbook.yaml'), playbook.text, { mode: 0o600 })
  } catch (error) {
    throw new Failed(unwritable(folder, error))
  }
  return hashOf(text)
}

/** Throws `Failed` where the folder does not hold enough to go on. */
export function readKept(run: RunEntry): Kept {
  const { folder } = run
  const { runId, planHash } = run.head
  const text = (name: string): string => {
    try {
      return readFileSync(join(folder, name), 'utf8')
    } catch {
      throw broken(run, { of: name, is: 'missing' })
    }
  }
  const journal = parseJournal(text('journal.ndjson'), JOURNAL_VERSION)
  if (journal.newer) throw broken(run, { of: 'journal', is: 'newer' })
  if (journal.events.length === 0) throw broken(run, { of: 'journal', is: 'unreadable' })
  const planText = text('plan.json')
  if (planHash !== undefined && hashOf(planText) !== planHash)
    throw broken(run, { of: 'plan.json', is: 'another' })
  const plan = parsed(planText)
  if (plan === null) throw broken(run, { of: 'plan.json', is: 'another' })
  const playbookText = text('playbook.yaml')
  if (sha256(playbookText) !== plan.playbookDigest) throw broken(run, { of: 'playbook.yaml', is: 'another' })
  const loaded = loadPlaybook(playbookText, plan.playbook, kinds)
  if (!loaded.ok) {
    throw new Failed({ code: 'internal', problem: `the playbook that run ${runId} keeps is no longer valid` })
  }
  return { plan, playbook: loaded.playbook, journal }
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

const hashOf = (text: string): string => sha256(text).slice(0, 20)

function parsed(text: string): Plan | null {
  try {
    return JSON.parse(text) as Plan
  } catch {
    return null
  }
}

const broken = (
  { folder, head: { runId } }: RunEntry,
  why: Extract<Mistake, { what: 'record' }>['why'],
): Failed => new Failed({ code: 'usage', what: 'record', runId, folder, why })
