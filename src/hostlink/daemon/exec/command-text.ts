/** A command as people read it: the shell text itself, or the words of argv, quoted where it matters. */
import type { ExecRequest } from '../../messages.ts'

export function commandText({ command, argv }: Pick<ExecRequest, 'command' | 'argv'>): string {
  return command ?? (argv ?? []).map(word).join(' ')
}

const word = (text: string): string =>
  /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
