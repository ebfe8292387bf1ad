import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compactJson } from '../../src/hostlink/cli/answer.ts'

test('compactJson is what JSON.stringify gives, whatever the blanks', () => {
  fc.assert(
    fc.property(fc.json(), fc.constantFrom(0, 1, 3, '\t'), (text, indent) => {
      const value = JSON.parse(text)
      expect(compactJson(JSON.stringify(value, null, indent))).toBe(JSON.stringify(value))
    }),
  )
})

test('what is written differently but means the same stays as it was written', () => {
  expect(compactJson('{ "b" : 1.0 , "a" : 1e3, "2": "\\u0041 \\\\", "1" : [ ] }')).toBe(
    '{"b":1.0,"a":1e3,"2":"\\u0041 \\\\","1":[]}',
  )
})
