/** Deaths of containers from the engine's events, which come before it answers questions about those containers. */
import type { Heard } from './container-events.ts'
import { isUp, type Replica } from './stability.ts'

type End = { at: number; exitCode: number }

export class Deaths {
  #latest: readonly Replica[] = []
  readonly #ends = new Map<string, End>()
  readonly #asked = new Map<string, number>()
  #tell = () => {}

  /** Returns whether the containers should be looked at now. */
  hears({ container, what, at, exitCode }: Heard): boolean {
    if (what === 'kill') this.#asked.set(container, at)
    if (what === 'die' && exitCode > 0) this.#ends.set(container, { at, exitCode })
    if (this.someoneDied()) this.#tell()
    const known = this.#latest.find(({ id }) => id === container)
    return what !== 'kill' && known !== undefined && at >= Date.parse(known.startedAt)
  }

  sees(latest: readonly Replica[]): void {
    this.#latest = latest
  }

  someoneDied(): boolean {
    return this.#latest.some(each => this.#endOf(each) !== null)
  }

  /** Resolves when a container that ran at the latest look dies. */
  next(): Promise<void> {
    return new Promise(resolve => {
      this.#tell = resolve
    })
  }

  /** Corrects a look: containers that seem to be up, but whose death was reported, are shown as exited. */
  applied(now: readonly Replica[]): readonly Replica[] {
    return now.map(each => {
      const end = this.#endOf(each)
      if (end === null) return each
      const finishedAt = new Date(end.at).toISOString()
      // Where it is being started again, that has been seen.
      const status = each.status === 'running' ? 'exited' : each.status
      return { ...each, status, exitCode: end.exitCode, finishedAt, died: true }
    })
  }

  /** An end after a `kill` does not count: a person, a proxy or an engine that shuts down has asked for it. */
  #endOf({ id, status, startedAt, died }: Replica): End | null {
    if (died) return null
    const end = this.#ends.get(id)
    const started = Date.parse(startedAt)
    if (end === undefined || !isUp({ status }) || end.at < started) return null
    return (this.#asked.get(id) ?? 0) < started ? end : null
  }
}
