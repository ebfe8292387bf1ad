/**
 * `<runs_state_dir>/requests/<run id>/`: who asked for a run and with what, 0700 and 0600. A folder is made whole
 * and at most once, so that a run id means one run whoever asks, how often and at which daemon.
 *
 *   request.json   whose it is, what tells it from another request of this id, and the program's arguments
 *   playbook.yaml  the text that runs
 *   inputs.json    values with types; input-0, input-1, ...: values as text, whose types the playbook decides
 *   values.json    the same values for who goes on with the run later
 *   job            the job that works on it at the moment
 *
 * Beside it, `runs/<run id>/` is the engine's own folder: its `run.json` tells the runner, `report.json` the end.
 */
import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod'
import { createFolder, removeLeftovers } from '../process/new-folder.ts'
import type { RunStatus } from '../runs/run-status.ts'
import { readRun } from '../runs/runs-folder.ts'

const requestSchema = z.object({
  token: z.string(),
  identity: z.string(),
  playbook: z.string(),
  argv: z.array(z.string()),
  created_ms: z.number(),
  /** Of the installed playbook as it was then. */
  digest: z.string().optional(),
  /** Of its job, where that of the run's id has been used by a mistake. */
  key: z.string().optional(),
})
export type HostRunRequest = z.output<typeof requestSchema>

export type HostRunStore = {
  folder(runId: string): string
  /** False when this id is taken. */
  create(
    runId: string,
    request: HostRunRequest,
    files: Readonly<Record<string, string | Buffer>>,
  ): Promise<boolean>
  read(runId: string): HostRunRequest | null
  ids(): string[]
  /** Of a daemon that ended while it made a request. */
  removeLeftovers(now: number): Promise<void>
  job(runId: string): string | null
  setJob(runId: string, jobId: string): void
  /** The engine's own folder. */
  run(runId: string): string
  /** The engine has made it. */
  hasRun(runId: string): boolean
  /** Null as long as the engine has no folder. */
  status(runId: string): RunStatus | null
  /** Removes a run that only reported a mistake, with its request: its id may mean another run from now on. */
  forgetMistake(runId: string): void
  /** The file with the values that it was asked for with, or was given since; null: they are gone. */
  values(runId: string): string | null
  giveValues(runId: string, texts: Readonly<Record<string, string>>): void
  /** Values may be secrets: they go as soon as nobody can need them any more. */
  forgetValues(runId: string): void
  remove(runId: string): void
}

export function openHostRunStore(root: string): HostRunStore {
  const requests = join(root, 'requests')
  const folder = (runId: string) => join(requests, runId)
  const runFolder = (runId: string) => join(root, 'runs', runId)
  return {
    folder,
    create: (runId, request, files) =>
      createFolder(requests, runId, { ...files, 'request.json': JSON.stringify(request) }, { flush: true }),
    read: runId => requestSchema.safeParse(readJson(join(folder(runId), 'request.json'))).data ?? null,
    ids: () => names(requests).filter(name => !name.startsWith('.')),
    removeLeftovers: now => removeLeftovers(requests, now),
    job: runId => readText(join(folder(runId), 'job'))?.trim() ?? null,
    setJob: (runId, jobId) => {
      const draft = join(folder(runId), '.job')
      writeFileSync(draft, `${jobId}\n`, { mode: 0o600 })
      renameSync(draft, join(folder(runId), 'job'))
    },
    run: runFolder,
    hasRun: runId => existsSync(runFolder(runId)),
    status: runId => readRun(runFolder(runId))?.status ?? null,
    forgetMistake: runId => {
      // At once out of everybody's sight.
      for (const place of [runFolder(runId), folder(runId)]) {
        const gone = join(requests, `.gone-${runId}-${randomBytes(6).toString('hex')}`)
        renameSync(place, gone)
        rmSync(gone, { recursive: true, force: true })
      }
    },
    values: runId => {
      // Requests of an older daemon have only the second.
      const files = ['values.json', 'inputs.json'].map(name => join(folder(runId), name))
      return files.find(file => existsSync(file)) ?? null
    },
    giveValues: (runId, texts) => {
      const file = join(folder(runId), 'values.json')
      const before = readJson(file)
      const known = typeof before === 'object' ? before : {}
      const draft = `${file}.${randomBytes(6).toString('hex')}`
      writeFileSync(draft, JSON.stringify({ ...known, ...texts }), { mode: 0o600 })
      renameSync(draft, file)
    },
    forgetValues: runId => {
      for (const name of names(folder(runId))) {
        if (/^(inputs|values)\.json|^input-\d+$/.test(name))
          rmSync(join(folder(runId), name), { force: true })
      }
    },
    remove: runId => rmSync(folder(runId), { recursive: true, force: true }),
  }
}

function names(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function readText(file: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return null
  }
}

const readJson = (file: string): unknown => parse(readText(file) ?? '')

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
