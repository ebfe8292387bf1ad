/**
 * The spool folder of a job, `<folder of the settings>/jobs/<id>/`: what is in it, how it comes to be, how it is read.
 *
 *   command     the command's text, for people
 *   created     seconds since 1970
 *   meta        whose it is and its limits (JSON); there from the first moment on
 *   supervisor  which process looks after it, and which one the command is (JSON)
 *   pid         the command's process id
 *   stdout, stderr
 *   cancel      the signal that a canceller asked for
 *   status      how it ended (JSON); written last and atomically
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { renameOver } from '../process/replace.ts'

export const SPOOL_FILES = [
  'command',
  'created',
  'meta',
  'supervisor',
  'supervisor.part',
  'pid',
  'stdout',
  'stderr',
  'cancel',
  'cancel.part',
  'status',
  'status.part',
] as const
export type SpoolFile = (typeof SPOOL_FILES)[number]

/** Readers see the old text or the new one, never a part. */
export async function replaceFile(folder: string, name: 'supervisor' | 'cancel' | 'status', text: string) {
  const part = join(folder, `${name}.part`)
  await writeFile(part, text, { mode: 0o600 })
  renameOver(part, join(folder, name))
}
