/** Who works on a target, and what another runner may believe about it. */

/** Who holds a lock, as its file says. */
export type Holder = {
  runId: string
  /** user@host, for people. */
  who: string
  pid: number
  since: string
  /** Names the machine and its boot, so that another process there can prove the holder dead. */
  machine: string
  boot: string
  /** When the process began, by the kernel: a pid alone may be somebody else's by now. */
  processStart: string
  /** The state folder that has its run, on its machine. */
  state?: string | undefined
}

/** What can be known about a holder from here. `interrupted`: it is dead, and its run was not finished. */
export type Judgement = 'alive' | 'finished' | 'interrupted' | 'unknown'

export type LockInput = {
  holder: Holder
  judge(holder: Holder): Judgement
  /** How long to wait for somebody else's run. */
  waitMs: number
}
