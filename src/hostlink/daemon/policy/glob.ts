/** Patterns of policy rules. Their texts come from requests, so that matching takes linear time. */

/** `*` stands for any text, also none. */
export function matchesGlob(pattern: string, text: string): boolean {
  const [head = '', ...rest] = pattern.split('*')
  if (rest.length === 0) return text === head
  const tail = rest.pop()!
  if (text.length < head.length + tail.length || !text.startsWith(head) || !text.endsWith(tail)) return false
  let at = head.length
  const end = text.length - tail.length
  for (const part of rest) {
    const found = text.indexOf(part, at)
    if (found < 0 || found + part.length > end) return false
    at = found + part.length
  }
  return true
}

/** For absolute paths: `*` stays within one name and is not empty there, a name `**` stands for any depth. */
export function matchesPath(pattern: string, path: string): boolean {
  return matchesNames(pattern.split('/'), path.split('/'))
}

function matchesNames([first, ...rest]: readonly string[], names: readonly string[]): boolean {
  if (first === undefined) return names.length === 0
  if (first === '**') {
    return rest.length === 0
      ? names.length > 0
      : names.some((_, skipped) => matchesNames(rest, names.slice(skipped)))
  }
  const [name, ...others] = names
  if (name === undefined || (name === '' && first !== '')) return false
  return matchesGlob(first, name) && matchesNames(rest, others)
}
