/** A face draws events for people. It drives nothing, decides nothing, and what it writes goes to stderr. */
import type { Event } from '../engine/events.ts'

export type Face = {
  event(event: Event): void
  /** Leaves the terminal as it was found. Idempotent; nothing is drawn afterwards. */
  close(): void | Promise<void>
}

export type Screen = {
  write(text: string): void
  columns(): number
  now(): number
  /** How a command names the host of the run, like ` --target hostlink`; absent for this machine. */
  at?: string
}
