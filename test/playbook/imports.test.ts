import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const src = new URL('../../src/', import.meta.url)

test('zod is imported as a namespace, because `import { z }` bundles all of it, locales included', () => {
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter(file => file.endsWith('.ts'))
  const wrong = files.filter(file =>
    /^import \{ z \} from 'zod'/m.test(readFileSync(new URL(file, src), 'utf8')),
  )
  expect(wrong).toEqual([])
})
