/** The real program that dies on request: started by a test, or by a daemon. */
import { chmodSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { HOSTOPS, type HostopsRig } from './hostops.ts'

/** Loaded into it; what it can be asked for stands there. */
const DIE = fileURLToPath(new URL('./die.mjs', import.meta.url))

export type Dying = ReturnType<typeof dyingHostops>

export function dyingHostops(rig: HostopsRig) {
  const orders = rig.path('death')
  const stoppedFile = rig.path('stopped')
  const env = (die: string, clock: string) => ({
    HOSTOPS_DIE: die,
    HOSTOPS_CLOCK: clock,
    HOSTOPS_STOPPED: stoppedFile,
  })
  /** What a daemon starts runs with. */
  const program = rig.write(
    'host/hostops',
    `#!/bin/sh
[ -f '${orders}' ] && . '${orders}'
exec '${process.execPath}' \${HOSTOPS_DIE:+--import '${DIE}'} '${HOSTOPS}' "$@"
`,
  )
  chmodSync(program, 0o755)
  return {
    program,
    /** Where a runner that has stopped leaves its pid. */
    stoppedFile,
    /** For a program that a test starts. */
    here: (die: string, clock = '') => ({
      env: env(die, clock),
      ...(die || clock ? { node: ['--import', DIE] } : {}),
    }),
    /** For those that the daemon starts from now on. */
    there(die: string, clock = '') {
      const words = Object.entries(env(die, clock)).map(([name, value]) => `export ${name}='${value}'\n`)
      if (die || clock) writeFileSync(orders, words.join(''))
    },
    /** Nobody dies any more where an earlier runner did. */
    calm: () => rmSync(orders, { force: true }),
  }
}
