import type { Io, Sink } from './io.ts'

/** https://no-color.org, and never into a pipe or file. */
export function colors(sink: Sink, env: Io['env']): boolean {
  return sink.isTTY && (env['NO_COLOR'] === undefined || env['NO_COLOR'] === '') && env['TERM'] !== 'dumb'
}
