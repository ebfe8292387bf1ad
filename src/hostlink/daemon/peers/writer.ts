/** Writes to one peer in order, and knows when that peer last took something. */
import type { Socket } from 'node:net'

/** Progress is seen in steps of this size, so that a slow peer is told from one that takes nothing. */
const BATCH_BYTES = 256 * 1024
/** Producers wait above the first mark until the queue is below the second. */
const HIGH_BYTES = 1024 * 1024
const LOW_BYTES = 256 * 1024

export class Writer {
  readonly #socket: Socket
  readonly #queue: Buffer[] = []
  #bytes = 0
  #isWriting = false
  #isDead = false
  #waiting: (() => void)[] = []
  #whenEmpty: (() => void) | null = null
  /** When the peer last took bytes, or the queue last began to fill. */
  progressAt = Date.now()

  constructor(socket: Socket) {
    this.#socket = socket
    socket.once('close', () => this.#die())
  }

  get pendingBytes(): number {
    return this.#bytes
  }

  send(parts: readonly Buffer[]): void {
    if (this.#isDead) return
    if (this.#bytes === 0) this.progressAt = Date.now()
    for (const part of parts) {
      this.#queue.push(part)
      this.#bytes += part.length
    }
    if (!this.#isWriting) this.#writeBatch()
  }

  /** Null while there is room; else a promise for it, which is kept when the peer goes away, too. */
  room(): Promise<void> | null {
    if (this.#isDead || this.#bytes <= HIGH_BYTES) return null
    return new Promise(resolve => this.#waiting.push(resolve))
  }

  whenEmpty(act: () => void): void {
    if (this.#bytes === 0) act()
    else this.#whenEmpty = act
  }

  #writeBatch(): void {
    const batch: Buffer[] = []
    let bytes = 0
    while (this.#queue.length > 0 && bytes < BATCH_BYTES) {
      const first = this.#queue[0]!
      const part = first.subarray(0, BATCH_BYTES - bytes)
      batch.push(part)
      bytes += part.length
      if (part.length === first.length) this.#queue.shift()
      else this.#queue[0] = first.subarray(part.length)
    }
    if (bytes === 0) return
    this.#isWriting = true
    const last = batch.pop()!
    if (batch.length > 0) this.#socket.cork()
    for (const part of batch) this.#socket.write(part)
    this.#socket.write(last, error => {
      if (!error) this.#written(bytes)
    })
    if (batch.length > 0) this.#socket.uncork()
  }

  #written(bytes: number): void {
    this.#isWriting = false
    this.#bytes -= bytes
    this.progressAt = Date.now()
    this.#writeBatch()
    if (this.#bytes < LOW_BYTES) this.#release()
    if (this.#bytes === 0) {
      this.#whenEmpty?.()
      this.#whenEmpty = null
    }
  }

  #release(): void {
    for (const resume of this.#waiting.splice(0)) resume()
  }

  #die(): void {
    this.#isDead = true
    this.#queue.length = 0
    this.#bytes = 0
    this.#release()
  }
}
