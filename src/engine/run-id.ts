import { randomBytes } from 'node:crypto'

export const RUN_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

/** A name for a folder, for a lock, for an image tag; `last` stands for the newest run. */
export const isRunId = (text: string) => RUN_ID.test(text) && text !== 'last'

/** Sorts by time: `20261120T180900Z-7f3a9c`. */
export function newRunId(now: number): string {
  const stamp = new Date(now).toISOString().replace(/[-:]|\.\d+/g, '')
  return `${stamp}-${randomBytes(3).toString('hex')}`
}
