/** The daemon's log. Logging never throws and never stops a request: what cannot be written is counted. */
import { closeSync, openSync, writeSync } from 'node:fs'
import { systemReason } from '../../../process/system-error.ts'
import { LOG_LEVELS, type LogLevel } from './config-keys.ts'

export type Log = Readonly<Record<LogLevel, (text: string) => void>>

export type DaemonLog = Log & {
  /** After a reload: another level, another file, or the same file anew (log rotation renames it). */
  configure(settings: LogSettings): void
  close(): void
}

type LogSettings = { readonly logTarget: string; readonly logLevel: LogLevel }

type Sink = { write(line: string): void; close(): void }

export function openLog(
  settings: LogSettings,
  stderr: NodeJS.WritableStream = process.stderr,
  now: () => Date = () => new Date(),
): DaemonLog {
  // A reader of stderr that went away must not end the daemon.
  stderr.on('error', () => {})
  const stderrSink: Sink = { write: line => void stderr.write(line), close: () => {} }
  let level = LOG_LEVELS.indexOf(settings.logLevel)
  let sink: Sink = stderrSink
  let lost = 0

  const write = (name: LogLevel, text: string): void => {
    if (LOG_LEVELS.indexOf(name) > level) return
    try {
      const stamp = now()
        .toISOString()
        .replace(/\.\d+Z$/, 'Z')
      const gap =
        lost === 0 ? '' : `[${stamp}] [WARN] ${lost} log lines before this one could not be written\n`
      sink.write(`${gap}[${stamp}] [${name.toUpperCase()}] ${escaped(text)}\n`)
      lost = 0
    } catch {
      lost += 1
    }
  }

  const configure = (next: LogSettings): void => {
    sink.close()
    sink = stderrSink
    level = LOG_LEVELS.indexOf(next.logLevel)
    if (!next.logTarget.startsWith('/')) return
    try {
      sink = fileSink(next.logTarget)
    } catch (error) {
      write('error', `log_target ${next.logTarget}: ${systemReason(error)}; the log goes to stderr`)
    }
  }
  configure(settings)

  return {
    error: text => write('error', text),
    warn: text => write('warn', text),
    info: text => write('info', text),
    debug: text => write('debug', text),
    configure,
    close: () => sink.close(),
  }
}

/** One line, and nothing in it that moves a terminal's cursor or forges another line. */
export function escaped(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, char => {
    if (char === '\n') return '\\n'
    if (char === '\t') return '\\t'
    return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

function fileSink(path: string): Sink {
  const fd = openSync(path, 'a', 0o600)
  let open = true
  return {
    write: line => void writeSync(fd, line),
    close: () => {
      if (open) closeSync(fd)
      open = false
    },
  }
}
