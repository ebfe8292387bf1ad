/** Reads what a process writes, up to the end of the process and a little further. */
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

/** Takes output as it comes. No more is read from that stream until a promise that it answers is settled. */
export type OutputSink = (chunk: Buffer) => void | Promise<void>

/** What a left-behind child that holds the output open may delay the end by. */
const LINGER_MS = 950
/** Time for what the kernel holds to arrive, once it is read again. */
const SETTLE_MS = 20
/** After that: what a pipe may still hold for a sink that was busy all the time. */
const LATE_BYTES = 1024 * 1024

/** One output stream of the process, read no faster than its sink takes it. */
export class OutputReader {
  readonly #stream: Readable
  readonly #closed: Promise<void>
  #busy: Promise<void> | null = null
  #takenBytes = 0
  /** Bytes that may still be taken; set once the process has ended and its time is up. */
  #allowance: number | null = null

  constructor(stream: Readable) {
    this.#stream = stream
    this.#closed = new Promise(resolve => stream.once('close', () => resolve()))
    // A pipe that breaks has ended, as far as anybody here can tell.
    stream.on('error', () => {})
  }

  readInto(sink: OutputSink, onFault: (error: Error) => void): void {
    const take = async (before: Promise<void> | null, chunk: Buffer) => {
      await before
      await sink(chunk)
    }
    this.#stream.on('data', (chunk: Buffer) => {
      this.#takenBytes += chunk.length
      if (this.#allowance !== null) this.#allowance -= chunk.length
      // Node resumes a paused stream when its process exits, so that a chunk may come while the sink is busy.
      const taken = this.#busy ? take(this.#busy, chunk) : sink(chunk)
      if (!taken) return this.#closeWhenSpent()
      this.#stream.pause()
      const busy = taken.then(
        () => {
          if (this.#busy !== busy) return
          this.#busy = null
          this.#closeWhenSpent()
          this.#stream.resume()
        },
        error => {
          this.#busy = null
          this.#stream.destroy()
          onFault(error instanceof Error ? error : new Error(String(error)))
        },
      )
      this.#busy = busy
    })
  }

  /** Resolves once all output was taken by the sink, or what is left behind held the stream open for too long. */
  async finish(): Promise<void> {
    if (!this.#stream.closed) await this.#linger()
    while (this.#busy) await this.#busy
    this.#stream.destroy()
    await this.#closed
  }

  async #linger(): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const timeIsUp = new Promise<void>(resolve => {
      timer = setTimeout(resolve, LINGER_MS)
    })
    await Promise.race([this.#closed, timeIsUp])
    clearTimeout(timer)
    if (!this.#stream.closed) await this.#takeTheRest()
  }

  /** A sink that was busy all the time has not had the chance to take what the process wrote before it ended. */
  async #takeTheRest(): Promise<void> {
    this.#allowance = LATE_BYTES
    for (let before = -1; this.#busy || this.#takenBytes !== before; ) {
      before = this.#takenBytes
      await this.#busy
      await sleep(SETTLE_MS)
    }
  }

  #closeWhenSpent(): void {
    if (this.#allowance !== null && this.#allowance <= 0) this.#stream.destroy()
  }
}
