/** Finds the script's own lines among the output of the command. Pure; the bytes of the command pass unchanged. */

export type SessionReport =
  | { what: 'exit'; code: number }
  | { what: 'timeout' | 'cancelled' | 'gone' }
  | { what: 'not-started'; why: 'not-found' | 'not-executable' | 'bad-cwd' | 'other-key' }

export type Scanner = {
  /** What of these bytes belongs to the command, in order. */
  push(chunk: Buffer): Buffer[]
  /** Held back because it could have been the beginning of a report. */
  rest(): Buffer
  readonly begun: boolean
  readonly report: SessionReport | null
}

const NOTHING: Buffer = Buffer.alloc(0)

/**
 * Everything before the line that has just the nonce is noise of the login shell. Behind it, on the stream that
 * `reports`, the nonce begins a report, which ends with its line.
 */
export function scanner(nonce: string, reports: boolean): Scanner {
  const mark = Buffer.from(nonce)
  let held = NOTHING
  let begun = false
  let report: SessionReport | null = null

  const isPlain = () => begun && !reports
  /** Passes what stands before the next mark, and answers with what stands behind its line. */
  const scan = (data: Buffer, passed: Buffer[]): Buffer => {
    const at = data.indexOf(mark)
    const cut = at < 0 ? data.length - partial(data, mark) : at
    if (begun && cut > 0) passed.push(data.subarray(0, cut))
    const end = at < 0 ? -1 : data.indexOf(10, at)
    if (end < 0) {
      held = Buffer.from(data.subarray(cut))
      return NOTHING
    }
    if (begun) report ??= parse(data.toString('latin1', at + mark.length + 1, end))
    else begun = true
    return data.subarray(end + 1)
  }
  const push = (chunk: Buffer): Buffer[] => {
    const passed: Buffer[] = []
    let data = held.length === 0 ? chunk : Buffer.concat([held, chunk])
    held = NOTHING
    while (data.length > 0 && !isPlain()) data = scan(data, passed)
    return data.length > 0 ? [...passed, data] : passed
  }

  return {
    push,
    rest: () => (begun ? held : NOTHING),
    get begun() {
      return begun
    },
    get report() {
      return report
    },
  }
}

function parse(text: string): SessionReport | null {
  const [what, detail = ''] = text.trim().split(' ')
  switch (what) {
    case 'exit':
      return { what, code: Number(detail) }
    case 'timeout':
    case 'cancelled':
    case 'gone':
      return { what }
    case 'not-started':
      return { what, why: REASONS.find(reason => reason === detail) ?? 'not-found' }
    default:
      return null
  }
}

const REASONS = ['not-executable', 'bad-cwd', 'other-key'] as const

/** How many bytes at the end of `data` could begin `mark`. */
function partial(data: Buffer, mark: Buffer): number {
  for (let length = Math.min(mark.length - 1, data.length); length > 0; length--) {
    if (data.subarray(data.length - length).equals(mark.subarray(0, length))) return length
  }
  return 0
}
