/** What `git check-ref-format --allow-onelevel` accepts, and never an option: hostile names end here. */
export function isRefName(text: string): boolean {
  if (text.length === 0 || text.length > 255 || text === '@') return false
  if (text.startsWith('-') || text.endsWith('.')) return false
  if (/[\u0000-\u0020\u007f~^:?*[\\]/.test(text)) return false
  if (text.includes('..') || text.includes('@{')) return false
  return text.split('/').every(part => part !== '' && !part.startsWith('.') && !part.endsWith('.lock'))
}

/** Seven or more hex digits may be a commit's name; 40 and 64 are nothing else. */
export const isCommitName = (text: string): boolean => /^[0-9a-fA-F]{7,64}$/.test(text)
export const isFullCommitName = (text: string): boolean => /^([0-9a-fA-F]{40}|[0-9a-fA-F]{64})$/.test(text)
