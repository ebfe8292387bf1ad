/** Where a command's output goes: the first bytes for the answer, the last ones for those who attach later. */
import type { OutputSink } from '../../../process/output.ts'

type Listener = (chunk: Buffer) => Promise<void> | undefined

export type OutputOptions = {
  readonly keepFirst: number
  readonly keepLast: number
  /** Takes everything. */
  readonly file?: OutputSink
}

export class Output {
  readonly listeners = new Set<Listener>()
  total = 0
  readonly #options: OutputOptions
  #first = new Bytes()
  #last = new Bytes()

  constructor(options: OutputOptions) {
    this.#options = options
  }

  readonly take: OutputSink = chunk => {
    this.total += chunk.length
    const { keepFirst, keepLast, file } = this.#options
    const room = keepFirst - this.#first.length
    if (room > 0) this.#first.append(chunk.subarray(0, room))
    if (keepLast > 0) {
      this.#last.append(chunk.subarray(Math.max(0, chunk.length - keepLast)))
      if (this.#last.length > 2 * keepLast) this.#last.keepLast(keepLast)
    }
    const busy: Promise<void>[] = []
    const written = file?.(chunk)
    if (written) busy.push(written)
    for (const listener of this.listeners) {
      const slow = listener(chunk)
      if (slow) busy.push(slow)
    }
    if (busy.length > 1) return Promise.all(busy).then(() => {})
    return busy[0]
  }

  /** The first bytes, or where only the last ones are kept, those. */
  kept(): Buffer {
    return this.#options.keepFirst > 0 ? this.#first.view() : this.tail()
  }

  /** A copy: more output does not change it. */
  tail(): Buffer {
    this.#last.keepLast(this.#options.keepLast)
    return Buffer.from(this.#last.view())
  }

  get keptBytes(): number {
    return this.#first.length + this.#last.length
  }

  forget(): void {
    this.#first = new Bytes()
    this.#last = new Bytes()
  }
}

/** Copies what it gets; memory follows the bytes and not the number of chunks that they came in. */
class Bytes {
  #buffer: Buffer = Buffer.alloc(0)
  #length = 0

  get length(): number {
    return this.#length
  }

  append(chunk: Buffer): void {
    const needed = this.#length + chunk.length
    if (needed > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, 2 * this.#buffer.length))
      this.#buffer.copy(larger, 0, 0, this.#length)
      this.#buffer = larger
    }
    chunk.copy(this.#buffer, this.#length)
    this.#length = needed
  }

  keepLast(bytes: number): void {
    if (this.#length <= bytes) return
    this.#buffer.copyWithin(0, this.#length - bytes, this.#length)
    this.#length = bytes
  }

  view(): Buffer {
    return this.#buffer.subarray(0, this.#length)
  }
}
