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
  /** Makes a command one that can be typed at this place, for a run that lives elsewhere. */
  typed?: (command: string) => string
}
