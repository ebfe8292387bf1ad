/** All connections of the daemon: how many there may be, who gives way, and their clock. */
import type { Socket } from 'node:net'
import { BOUNDS } from './bounds.ts'
import { Connection, type ConnectionEvents } from './connection.ts'
import { createTurns } from './turns.ts'

const TICK_MS = 1000

export type Peers = {
  accept(socket: Socket, name: string): void
  readonly all: ReadonlySet<Connection>
  /** No connection takes another request; each closes behind its last answer. */
  dismiss(): void
  close(): void
}

export function createPeers(events: Pick<ConnectionEvents, 'onPayload' | 'onOversized'>): Peers {
  // In the order of their arrival: the first one that has shown no token is the oldest.
  const all = new Set<Connection>()
  const reading = createTurns()
  const clock = setInterval(() => {
    const now = Date.now()
    for (const connection of all) connection.tick(now)
  }, TICK_MS)
  clock.unref()

  const untrusted = () => [...all].filter(connection => !connection.isTrusted)

  /** Forgotten at once: until its socket has closed it would be counted, and be chosen again. */
  const drop = (connection: Connection) => {
    connection.destroy()
    all.delete(connection)
  }

  const makeRoom = (): boolean => {
    const strangers = untrusted()
    if (strangers.length < BOUNDS.untrustedConnections && all.size < BOUNDS.connections) return true
    if (strangers[0]) drop(strangers[0])
    return all.size < BOUNDS.connections
  }

  const onHeld = () => {
    const strangers = untrusted()
    let together = strangers.reduce((bytes, one) => bytes + one.heldBytes, 0)
    if (together <= BOUNDS.untrustedBytesTogether) return
    // Whoever holds most is the least likely to be somebody with a short question.
    for (const largest of strangers.sort((a, b) => b.heldBytes - a.heldBytes)) {
      if (together <= BOUNDS.untrustedBytesTogether) return
      together -= largest.heldBytes
      drop(largest)
    }
  }

  return {
    all,
    accept: (socket, name) => {
      if (!makeRoom()) return void socket.destroy()
      const heard: ConnectionEvents = {
        ...events,
        onHeld: changed => {
          if (!changed.isTrusted && changed.heldBytes > 0) onHeld()
        },
        onClose: closed => void all.delete(closed),
      }
      const connection = new Connection(socket, name, heard, reading)
      all.add(connection)
    },
    dismiss: () => {
      for (const connection of all) connection.dismiss()
    },
    close: () => {
      clearInterval(clock)
      for (const connection of all) connection.destroy()
    },
  }
}
