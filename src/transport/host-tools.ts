/**
 * What hostops itself does on a target, beside the programs that it starts there. Where a POSIX shell is, such acts are sh
 * texts, which every transport carries. On Windows they are done in this process, and so on the host itself only.
 */
export type HostTools = {
  /** As `engine/lock-script.ts` has it for a shell. */
  lock(ask: LockRequest): Promise<LockReply>
  /** One name for one folder, whatever its spelling: `checkout:PATH` and the like. */
  lockName(name: string): string
}

export type LockVerb = 'acquire' | 'replace' | 'touch' | 'release' | 'write' | 'read' | 'remove'

/** `file`: a name that leads nowhere else. */
export type LockRequest = { verb: LockVerb; file: string; mine: string; expected: string }

/** `content`: of whoever has it. */
export type LockReply = { word: string; age: number; path: string; content: string }
