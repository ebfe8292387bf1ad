/** Hints of a host, as a client of it has to type them. */
import { expect, test } from 'vitest'
import { typedHere } from '../../src/cli/on-host/typed-here.ts'

test.each([
  ['hostops wait r', 'hostops wait r --target hostlink:a'],
  [
    'hint: hostops logs r-1.x -f   shows where it is',
    'hint: hostops logs r-1.x -f --target hostlink:a   shows where it is',
  ],
  [
    'finish it with hostops resume h1, or take it back with hostops rollback h1',
    'finish it with hostops resume h1 --target hostlink:a, or take it back with hostops rollback h1 --target hostlink:a',
  ],
  ['look at it with hostops runs', 'look at it with hostops runs --target hostlink:a'],
  ['hostops wait r --target hostlink', 'hostops wait r --target hostlink'],
  ['hostops logs r -f --target hostlink', 'hostops logs r -f --target hostlink'],
  ['hostops run x --on-host', 'hostops run x --on-host'],
  ['HOSTOPS_STATE_DIR=/x hostops resume r', 'HOSTOPS_STATE_DIR=/x hostops resume r'],
  ['hostops doctor shows it', 'hostops doctor shows it'],
])('%s', (hint, here) => {
  expect(typedHere(hint, 'hostlink:a')).toBe(here)
  expect(typedHere(hint, 'local')).toBe(hint)
})
