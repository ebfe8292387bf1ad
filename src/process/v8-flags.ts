/**
 * Every command is forked from this process, and a fork costs what it has to copy of its memory: half of what a short
 * command takes. So the heap stays small, at the price of speed that a process which waits for others has no use for.
 */
import { setFlagsFromString } from 'node:v8'

/** Later ones may not know these flags, and would say so on stderr. */
const LAST_KNOWN_MAJOR = 24

const FLAGS = [
  // What has survived a collection is collected again, instead of being given twice the room.
  { small: '--semi-space-growth-factor=1', usual: '--semi-space-growth-factor=2' },
  // The optimizing compiler keeps megabytes for itself, and takes a processor from the commands: nothing is small enough
  // for it. (`--no-opt` changes more in some versions than `--opt` takes back.)
  { small: '--max-optimized-bytecode-size=0', usual: '--max-optimized-bytecode-size=61440' },
]

/** Every run needs these of Node. What is precompiled of it is of no use to a V8 with other flags, so they go first. */
const NEEDED = ['child_process', 'crypto', 'os', 'timers/promises']

let isSmall = false

export function keepHeapSmall(): void {
  if (Number.parseInt(process.versions.node, 10) > LAST_KNOWN_MAJOR) return
  for (const name of NEEDED) process.getBuiltinModule(name)
  for (const { small } of FLAGS) setFlagsFromString(small)
  isSmall = true
}

/** Compiled code names the flags of the process that kept it, and the next process begins with the usual ones. */
export function setUsualFlags(): void {
  if (isSmall) for (const { usual } of FLAGS) setFlagsFromString(usual)
  isSmall = false
}
