/** What a result keeps of a command's output: the first bytes of each stream, in memory that does not grow. */
import type { StreamName } from '../process/stream-name.ts'
import type { ExecOptions, Exited } from './transport.ts'

export const DEFAULT_KEEP_BYTES = 1024 * 1024
const FIRST_ALLOCATION = 4096

export type KeptOutput = Omit<Exited, 'kind' | 'code' | 'signal'>

export type OutputCollector = {
  /** Shows the chunk to the caller and keeps what still has room. */
  take(stream: StreamName, chunk: Buffer): void
  /** How many bytes came in, kept or not. */
  seen(stream: StreamName): number
  /** Output existed that was never seen here. */
  missed(stream: StreamName): void
  kept(durationMs: number): KeptOutput
}

export function collectOutput(options: Pick<ExecOptions, 'keepBytes' | 'onOutput'>): OutputCollector {
  const limit = options.keepBytes ?? DEFAULT_KEEP_BYTES
  const heads = { stdout: headOf(limit), stderr: headOf(limit) }
  const { onOutput } = options
  return {
    take(stream, chunk) {
      heads[stream].add(chunk)
      onOutput?.(stream, chunk)
    },
    seen: stream => heads[stream].seen,
    missed: stream => {
      heads[stream].missed = true
    },
    kept: durationMs => ({
      stdout: heads.stdout.bytes(),
      stderr: heads.stderr.bytes(),
      stdoutTruncated: heads.stdout.isTruncated(),
      stderrTruncated: heads.stderr.isTruncated(),
      durationMs,
    }),
  }
}

/** Copies, because a chunk may be a small view of a large buffer, which it would keep alive. */
function headOf(limit: number) {
  let buffer = Buffer.alloc(0)
  let used = 0
  return {
    seen: 0,
    missed: false,
    add(chunk: Buffer) {
      this.seen += chunk.length
      const taken = Math.min(chunk.length, limit - used)
      if (taken <= 0) return
      if (used + taken > buffer.length) {
        const larger = Buffer.allocUnsafeSlow(
          Math.min(limit, Math.max(used + taken, 2 * buffer.length, FIRST_ALLOCATION)),
        )
        buffer.copy(larger, 0, 0, used)
        buffer = larger
      }
      chunk.copy(buffer, used, 0, taken)
      used += taken
    },
    bytes: () => buffer.subarray(0, used),
    isTruncated() {
      return this.missed || this.seen > limit
    },
  }
}
