/** The engine's events about containers: those that it remembers, and new ones as they happen. */

import { lines } from '../contract/plain-text.ts'
import type { Sign, StepContext } from '../contract/step.ts'
import { LOOKING } from '../stack/commands.ts'
import { docker } from './compose.ts'

/** The last of these events in the last ten minutes, in the given format; undefined if there was none. */
export async function lastEvent(
  ctx: StepContext,
  dir: string,
  container: string,
  { kinds, format }: { kinds: readonly string[]; format: string },
): Promise<string | undefined> {
  const about = [`container=${container}`, ...kinds.map(kind => `event=${kind}`)]
  const args = ['--since=10m', ...about.flatMap(each => ['--filter', each]), '--format', format]
  const { stdout } = ctx.hasShell
    ? await ctx.exec({ argv: ['sh', '-c', UNTIL_NOW, 'hostops-events', ...args], ...LOOKING })
    : await docker(ctx, dir, ['events', '--until=-1s', ...args], LOOKING)
  return lines(stdout).at(-1)
}

/**
 * By the target's clock. Docker cuts a relative time to whole seconds, so where `date` has no fractions, the next second is used:
 * otherwise the newest events would be left out.
 */
const UNTIL_NOW = `
now=$(date +%s.%N 2>/dev/null)
case $now in '' | *[!0-9.]*) now=-1s ;; esac
exec docker events --until="$now" "$@"
`

/** An event of a container: `die`, `kill`, or a change of its health. `at`: by the engine's clock, in milliseconds. */
export type Heard = { container: string; what: string; at: number; exitCode: number }

/** Deaths, kills and changes of health in a project, from one command that keeps running instead of repeated questions. */
export function newsOf(project: string, hears: (heard: Heard) => boolean): NonNullable<Sign['news']> {
  const kinds = ['die', 'kill', 'health_status'].map(kind => `event=${kind}`)
  const about = [`label=com.docker.compose.project=${project}`, ...kinds]
  return {
    about: project,
    async listen(ctx, untilMs, signal, tell) {
      // If the runner dies, the command ends by itself at this time, by the target's clock.
      const until = `--until=${Math.ceil(untilMs / 1000)}`
      const argv = [
        'docker',
        'events',
        until,
        ...about.flatMap(each => ['--filter', each]),
        '--format',
        EVENT,
      ]
      await ctx.exec({ argv, ...LOOKING, keepBytes: 0, signal, onLine: tell })
    },
    hears(line) {
      const [container = '', nanoseconds, exitCode, ...what] = line.split(' ')
      const at = Number(nanoseconds) / 1e6
      const code = Number.parseInt(exitCode ?? '', 10)
      return hears({ container, what: what.join(' '), at, exitCode: code })
    },
  }
}

const EVENT = '{{.Actor.ID}} {{.TimeNano}} {{or .Actor.Attributes.exitCode "-"}} {{.Action}}'
