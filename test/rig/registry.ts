/** A registry of the test's own on 127.0.0.1, which every engine takes plain HTTP from; it only serves. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execaSync } from 'execa'

type Manifest = { digest: string; mediaType: string }

export async function startRegistry() {
  const folder = mkdtempSync(join(tmpdir(), 'hostops-registry-'))
  const tags = new Map<string, Manifest>()
  const blob = (digest: string) => readFileSync(join(folder, 'blobs', digest.replace(':', '/')))
  const server = createServer(({ url = '', method }, answer) => {
    const [, name, kind, reference] = /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/.exec(url) ?? []
    if (url === '/v2/') return answer.end('{}')
    try {
      if (name === undefined || reference === undefined) throw new Error('not asked for')
      const manifest = tags.get(`${name}:${reference}`)
      const digest = manifest?.digest ?? reference
      const bytes = blob(digest)
      const asked = JSON.parse(kind === 'manifests' ? bytes.toString() : '{}') as { mediaType?: string }
      answer.writeHead(200, {
        'Content-Type': manifest?.mediaType ?? asked.mediaType ?? 'application/octet-stream',
        'Content-Length': bytes.length,
        'Docker-Content-Digest': digest,
      })
      return answer.end(method === 'HEAD' ? undefined : bytes)
    } catch {
      return answer.writeHead(404).end('{"errors":[{"code":"MANIFEST_UNKNOWN"}]}')
    }
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as { port: number }).port,
    /** Serves an image of the engine under its name, which begins with the address of this registry. */
    publish(image: string) {
      const tar = join(folder, 'image.tar')
      execaSync('docker', ['save', '-o', tar, image])
      execaSync('tar', ['-x', '-C', folder, '-f', tar])
      const index = JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8')) as { manifests: Manifest[] }
      tags.set(image.slice(image.indexOf('/') + 1), index.manifests[0]!)
    },
    async stop() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
