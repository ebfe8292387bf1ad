/** A real YAML language server, as editors start it, with nothing from the network. */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath, pathToFileURL } from 'node:url'

const SERVER = fileURLToPath(
  new URL('../../node_modules/yaml-language-server/bin/yaml-language-server', import.meta.url),
)
const SETTINGS = {
  yaml: {
    validate: true,
    hover: true,
    completion: true,
    schemaStore: { enable: false },
    kubernetesCRDStore: { enable: false },
  },
}
const LIMIT_MS = 30_000

export type Spot = { line: number; character: number }
export type Complaint = { message: string; range: { start: Spot } }
type Message = {
  id?: number
  method?: string
  params?: unknown
  result?: unknown
  error?: { message: string }
}

export class YamlServer {
  readonly #child: ChildProcess = spawn(process.execPath, [SERVER, '--stdio'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  readonly #waiting = new Map<string, (value: never) => void>()
  #bytes = Buffer.alloc(0)
  #last = 0

  static async start(folder: string): Promise<YamlServer> {
    const server = new YamlServer()
    server.#child.stdout!.on('data', chunk => server.#read(chunk))
    const capabilities = {
      workspace: { configuration: true },
      textDocument: { hover: { contentFormat: ['markdown'] } },
    }
    await server.#ask('initialize', {
      processId: process.pid,
      rootUri: `${pathToFileURL(folder)}`,
      capabilities,
    })
    server.#send({ method: 'initialized', params: {} })
    return server
  }

  /** Opens a text as if it were that file, and waits for what the editor would underline. */
  open(path: string, text: string): Promise<Complaint[]> {
    const uri = `${pathToFileURL(path)}`
    const told = this.#answer<{ diagnostics: Complaint[] }>(`diagnostics ${uri}`)
    this.#send({
      method: 'textDocument/didOpen',
      params: { textDocument: { uri, languageId: 'yaml', version: 1, text } },
    })
    return told.then(({ diagnostics }) => diagnostics)
  }

  async completions(path: string, position: Spot): Promise<string[]> {
    const list = await this.#ask<{ items: { label: string }[] }>(
      'textDocument/completion',
      at(path, position),
    )
    return list.items.map(({ label }) => label)
  }

  async hover(path: string, position: Spot): Promise<string> {
    const found = await this.#ask<{ contents: { value: string } } | null>(
      'textDocument/hover',
      at(path, position),
    )
    return found?.contents.value ?? ''
  }

  stop(): void {
    this.#child.kill('SIGKILL')
  }

  #ask<T>(method: string, params: unknown): Promise<T> {
    this.#last += 1
    const answer = this.#answer<T>(`answer ${this.#last}`)
    this.#send({ id: this.#last, method, params })
    return answer
  }

  #answer<T>(key: string): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${key} never came`)), LIMIT_MS)
      this.#waiting.set(key, value => {
        clearTimeout(timer)
        resolve(value)
      })
    })
  }

  #send(message: object): void {
    const body = Buffer.from(JSON.stringify({ jsonrpc: '2.0', ...message }))
    this.#child.stdin!.write(`Content-Length: ${body.length}\r\n\r\n`)
    this.#child.stdin!.write(body)
  }

  #read(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk])
    for (;;) {
      const end = this.#bytes.indexOf('\r\n\r\n')
      const length = Number(/Content-Length: (\d+)/i.exec(this.#bytes.toString('latin1', 0, end))?.[1])
      if (end < 0 || this.#bytes.length < end + 4 + length) return
      this.#take(JSON.parse(this.#bytes.toString('utf8', end + 4, end + 4 + length)) as Message)
      this.#bytes = this.#bytes.subarray(end + 4 + length)
    }
  }

  #take({ id, method, params, result, error }: Message): void {
    if (method === 'textDocument/publishDiagnostics') {
      this.#settle(`diagnostics ${(params as { uri: string }).uri}`, params)
    } else if (method === 'workspace/configuration') {
      const { items } = params as { items: { section: string }[] }
      this.#send({ id, result: items.map(({ section }) => SETTINGS[section as 'yaml'] ?? null) })
    } else if (method !== undefined) {
      if (id !== undefined) this.#send({ id, result: null })
    } else {
      this.#settle(`answer ${id}`, error === undefined ? result : Promise.reject(new Error(error.message)))
    }
  }

  #settle(key: string, value: unknown): void {
    this.#waiting.get(key)?.(value as never)
    this.#waiting.delete(key)
  }
}

const at = (path: string, position: Spot) => ({ textDocument: { uri: `${pathToFileURL(path)}` }, position })
