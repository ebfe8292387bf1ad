/** The words of strerror(3), which the existing client prints and people search for. */
const WORDS: Readonly<Record<string, string>> = {
  EACCES: 'Permission denied',
  ECONNREFUSED: 'Connection refused',
  ECONNRESET: 'Connection reset by peer',
  EDQUOT: 'Disk quota exceeded',
  EHOSTUNREACH: 'No route to host',
  EISDIR: 'Is a directory',
  ELOOP: 'Too many levels of symbolic links',
  EMFILE: 'Too many open files',
  ENAMETOOLONG: 'File name too long',
  ENETUNREACH: 'Network is unreachable',
  ENOENT: 'No such file or directory',
  ENOSPC: 'No space left on device',
  ENOTDIR: 'Not a directory',
  ENOTFOUND: 'Name or service not known',
  ENOTSOCK: 'Socket operation on non-socket',
  EAI_AGAIN: 'Temporary failure in name resolution',
  EPERM: 'Operation not permitted',
  EPIPE: 'Broken pipe',
  EPROTOTYPE: 'Protocol wrong type for socket',
  EROFS: 'Read-only file system',
  ESTALE: 'Stale file handle',
  ETIMEDOUT: 'Connection timed out',
}

export function systemError(error: unknown): { code: string; words: string } {
  const { code, message } = error as { code?: unknown; message?: unknown }
  const name = typeof code === 'string' ? code : 'UNKNOWN'
  return { code: name, words: WORDS[name] ?? (typeof message === 'string' ? message : name) }
}

/** The reason that the system gave, in words that go into a sentence. */
export function systemReason(error: unknown): string {
  const { words } = systemError(error)
  return /^[A-Z][a-z]/.test(words) ? words.charAt(0).toLowerCase() + words.slice(1) : words
}

/** The same, behind the file or folder that it is about, where that is known. */
export const reasonWithPath = (error: unknown): string =>
  `${error instanceof Error && 'path' in error ? `${String(error.path)}: ` : ''}${systemReason(error)}`
