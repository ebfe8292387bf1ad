/** What the demo upgrades: a plain process, or a Compose stack where a Docker engine answers. */

export type Version = { tag: 'v1' | 'v2' | 'v3'; ready: boolean }

/** v3 starts, and never becomes ready: what an exit code does not tell. */
export const VERSIONS: readonly Version[] = [
  { tag: 'v1', ready: true },
  { tag: 'v2', ready: true },
  { tag: 'v3', ready: false },
]

export type Service = {
  /** For people: what it is. */
  what: string
  /** Where people find it. */
  playbook: string
  /** What is run: that one, or a copy that polls more often. */
  runs: string
  /** The repository's files at a version. */
  files(version: Version): Record<string, string>
  /** Brings the checkout's version up for the first time. */
  start(checkout: string): void
  inputs(checkout: string, ref: string): Record<string, string>
  /** Stops it and takes away what the folder does not hold. Safe at any time, and twice. */
  remove(): void
}
