/** Which face a run shows. */
import type { Face } from '../../ui/face.ts'
import type { Io } from '../terminal/io.ts'
import type { Shown } from './shown.ts'

export async function chooseFace(
  options: Shown,
  io: Io,
  now: () => number,
  at?: string,
): Promise<Face | null> {
  const { stderr, env } = io
  const screen = {
    write: (text: string) => stderr.write(text),
    columns: () => stderr.columns(),
    rows: () => stderr.rows(),
    now,
    ...(at === undefined ? {} : { at }),
  }
  switch (formOf(options, io)) {
    case 'quiet':
      return null
    case 'json': {
      const { jsonFace } = await import('../../ui/json.ts')
      return jsonFace(screen)
    }
    case 'lines': {
      const { linesFace } = await import('../../ui/lines.ts')
      return linesFace(screen)
    }
    case 'tree': {
      const { treeFace } = await import('../../ui/tree.ts')
      return treeFace({ ...screen, colour: mayColour(env), unicode: mayUnicode(env) })
    }
  }
}

function formOf(options: Shown, { stderr, env }: Io): 'quiet' | 'json' | 'lines' | 'tree' {
  if (options.quiet) return 'quiet'
  if (options.output === 'json') return 'json'
  if (options.output !== 'auto') return options.output
  return stderr.isTTY && env['TERM'] !== 'dumb' ? 'tree' : 'lines'
}

const mayColour = (env: Io['env']) => !env['NO_COLOR'] && env['TERM'] !== 'dumb'

/** The console of Linux and the locale C show boxes where the signs should be. */
const mayUnicode = (env: Io['env']) =>
  env['TERM'] !== 'linux' && /utf-?8/i.test(env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'] || '')
