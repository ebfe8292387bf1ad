/** How many bytes at the end are the beginning of a UTF-8 character whose rest is missing. */
export function cutCharacterBytes(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(LONGEST_CHARACTER - 1, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!
    const isContinuation = (byte & 0xc0) === 0x80
    if (!isContinuation) return characterBytes(byte) > back ? back : 0
  }
  return 0
}

export const LONGEST_CHARACTER = 4

const characterBytes = (first: number): number =>
  first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1
