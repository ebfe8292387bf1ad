/**
 * The part of the terminal that is drawn again and again, and the lines above it that stay. Every frame is one write;
 * the cursor is never hidden, so that no way of ending (Ctrl-Z, kill -9) can leave it hidden.
 */

import { printable } from '../wording/printable.ts'
import type { Screen } from './face.ts'
import { cutTo, width } from './text.ts'

export type Terminal = Screen & { rows(): number; colour: boolean; unicode: boolean }

export type Painter = {
  /** Replaces what was drawn, and puts lines above it. They are cut to the width; the caller sees to the height. */
  draw(above: readonly string[], lines: readonly string[]): void
  /** Puts lines above the drawn part, where they stay. */
  above(lines: readonly string[]): void
  /** The drawn part stays as it is, and what comes next is written below it. */
  settle(): void
}

export function makePainter(terminal: Terminal): Painter {
  let drawn: string[] = []

  const erase = () => {
    if (drawn.length === 0) return ''
    // A terminal that was made narrower since has broken the lines anew.
    const columns = Math.max(1, terminal.columns())
    const rows = drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(width(plain(line)) / columns)), 0)
    return `\r${rows > 1 ? `\u001b[${rows - 1}A` : ''}\u001b[J`
  }
  const frame = (fixed: readonly string[], live: readonly string[]) => {
    const before = erase()
    const columns = Math.max(1, terminal.columns() - 1)
    drawn = live.map(line => cut(line, columns))
    terminal.write(`${before}${fixed.map(line => `${cut(line, columns)}\n`).join('')}${drawn.join('\n')}`)
  }
  return {
    draw: frame,
    above: lines => frame(lines, drawn),
    settle() {
      if (drawn.length > 0) terminal.write('\n')
      drawn = []
    },
  }
}

const SGR = /(\u001b\[[0-9;]*m)/
const plain = (line: string) =>
  line
    .split(SGR)
    .filter(part => !part.startsWith('\u001b'))
    .join('')

/** Colours pass, every other control character does not; those that follow a cut stay, so that none is left open. */
function cut(line: string, columns: number): string {
  let left = columns
  const parts = line.split(SGR).map((part, at) => {
    if (at % 2 === 1) return part
    const kept = cutTo(printable(part), left)
    left -= width(kept)
    return kept
  })
  return parts.join('')
}

export type Paint = {
  [colour in 'green' | 'red' | 'yellow' | 'cyan' | 'dim' | 'bold']: (text: string) => string
}

export function makePaint(on: boolean): Paint {
  const sgr = (open: number, close: number) => (text: string) =>
    on && text ? `\u001b[${open}m${text}\u001b[${close}m` : text
  return {
    green: sgr(32, 39),
    red: sgr(31, 39),
    yellow: sgr(33, 39),
    cyan: sgr(36, 39),
    dim: sgr(2, 22),
    bold: sgr(1, 22),
  }
}
