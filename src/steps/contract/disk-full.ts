import { Failed } from '../../failure.ts'
import { lines } from './plain-text.ts'

/** The failure, when a full disk is why a command ended; otherwise null. */
export function diskFull(stderr: string, redact: (text: string) => string): Failed | null {
  const line = lines(stderr).find(each => /no space left on device|disk quota exceeded/i.test(each))
  return line === undefined ? null : new Failed({ code: 'disk-full', detail: redact(line).slice(0, 500) })
}
