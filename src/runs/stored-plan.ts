/** What a run folder keeps of its beginning, so that another runner can go on: the plan and the playbook's own text. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Event } from '../engine/events.ts'
import { type Plan, planHash, planText } from '../engine/plan.ts'
import { Failed } from '../failure.ts'
import { loadPlaybook } from '../playbook/load.ts'
import type { Playbook } from '../playbook/playbook.ts'
import { kinds } from '../steps/index.ts'
import { posixQuote } from '../transport/quote.ts'
import { JOURNAL_VERSION, parseJournal, writtenByNewer } from './journal-text.ts'
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

/** Died before its first intent was on the disk: nothing was done. */
export function neverBegan({ folder, report, alive }: RunEntry): boolean {
  if (report !== null || alive) return false
  try {
    const bytes = readFileSync(journalFile(folder))
    const { entries, newer } = parseJournal(bytes)
    // A log of a step comes after the journal's first line.
    return entries.length === 0 && !newer && isBeginning(bytes) && !existsSync(join(folder, 'steps'))
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT'
  }
}

/** Of a first line that was not written to its end. Anything else was a journal once. */
function isBeginning(bytes: Buffer): boolean {
  const written = bytes.toString().replace(/[\0\s]+$/, '')
  return (
    FIRST_WORDS.some(words => words.startsWith(written.slice(0, words.length))) && !written.includes('\n')
  )
}

const FIRST_WORDS = Array.from({ length: JOURNAL_VERSION }, (_, at) => `{"v":${at + 1},"seq":1,`)

/** Throws `Failed` where the folder does not hold enough to go on. */
export function readKept(run: RunEntry): Kept {
  const { folder } = run
  const { runId } = run.head
  const lacks = (name: string) =>
    new Failed({
      code: 'usage',
      problem: `run ${runId} keeps no ${name}, so there is nothing to go on from`,
      hint: givenUp(runId, folder),
    })
  const text = (name: string): string => {
    try {
      return readFileSync(join(folder, name), 'utf8')
    } catch {
      throw lacks(name)
    }
  }
  if (!existsSync(journalFile(folder))) throw lacks('journal.ndjson')
  const journal = readJournal(folder)
  if (journal.newer) throw writtenByNewer(runId)
  if (journal.entries.length === 0) {
    throw new Failed({
      code: 'usage',
      problem: `the journal of run ${runId} cannot be read, so there is nothing to go on from`,
      hint: givenUp(runId, folder),
    })
  }
  const [first] = journal.entries
  const begun = first?.event.type === 'run-started' ? first.event.planHash : null
  // Of version 1 only run.json says it.
  const hash = begun ?? run.head.planHash
  const planned = text('plan.json')
  if (hash !== undefined && planHash(planned) !== hash) throw moved(run, 'plan.json')
  const plan = parsed(planned)
  if (plan === null) throw moved(run, 'plan.json')
  const playbookText = text('playbook.yaml')
  if (sha256(playbookText) !== plan.playbookDigest) throw moved(run, 'playbook.yaml')
  const loaded = loadPlaybook(playbookText, plan.playbook, kinds)
  if (!loaded.ok) {
    throw new Failed({ code: 'internal', problem: `the playbook that run ${runId} keeps is no longer valid` })
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

/** There is no other way out for who has a run that nobody can go on with any more. */
const givenUp = (runId: string, folder: string): string =>
  `look at the host: hostops report ${runId} tells what is known; once all is as it should be, give the run up: rm -r ${posixQuote(folder)}`

const moved = ({ folder, head: { runId } }: RunEntry, name: string): Failed =>
  new Failed({
    code: 'usage',
    problem: `the ${name} of run ${runId} is not the one that it began with`,
    hint: givenUp(runId, folder),
  })
