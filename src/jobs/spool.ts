/** Spool folders: made at most once, read whatever state they are in, removed only when they are ours. */
import { randomBytes } from 'node:crypto'
import { readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import { createFolder } from '../process/new-folder.ts'
import { type End, SPOOL_FILES, type SpoolFile, type Supervisor } from './spool-files.ts'

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
const supervisorSchema: z.ZodType<Supervisor> = z.object({
  self: processIdentity,
  command: processIdentity.nullable(),
})

const endSchema: z.ZodType<End> = z.object({
  state: z.enum(['exited', 'timeout', 'error']),
  exit_code: z.number(),
  ended_at: z.number(),
  duration_ms: z.number(),
  stdout_original_bytes: z.number(),
  stderr_original_bytes: z.number(),
  error_msg: z.string().optional(),
})

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
    command: command ?? '',
    supervisor: parseJson(supervisorSchema, supervisor),
    end,
    stdoutBytes,
    stderrBytes,
  }
}

export async function listSpools(root: string): Promise<string[]> {
  try {
    return (await readdir(root)).filter(isJobId)
  } catch {
    return []
  }
}

/** False when somebody else keeps files of his own in the folder: then nothing at all is removed. */
export async function removeSpool(root: string, id: string): Promise<boolean> {
  const names = await readdir(join(root, id))
  if (names.some(name => !SPOOL_FILES.includes(name as SpoolFile))) return false
  // Gone at once for everybody, even when the removing is cut short.
  const gone = join(root, `.gone-${id}-${randomBytes(6).toString('hex')}`)
  await rename(join(root, id), gone)
  await rm(gone, { recursive: true, force: true })
  return true
}

async function readText(folder: string, name: SpoolFile): Promise<string | null> {
  try {
    return await readFile(join(folder, name), 'utf8')
  } catch {
    return null
  }
}

async function sizeOf(folder: string, name: SpoolFile): Promise<number> {
  try {
    return (await stat(join(folder, name))).size
  } catch {
    return 0
  }
}

function parseJson<T>(schema: z.ZodType<T>, text: string | null): T | null {
  if (text === null) return null
  try {
    return schema.safeParse(JSON.parse(text)).data ?? null
  } catch {
    return null
  }
}
