/** Keyed commands: for a while after its end each of them tells what it came to, and its output while there is room. */
import type { Output } from './output.ts'

const KEEP_MS = 600_000
const MOST = 1024
/** Of the ended ones together; beyond that the oldest keep their end and lose their output. */
const MOST_BYTES = 64 * 1024 * 1024

type Command = {
  readonly output: Readonly<Record<'stdout' | 'stderr', Output>>
  readonly endedAt: number | null
}

type Keyed<C extends Command> = {
  get(name: string): C | undefined
  add(name: string, command: C): void
  /** Of one that was added and has ended now. */
  end(name: string, command: C): void
  /** Those that are too old go. */
  sweep(): void
}

/** Every command comes by here, so that none of the others is looked at but those that go. */
export function createRecentExecutions<C extends Command>(now: () => number): Keyed<C> {
  const all = new Map<string, C>()
  // Maps keep the order of insertion: in these two the one that ended first comes first.
  const ended = new Map<string, C>()
  const bytesOf = new Map<string, number>()
  let bytes = 0

  const uncount = (name: string) => {
    bytes -= bytesOf.get(name) ?? 0
    bytesOf.delete(name)
  }
  const sweep = () => {
    for (const [name, { endedAt }] of ended) {
      const isOld = now() - (endedAt ?? 0) > KEEP_MS
      if (!isOld && all.size <= MOST) return
      all.delete(name)
      ended.delete(name)
      uncount(name)
    }
  }
  const forgetOutput = () => {
    for (const name of bytesOf.keys()) {
      if (bytes <= MOST_BYTES) return
      const { output } = ended.get(name)!
      output.stdout.forget()
      output.stderr.forget()
      uncount(name)
    }
  }

  return {
    get(name) {
      sweep()
      return all.get(name)
    },
    add(name, command) {
      sweep()
      all.set(name, command)
    },
    end(name, command) {
      ended.set(name, command)
      const { stdout, stderr } = command.output
      const kept = stdout.keptBytes + stderr.keptBytes
      if (kept > 0) bytesOf.set(name, kept)
      bytes += kept
      forgetOutput()
    },
    sweep,
  }
}
