/** One small, seeded damage to some bytes: a flipped bit, a byte more, some less, a piece twice, JSON where it hurts. */
export type Below = (limit: number) => number

export const below =
  (random: () => number): Below =>
  limit =>
    Math.floor(random() * limit)

export function mutate(bytes: Buffer, upTo: Below): Buffer {
  const at = upTo(bytes.length)
  const [head, tail] = [bytes.subarray(0, at), bytes.subarray(at)]
  const kinds = [
    () => bytes,
    () => Buffer.concat([head, Buffer.from([bytes[at]! ^ (1 << upTo(8))]), tail.subarray(1)]),
    () => Buffer.concat([head, Buffer.from([upTo(256)]), tail]),
    () => Buffer.concat([head, tail.subarray(1 + upTo(5))]),
    () => Buffer.concat([head, tail, head.subarray(upTo(head.length + 1))]),
    () => Buffer.concat([head, Buffer.from(PIECES[upTo(PIECES.length)]!), tail]),
  ]
  return kinds[upTo(kinds.length)]!()
}

const PIECES = [
  '{',
  '}',
  '[',
  ']',
  '"',
  ',',
  ':',
  '\\',
  '\\u0000',
  'null',
  '1e999',
  '-',
  '{"a":',
  '\xff',
  '\0',
]
