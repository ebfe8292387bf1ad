/** What a host says to people, and the commands that it hints at, as they are typed at a client of it. Pure. */
import { printable } from '../../ui/printable.ts'

const OF_A_RUN =
  'hostops (?:resume|rollback|report|wait|logs|confirm|cancel) [A-Za-z0-9][A-Za-z0-9._-]*(?: -f)?'
const COMMAND = new RegExp(`(?<!=\\S* )\\b(?:${OF_A_RUN}|hostops runs\\b)( --target)?`, 'g')

export const typedHere = (hint: string, target: string): string =>
  target === 'local'
    ? hint
    : hint.replace(COMMAND, (command: string, told?: string) =>
        told ? command : `${command} --target ${target}`,
      )

export const hostWords = (stderr: string, target: string): string =>
  stderr
    .split('\n')
    .filter(line => line !== '')
    .map(line => (line.startsWith('hint: ') ? typedHere(printable(line), target) : printable(line)))
    .map(line => `${line}\n`)
    .join('')
