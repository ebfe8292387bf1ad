/** A value as Compose reads it in an env file: nothing in it is expanded, and it stays on one line. Pure. */
export function quoteEnvValue(value: string): string {
  if (/^[A-Za-z0-9_.,:/@%+=~-]*$/.test(value)) return value
  // In either kind of quotes a backslash escapes the quote.
  if (!/['\\\n\r]/.test(value)) return `'${value}'`
  const escaped = value
    .replace(/[\\"$]/g, '\\$&')
    .replaceAll('\n', '\\n')
    .replaceAll('\r', '\\r')
  return `"${escaped}"`
}
