/** Who holds git's index.lock, and for how long. It is never deleted: somebody may be half-way through. */
import { Failed } from '../../failure.ts'
import type { Done, StepContext } from '../contract/step.ts'

const LOCKED = /Unable to create '([^'\n]+\.lock)': File exists/

// Fixed text; the lock's and the checkout's paths arrive as $1 and $2.
const LOOK = `
now=$(date +%s); then=$(stat -c %Y "$1" 2>/dev/null || stat -f %m "$1" 2>/dev/null) || exit 0
echo "age $((now - then))"
for p in /proc/[0-9]*; do
  for f in "$p"/fd/*; do
    [ "$(readlink "$f" 2>/dev/null)" = "$1" ] && { echo "holder \${p#/proc/} $(cat "$p/comm" 2>/dev/null)"; exit 0; }
  done
done
for p in /proc/[0-9]*; do
  case "$(cat "$p/comm" 2>/dev/null)" in git|git-*) ;; *) continue ;; esac
  case "$(readlink "$p/cwd" 2>/dev/null)/" in "$2"/*) echo "holder \${p#/proc/} $(cat "$p/comm")"; exit 0 ;; esac
done
exit 0
`

/** The failure, when a lock file is why this command ended; otherwise null. */
export async function indexLock(ctx: StepContext, repo: string, done: Done): Promise<Failed | null> {
  const lockFile = LOCKED.exec(done.stderr)?.[1]
  if (lockFile === undefined) return null
  const { ageSeconds, holder } = await look(ctx, lockFile, repo)
  return new Failed({ code: 'index-locked', repo, lockFile, ageSeconds, holder })
}

async function look(ctx: StepContext, lockFile: string, repo: string) {
  const unknown = { ageSeconds: null, holder: null }
  if (!ctx.hasShell) return unknown
  try {
    const argv = ['sh', '-c', LOOK, 'sh', lockFile, repo]
    const { stdout } = await ctx.exec({ argv, repeatable: true, quiet: true, timeoutMs: 10_000 })
    const age = /^age (\d+)$/m.exec(stdout)?.[1]
    const holder = /^holder (\d+) (\S+)$/m.exec(stdout)
    return {
      ageSeconds: age === undefined ? null : Number(age),
      holder: holder ? `${holder[2]} (pid ${holder[1]})` : null,
    }
  } catch (error) {
    // The lock is the news; that nobody may look for its holder (a policy) must not hide it.
    if (error instanceof Failed) return unknown
    throw error
  }
}
