/** Processes of Windows, known by the file that each of ours holds open (alive-file.ts) as well as by their pid. */
import { isHeld, makeAliveFile } from './alive-file.ts'
import { answersToSignals, type Identities, type ProcessIdentity } from './known-process.ts'
import { quietly } from './quietly.ts'

let self: ProcessIdentity | undefined

/** Its file stays open until this process ends, however it does. */
function identifySelf(): ProcessIdentity {
  self ??= { pid: process.pid, started: quietly(() => makeAliveFile().path) ?? null, boot: null }
  return self
}

/** A child inherits the file, and so does what it starts: when it has ended, its file may still be held by that. */
const lives = ({ pid, started }: { pid: number; started: string | null }): boolean =>
  answersToSignals(pid) && (started === null || isHeld(started))

export const windowsIdentities: Identities = {
  identify: pid => {
    if (pid === process.pid) return identifySelf()
    return answersToSignals(pid) ? { pid, started: null, boot: null } : null
  },
  isAlive: lives,
  isThere: lives,
  livesStill: noted => noted.pid > 0 && lives(noted),
  bootId: () => null,
}
