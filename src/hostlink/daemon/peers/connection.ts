/** One peer: frames in, frames out, and every bound that keeps it from costing others anything. */

import type { Socket } from 'node:net'
import type { StreamName } from '../../../process/stream-name.ts'
import { encodeOutput, FrameError, FrameReader, MAX_PAYLOAD_BYTES } from '../../frame.ts'
import { BOUNDS } from './bounds.ts'
import type { Turns } from './turns.ts'
import { Writer } from './writer.ts'

export type ConnectionEvents = {
  onPayload(payload: Buffer, connection: Connection): void
  /** A declared length above what this connection may send. */
  onOversized(connection: Connection, limit: number): void
  /** Bytes held of unfinished requests changed. */
  onHeld(connection: Connection): void
  onClose(connection: Connection): void
}

/**
 * `ended`: the peer has shut down its writing side or more. `gone`: nobody is there to read an answer.
 */
type Departure = 'ended' | 'gone'

export class Connection {
  readonly name: string
  readonly openedAt = Date.now()
  /** Ids of requests that have no answer yet. */
  readonly inFlight = new Set<string>()
  readonly #socket: Socket
  readonly #events: ConnectionEvents
  readonly #reading: Turns
  readonly #reader = new FrameReader(BOUNDS.untrustedRequestBytes)
  readonly #writer: Writer
  readonly #watchers: Record<Departure, Set<() => void>> = { ended: new Set(), gone: new Set() }
  /** Refusals that are held back; they belong to no request in flight. */
  #owed = 0
  #isTrusted = false
  /** What was read and not yet taken; a request that waits for its turn. */
  #payloads: Iterator<Buffer, void> | null = null
  #deferred: Buffer | null = null
  /** Reasons not to read. */
  #holds = 0
  #takesRequests = true
  #hasEnded = false
  #frameBegunAt: number | null = this.openedAt
  #idleSince = this.openedAt
  #lingerUntil: number | null = null
  #discarded = 0

