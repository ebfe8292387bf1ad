/** The last gate before a terminal or a log: whatever a text holds, it stays on its line and steers nothing. */

/** Control characters, line ends of Unicode's, and what turns the direction of text around. */
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u061c\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g
const BEYOND_JSON = /[\u007f-\u009f\u061c\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

export const printable = (text: string): string => text.replace(UNPRINTABLE, ' ')

/** JSON that is one line for every reader: some split lines where JSON itself allows a character. */
export const jsonLine = (value: unknown): string =>
  JSON.stringify(value).replace(BEYOND_JSON, c => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
