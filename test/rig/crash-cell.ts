/** One cell of the crash matrix: who dies where in which run, and what is done about it afterwards. */
import type { Where } from './crash.ts'
import type { Version } from './crash-service.ts'

/** `machine`: everything that belongs to the run, at once. */
export type Victim = 'runner' | 'client' | 'daemon' | 'machine'
export type Verb = 'resume' | 'rollback' | 'none'

export type Cell<V extends string = Version> = {
  readonly where: Where
  readonly victim: Victim
  readonly version: V
  readonly verb: Verb
  /** `after:N` and `torn:N` entries of the journal, `ms:N` milliseconds. */
  readonly at: string
  /** What becomes of those who go on with it, one after the other: `after:3`, `full:2@rollback` (rig/die.mjs). */
  readonly again?: readonly string[]
}

export const nameOf = ({ where, victim, version, verb, at, again }: Cell<string>): string =>
  [where, victim, version, verb, at, ...(again === undefined ? [] : [again.join(',')])].join(' ')

export function parseCell<V extends string = Version>(name: string): Cell<V> {
  const [where, victim, version, verb, at, again] = name.trim().split(/\s+/)
  if (at === undefined) throw new Error(`no cell: ${name}`)
  const cell = { where, victim, version, verb, at } as Cell<V>
  return again === undefined ? cell : { ...cell, again: again.split(',') }
}