  /** `reading`: in which a peer that has shown no token is read when it sends much. */
  constructor(socket: Socket, name: string, events: ConnectionEvents, reading: Turns) {
    this.#socket = socket
    this.name = name
    this.#events = events
    this.#reading = reading
    this.#writer = new Writer(socket)
    socket.on('data', chunk => this.#read(chunk))
    socket.on('end', () => this.#peerEnded())
    // What went wrong is of no interest: 'close' follows.
    socket.on('error', () => {})
    socket.once('close', () => this.#closed())
  }

  get isTrusted(): boolean {
    return this.#isTrusted
  }

  get heldBytes(): number {
    return this.#reader.buffered + (this.#deferred?.length ?? 0)
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed
  }

  /** A right token was seen here. */
  trust(): void {
    this.#isTrusted = true
    this.#reader.maxPayload = BOUNDS.requestBytes
  }

  /** Nothing more is heard from this peer until the turn for this request has come. */
  defer(payload: Buffer, turns: Turns, act: (payload: Buffer) => void): void {
    this.#deferred = payload
    this.#hold()
    turns.take(() => {
      const due = this.#deferred
      this.#deferred = null
      if (due !== null && this.#takesRequests) {
        act(due)
        this.#takeOn()
      }
      this.#release()
    })
  }

  /** No further request is taken; the connection closes once everything in flight is answered. */
  takeNoMore(): void {
    this.#takesRequests = false
    this.#frameBegunAt = null
  }

  /** The daemon stops: as if the peer had asked its last question. */
  dismiss(): void {
    this.takeNoMore()
    if (this.#isAnswered && this.#lingerUntil === null) this.#finish()
  }

  begin(id: string): void {
    this.inFlight.add(id)
  }

  /** Sends the answer to a request that was begun. */
  answer(id: string, frame: readonly Buffer[]): void {
    this.inFlight.delete(id)
    this.#idleSince = Date.now()
    this.send(frame)
  }

  /** Sends an answer that belongs to no request, such as a refusal. */
  send(frame: readonly Buffer[]): void {
    this.#writer.send(frame)
    if (!this.#takesRequests && this.#isAnswered) this.#finish()
  }

  /** Such an answer, once the time for it has come: a peer that ended its writing side still gets it. */
  async sendLater(frame: readonly Buffer[], due: Promise<void>): Promise<void> {
    this.#owed += 1
    await due
    this.#owed -= 1
    this.send(frame)
  }

  get #isAnswered(): boolean {
    return this.inFlight.size === 0 && this.#owed === 0
  }

  /** A promise when the peer is slow: nothing more is to be sent before it is kept. */
  sendOutput(id: string, stream: StreamName, data: Buffer): Promise<void> | undefined {
    if (!this.isOpen) return undefined
    this.#writer.send([encodeOutput({ id, stream, data })])
    return this.#writer.room() ?? undefined
  }

  /** Calls back once; at once when it is so already. Answers how to stop watching. */
  watch(departure: Departure, act: () => void): () => void {
    if (!this.isOpen || (departure === 'ended' && this.#hasEnded)) {
      queueMicrotask(act)
      return () => {}
    }
    const watchers = this.#watchers[departure]
    watchers.add(act)
    return () => void watchers.delete(act)
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /** Called about once a second: deadlines, and the question whether a half-closed peer is still there. */
  tick(now: number): void {
    if (this.#isOverdue(now)) this.destroy()
    // A write of nothing fails with EPIPE when the peer of a Unix socket has closed, and does nothing otherwise.
    else if (this.#hasEnded && this.inFlight.size > 0) this.#socket.write(Buffer.alloc(0))
  }

  #isOverdue(now: number): boolean {
    if (this.#lingerUntil !== null && now >= this.#lingerUntil) return true
    if (this.#writer.pendingBytes > 0) return now - this.#writer.progressAt >= BOUNDS.noProgressMs
    if (this.#frameBegunAt !== null && now - this.#frameBegunAt >= BOUNDS.requestMs) return true
    return this.#takesRequests && this.inFlight.size === 0 && now - this.#idleSince >= BOUNDS.idleMs
  }

  #read(chunk: Buffer): void {
    if (this.#takesRequests) {
      this.#payloads = this.#reader.push(chunk)
      this.#takeOn()
    } else {
      this.#discard(chunk.length)
    }
    if (this.#isTrusted || chunk.length <= BOUNDS.quickBytes) return
    this.#hold()
    this.#reading.take(() => this.#release())
  }

  #takeOn(): void {
    try {
      while (this.#takesRequests && this.#deferred === null) {
        const next = this.#payloads?.next()
        if (next === undefined || next.done) break
        this.#frameBegunAt = null
        this.#events.onPayload(next.value, this)
      }
      const isBegun = !this.#reader.atBoundary && this.#deferred === null
      if (isBegun && this.#takesRequests) this.#frameBegunAt ??= Date.now()
    } catch (error) {
      if (!(error instanceof FrameError)) throw error
      this.#refuse(error)
    }
    this.#events.onHeld(this)
    this.#awaitRoom()
  }

  #refuse(error: FrameError): void {
    const isAnswered = error.fault === 'oversized' && error.declared <= MAX_PAYLOAD_BYTES
    this.takeNoMore()
    if (isAnswered) this.#events.onOversized(this, this.#reader.maxPayload)
    else this.destroy()
  }

  /** A peer that asks without taking the answers is not heard any further until it does. */
  #awaitRoom(): void {
    const room = this.#writer.room()
    if (room === null) return
    this.#hold()
    void room.then(() => this.#release())
  }

  #hold(): void {
    this.#holds += 1
    this.#socket.pause()
  }

  #release(): void {
    this.#holds -= 1
    if (this.#holds === 0) this.#socket.resume()
  }

  #discard(bytes: number): void {
    this.#discarded += bytes
    if (this.#discarded > BOUNDS.lingerBytes) this.destroy()
  }

  #peerEnded(): void {
    this.#hasEnded = true
    const isCutShort = this.#takesRequests && !this.#reader.atBoundary
    this.takeNoMore()
    this.#tell('ended')
    if (isCutShort) this.destroy()
    if (this.#isAnswered && this.#lingerUntil === null) this.#finish()
  }

  /** The answer goes out whole, then our side ends; what the peer still sends runs dry for a while. */
  #finish(): void {
    this.#lingerUntil ??= Number.POSITIVE_INFINITY
    this.#writer.whenEmpty(() => {
      this.#lingerUntil = Date.now() + BOUNDS.lingerMs
      this.#socket.end()
    })
  }

  #closed(): void {
    this.#deferred = null
    this.#tell('ended')
    this.#tell('gone')
    this.#events.onClose(this)
  }

  #tell(departure: Departure): void {
    const watchers = [...this.#watchers[departure]]
    this.#watchers[departure].clear()
    for (const act of watchers) act()
  }
}
