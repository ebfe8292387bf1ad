/** Which process is which, and whether it lives: `ProcessIdentity` of either platform. */
import { posixIdentities } from './identity-posix.ts'
import { windowsIdentities } from './identity-windows.ts'
import type { NotedProcess, ProcessIdentity } from './known-process.ts'
import { forPlatform } from './platform.ts'

export type { ProcessIdentity }

const identities = forPlatform({ posix: posixIdentities, windows: windowsIdentities })

/** Null when there is no such process; a zombie still is one. */
export const identify = (pid: number): ProcessIdentity | null => identities.identify(pid)

/** Whether that very process runs still; a zombie does not. */
export const isAlive = (process: ProcessIdentity): boolean => identities.isAlive(process)

/** Whether nobody else can have its number yet: it runs, or nobody has asked about its end. */
export const isThere = (process: ProcessIdentity): boolean => identities.isThere(process)

/** Of this one. */
export const noteSelf = (): { pid: number; started: string | null; boot: string | null } =>
  identify(process.pid) ?? { pid: process.pid, started: null, boot: null }

/** What was not noted, by an older version or where nothing tells it, is not held against it. */
export const livesStill = (process: NotedProcess): boolean => identities.livesStill(process)

/** Null where the platform does not tell. */
export const bootId = (): string | null => identities.bootId()
