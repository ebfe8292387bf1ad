/** One JSON event per line, for programs that follow a run. */

import { jsonLine } from '../wording/printable.ts'
import type { Face } from './face.ts'

export const jsonFace = (screen: { write(text: string): void; now(): number }): Face => ({
  event: event => screen.write(`${jsonLine({ time: new Date(screen.now()).toISOString(), ...event })}\n`),
  close: () => {},
})
