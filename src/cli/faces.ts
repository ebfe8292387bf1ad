/** Which face a run shows. */
import type { Face } from '../ui/face.ts'
import type { Io } from './io.ts'
import type { RunOptions } from './run-options.ts'

export async function chooseFace(
  options: Pick<RunOptions, 'output' | 'quiet'>,
  io: Io,
  now: () => number,
  typed: (command: string) => string = command => command,
): Promise<Face | null> {
  const { stderr, env } = io
  const screen = {
    write: (text: string) => stderr.write(text),
    columns: () => stderr.columns(),
    rows: () => stderr.rows(),
    now,
    typed,
  }
  switch (formOf(options, io)) {
    case 'quiet':
      return null
    case 'json': {
      const { jsonFace } = await import('../ui/json.ts')
      return jsonFace(screen)
    }
    case 'lines': {
      const { linesFace } = await import('../ui/lines.ts')
      return linesFace(screen)
    }
    case 'tree': {
      const { treeFace } = await import('../ui/tree.ts')
      return treeFace({ ...screen, colour: mayColour(env), unicode: mayUnicode(env) })
    }
  }
}

function formOf(
  options: Pick<RunOptions, 'output' | 'quiet'>,
  { stderr, env }: Io,
): 'quiet' | 'json' | 'lines' | 'tree' {
  if (options.quiet) return 'quiet'
  if (options.output === 'json') return 'json'
  if (options.output !== 'auto') return options.output
  return stderr.isTTY && env['TERM'] !== 'dumb' ? 'tree' : 'lines'
}

const mayColour = (env: Io['env']) => !env['NO_COLOR'] && env['TERM'] !== 'dumb'

/** The console of Linux and the locale C show boxes where the signs should be. */
const mayUnicode = (env: Io['env']) =>
  env['TERM'] !== 'linux' && /utf-?8/i.test(env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'] || '')
