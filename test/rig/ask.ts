/** Requests to a daemon of the rig, one after the other or side by side on one kept connection. */
import { type Answer, connectPeer, type Peer } from './peer.ts'

export type Asking = {
  readonly peer: Peer
  /** Sends and waits for the next answer. */
  ask(message: object): Promise<Answer>
  /** Sends only. */
  send(message: object): void
}

type Reachable = { readonly socket: string; readonly token: string }

let count = 0

export async function asking(daemon: Reachable): Promise<Asking> {
  const peer = await connectPeer(daemon.socket)
  const send = (message: object) =>
    peer.ask({ version: 1, id: `t${++count}`, token: daemon.token, keep_alive: true, ...message })
  return {
    peer,
    send,
    ask: message => {
      send(message)
      return peer.answer()
    },
  }
}

/** One request on a connection of its own, without any of our additions. */
export async function askOnce(daemon: Reachable, message: object): Promise<Answer> {
  const peer = await connectPeer(daemon.socket)
  peer.ask({ version: 1, id: `t${++count}`, token: daemon.token, ...message })
  const answer = await peer.answer()
  peer.destroy()
  return answer
}
