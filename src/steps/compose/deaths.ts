/** What the engine's events tell of the ends of containers, before it answers questions about them. */
import type { Heard } from './events.ts'
import { isUp, type Replica } from './stability.ts'

type End = { at: number; exitCode: number }

export class Deaths {
  #latest: readonly Replica[] = []
  readonly #ends = new Map<string, End>()
  readonly #asked = new Map<string, number>()
  #tell = () => {}

  /** Whether a look is worth it. */
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

  /** Resolves when one of those that ran at the latest look does. */
  next(): Promise<void> {
    return new Promise(resolve => {
      this.#tell = resolve
    })
  }

  /** With what was heard of those that seem to be up. */
  applied(now: readonly Replica[]): readonly Replica[] {
    return now.map(each => {
      const end = this.#endOf(each)
      if (end === null) return each
      const finishedAt = new Date(end.at).toISOString()
      return { ...each, status: 'exited', exitCode: end.exitCode, finishedAt, died: true }
    })
  }

  /** What somebody has asked for (`kill`) is none: a person, a proxy, or an engine that is about to go. */
  #endOf({ id, status, startedAt }: Replica): End | null {
    const end = this.#ends.get(id)
    const started = Date.parse(startedAt)
    if (end === undefined || !isUp({ status }) || end.at < started) return null
    return (this.#asked.get(id) ?? 0) < started ? end : null
  }
}
