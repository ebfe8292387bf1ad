/** One cell of the crash matrix: who dies where in which run, and what is done about it afterwards. */
import type { Where } from './crash.ts'
import type { Version } from './crash-service.ts'

/** `machine`: everything that belongs to the run, at once. */
export type Victim = 'runner' | 'client' | 'daemon' | 'machine'
export type Verb = 'resume' | 'rollback' | 'none'

export type Cell = {
  readonly where: Where
  readonly victim: Victim
  readonly version: Version
  readonly verb: Verb
  /** `after:N` and `torn:N` entries of the journal, `ms:N` milliseconds. */
  readonly at: string
  /** The first one who goes on with the run dies as well, after so many entries. */
  readonly again?: number
}

export const nameOf = ({ where, victim, version, verb, at, again }: Cell): string =>
  [where, victim, version, verb, at, ...(again === undefined ? [] : [again])].join(' ')

export function parseCell(name: string): Cell {
  const [where, victim, version, verb, at, again] = name.trim().split(/\s+/)
  if (at === undefined) throw new Error(`no cell: ${name}`)
  const cell = { where, victim, version, verb, at } as Cell
  return again === undefined ? cell : { ...cell, again: Number(again) }
}
