/** Commands that a host hints at, as they are typed at a client of it. Pure. */

const OF_A_RUN =
  'hostops (?:resume|rollback|report|wait|logs|confirm|cancel) [A-Za-z0-9][A-Za-z0-9._-]*(?: -f)?'
const COMMAND = new RegExp(`(?<!=\\S* )\\b(?:${OF_A_RUN}|hostops runs\\b)( --target)?`, 'g')

export const typedHere = (hint: string, target: string): string =>
  target === 'local'
    ? hint
    : hint.replace(COMMAND, (command: string, told?: string) =>
        told ? command : `${command} --target ${target}`,
      )
