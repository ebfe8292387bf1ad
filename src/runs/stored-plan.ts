/** What a run folder keeps of its beginning, so that another runner can go on: the plan and the playbook's own text. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Event } from '../engine/events.ts'
import { type Plan, planHash, planText } from '../engine/plan.ts'
import { Failed, type Mistake } from '../failure.ts'
import { loadPlaybook } from '../playbook/load.ts'
import type { Playbook } from '../playbook/playbook.ts'
import { kinds } from '../steps/index.ts'
import { writtenByNewer } from './journal-text.ts'
import { journalFile, readJournal } from './read-journal.ts'
import { type RunEntry, unwritable } from './runs-folder.ts'

/** `journalId`: of this one record, whatever run ids are given twice. */
export type Kept = { plan: Plan; playbook: Playbook; events: Event[]; journalId: string }

export function keepRun(folder: string, plan: Plan, playbook: Playbook): void {
  try {
    writeFileSync(join(folder, 'plan.json'), planText(plan), { mode: 0o600 })
    writeFileSync(join(folder, 'playbook.yaml'), playbook.text, { mode: 0o600 })
  } catch (error) {
    throw new Failed(unwritable(folder, error))
  }
}

/** Throws `Failed` if the folder does not hold enough to continue from. */
export function readKept(run: RunEntry): Kept {
  const { folder, head } = run
  const text = (name: string): string => {
    try {
      return readFileSync(join(folder, name), 'utf8')
    } catch {
      throw broken(run, { of: name, is: 'missing' })
    }
  }
  if (!existsSync(journalFile(folder))) throw broken(run, { of: 'journal.ndjson', is: 'missing' })
  const journal = readJournal(folder)
  if (journal.newer) throw writtenByNewer(head.runId)
  const [first] = journal.entries
  if (first === undefined) throw broken(run, { of: 'journal', is: 'unreadable' })
  const begun = first.event.type === 'run-started' ? first.event.planHash : null
  // Of version 1 only run.json says it.
  const hash = begun ?? head.planHash
  const planned = text('plan.json')
  if (hash !== undefined && planHash(planned) !== hash) throw broken(run, { of: 'plan.json', is: 'another' })
  const plan = parsed(planned)
  if (plan === null) throw broken(run, { of: 'plan.json', is: 'another' })
  const playbookText = text('playbook.yaml')
  if (sha256(playbookText) !== plan.playbookDigest) throw broken(run, { of: 'playbook.yaml', is: 'another' })
  const loaded = loadPlaybook(playbookText, plan.playbook, kinds)
  if (!loaded.ok) {
    const problem = `the playbook that run ${head.runId} keeps is no longer valid`
    throw new Failed({ code: 'internal', problem })
  }
  const events = journal.entries.map(({ event }) => event)
  return { plan, playbook: loaded.playbook, events, journalId: journal.id }
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

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
