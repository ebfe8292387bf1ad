/** Spool folders: made at most once, read whatever state they are in, removed only when they are ours. */

import { randomBytes } from 'node:crypto'
import { readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import { createFolder } from '../process/new-folder.ts'
import { quietly } from '../process/quietly.ts'
import { renameFolder } from '../process/replace.ts'
import { SPOOL_FILES, type SpoolFile } from './spool-files.ts'

const metaSchema = z.object({
  /** The name of the token that began it. */
  token: z.string(),
  /** Tells, for a keyed job, whether a later request is the same one. */
  request: z.string(),
  timeout_ms: z.number(),
  created_ms: z.number(),
  max_spool_bytes: z.number(),
  workdir: z.string().optional(),
})
export type Meta = z.output<typeof metaSchema>

const processIdentity = z.object({
  pid: z.number().int().positive(),
  started: z.string().nullable(),
  boot: z.string().nullable(),
})
const supervisorSchema = z.object({ self: processIdentity, command: processIdentity.nullable() })
export type Supervisor = z.output<typeof supervisorSchema>

const endSchema = z.object({
  state: z.enum(['exited', 'timeout', 'error']),
  exit_code: z.number(),
  ended_at: z.number(),
  duration_ms: z.number(),
  stdout_original_bytes: z.number(),
  stderr_original_bytes: z.number(),
  error_msg: z.string().optional(),
})
export type End = z.output<typeof endSchema>

export type Spool = {
  readonly id: string
  readonly meta: Meta
  readonly command: string
  readonly supervisor: Supervisor | null
  readonly end: End | null
  readonly stdoutBytes: number
  readonly stderrBytes: number
}

export const spoolRoot = (outputTmpdir: string): string => join(outputTmpdir, 'jobs')
const isJobId = (name: string): boolean => /^[0-9a-f]{12}$/.test(name)

/** False when a job has this id already. */
export function createSpool(root: string, id: string, meta: Meta, command: string): Promise<boolean> {
  const created = `${Math.floor(meta.created_ms / 1000)}\n`
  const files = { command, created, meta: JSON.stringify(meta) } satisfies Partial<Record<SpoolFile, string>>
  return createFolder(root, id, files, { flush: false })
}

/** Null for what is no job of ours: missing, foreign or corrupt. */
export async function readSpool(root: string, id: string): Promise<Spool | null> {
  const folder = join(root, id)
  // The end first: once it is there, nothing else changes any more.
  const end = parseJson(endSchema, await readText(folder, 'status'))
  const meta = parseJson(metaSchema, await readText(folder, 'meta'))
  if (meta === null) return null
  const [command, supervisor, stdoutBytes, stderrBytes] = await Promise.all([
    readText(folder, 'command'),
    readText(folder, 'supervisor'),
    sizeOf(folder, 'stdout'),
    sizeOf(folder, 'stderr'),
  ])
  return {
    id,
    meta,
    command,
    supervisor: parseJson(supervisorSchema, supervisor),
    end,
    stdoutBytes,
    stderrBytes,
  }
}

export const listSpools = async (root: string): Promise<string[]> =>
  (await readdir(root).catch(() => [])).filter(isJobId)

/** False when somebody else keeps files of his own in the folder: then nothing at all is removed. */
export async function removeSpool(root: string, id: string): Promise<boolean> {
  const names = await readdir(join(root, id))
  if (names.some(name => !SPOOL_FILES.includes(name as SpoolFile))) return false
  // Gone at once for everybody, even when the removing is cut short.
  const gone = join(root, `.gone-${id}-${randomBytes(6).toString('hex')}`)
  renameFolder(join(root, id), gone)
  await rm(gone, { recursive: true, force: true })
  return true
}

const readText = (folder: string, name: SpoolFile): Promise<string> =>
  readFile(join(folder, name), 'utf8').catch(() => '')

const sizeOf = (folder: string, name: SpoolFile): Promise<number> =>
  stat(join(folder, name)).then(
    ({ size }) => size,
    () => 0,
  )

const parseJson = <T>(schema: z.ZodType<T>, text: string): T | null =>
  quietly(() => schema.parse(JSON.parse(text))) ?? null
