/** What stands on the screen, as a terminal of a given size would show it. */
import { describe, expect, test } from 'vitest'
import { makePaint, makePainter, type Terminal } from '../../src/ui/painter.ts'
import { cutTo, width, wrap } from '../../src/ui/text.ts'

/** A terminal that understands what the painter writes: line feeds, carriage returns, cursor up, erase below. */
function screen(columns: number) {
  const rows: string[] = ['']
  let row = 0
  let column = 0
  const put = (character: string) => {
    if (column >= columns) {
      row += 1
      column = 0
    }
    rows[row] = (rows[row] ?? '').slice(0, column).padEnd(column) + character
    column += 1
  }
  const terminal: Terminal = {
    write(text) {
      for (const part of text.match(/\u001b\[(\d*)([AJm])|[\s\S]/g) ?? []) {
        const [, count, letter] = /^\u001b\[(\d*)([AJm])$/.exec(part) ?? []
        if (letter === 'A') row -= Number(count)
        else if (letter === 'J') rows.splice(row + 1)
        else if (letter === 'm') continue
        else if (part === '\r') column = 0
        else if (part === '\n') {
          row += 1
          column = 0
          rows[row] ??= ''
        } else put(part)
        if (letter === 'J') rows[row] = (rows[row] ?? '').slice(0, column)
      }
    },
    columns: () => columns,
    rows: () => 20,
    now: () => 0,
    colour: true,
    unicode: true,
  }
  return { terminal, rows: () => rows.map(line => line.trimEnd()) }
}

describe.each([40, 80, 200])('on %i columns', columns => {
  test('live lines are replaced, fixed lines stay, nothing wraps', () => {
    const { terminal, rows } = screen(columns)
    const painter = makePainter(terminal)
    painter.draw([], ['one', 'x'.repeat(500)])
    painter.draw([], ['two', 'y'])
    painter.above(['kept'])
    painter.draw(['done'], ['three'])
    expect(rows()).toEqual(['kept', 'done', 'three'])
    painter.draw([], [])
    painter.settle()
    expect(rows()).toEqual(['kept', 'done', ''])
  })
})

test('control characters do not reach the terminal, colours do and are closed', () => {
  const written: string[] = []
  const { terminal } = screen(20)
  const painter = makePainter({ ...terminal, write: text => written.push(text) })
  const paint = makePaint(true)
  painter.draw([], [paint.red(`a\u001b]0;t\u0007${'b'.repeat(60)}`), 'c\rd\u2028e\u202e'])
  const text = written.join('')
  expect(text).not.toMatch(/[\u0007\r\u2028\u202e]|\u001b\]/)
  expect(text).toContain('\u001b[39m')
})

test('without colour nothing is painted', () => {
  expect(makePaint(false).red('x')).toBe('x')
})

test('texts are measured in cells', () => {
  expect(width('a漢👍e\u0301')).toBe(6)
  expect(cutTo('漢字漢字', 5)).toBe('漢字…')
  expect(cutTo('short', 5)).toBe('short')
  expect(wrap('one two three', 7, 9)).toEqual(['one two', 'three'])
  expect(wrap('at http://host/path (x)', 9, 9)).toEqual(['at', 'http://ho', 'st/path', '(x)'])
  expect(wrap('http://host/path (x)', 11, 9)).toEqual(['http://host', '/path (x)'])
  expect(wrap('x'.repeat(20), 8, 2)).toEqual(['x'.repeat(8), `${'x'.repeat(7)}…`])
})
