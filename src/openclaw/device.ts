/** The identity of this hostops at a gateway on another machine: an Ed25519 key, which an operator approves there once. */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from 'node:crypto'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Failed } from '../failure.ts'
import { makeFolder } from '../process/make-folder.ts'

export type Device = { id: string; publicKey: string; key: KeyObject }

/** Makes one at the first use. Throws `Failed`. */
export function openDevice(state: string): Device {
  const file = join(state, 'openclaw-device.pem')
  try {
    makeFolder(state, 0o700)
    create(file)
    if ((statSync(file).mode & 0o077) !== 0) throw new Error(`others may read it; chmod 600 ${file}`)
    return deviceOf(createPrivateKey(readFileSync(file)))
  } catch (error) {
    throw new Failed({ code: 'state-unwritable', path: file, problem: (error as Error).message })
  }
}

/** `words`: the client's id, its mode, its role and its scopes. */
export function signedBy(device: Device, words: readonly string[], token: string, nonce: string) {
  const { id, publicKey, key } = device
  const signedAt = Date.now()
  const text = ['v2', id, ...words, String(signedAt), token, nonce].join('|')
  const signature = sign(null, Buffer.from(text), key).toString('base64url')
  return { id, publicKey, signature, signedAt, nonce }
}

function create(file: string): void {
  if (existsSync(file)) return
  const { privateKey } = generateKeyPairSync('ed25519')
  try {
    writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }), { flag: 'wx', mode: 0o600 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

function deviceOf(key: KeyObject): Device {
  const publicKey = createPublicKey(key).export({ format: 'jwk' }).x ?? ''
  return { id: createHash('sha256').update(publicKey, 'base64url').digest('hex'), publicKey, key }
}
