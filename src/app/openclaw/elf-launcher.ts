/**
 * A native program of a few hundred bytes that starts another one with fixed first words and a fixed environment: for
 * callers that accept native files only, and whose environment must not reach what is started. Pure.
 *
 * Node looks for `--env-file` and `--experimental-config-file` among all words, also behind the script and behind `--`, and
 * each brings in a file that may load code. A word `--x...` with a first letter that is not listed is replaced for that reason.
 */

export type Launcher = {
  arch: 'x64' | 'arm64'
  /** The path of the program, which is also its first word. */
  program: string
  /** Fixed words in front of those of the caller. */
  words: readonly string[]
  env: Readonly<Record<string, string>>
  /** First letters of the long options that are passed on. Default: those of hostops-trigger. None begins with the `e` of Node's. */
  letters?: string
}

const BASE = 0x40_0000
const HEADER_BYTES = 64
const SEGMENT_BYTES = 56
const CODE_AT = HEADER_BYTES + 2 * SEGMENT_BYTES
const EM_X86_64 = 62
const EM_AARCH64 = 183
const PT_LOAD = 1
const PT_GNU_STACK = 0x6474_e551
const READ = 4
const WRITE = 2
const EXECUTE = 1

const LETTERS_OF_TRIGGER = 'hiprstv'
const bitsOf = (letters: string): number =>
  [...letters].reduce((bits, letter) => bits | (1 << (letter.charCodeAt(0) - 0x61)), 0)
/** An option that hostops-trigger refuses, with a result line. */
const REPLACEMENT = '--not-passed-on'

/** Addresses of what the code refers to. */
type Data = {
  words: number[]
  env: number
  message: number
  messageBytes: number
  replacement: number
  /** A bit for each letter that is passed on. */
  letters: number
}

export function elfLauncher({ arch, program, words, env, letters = LETTERS_OF_TRIGGER }: Launcher): Buffer {
  const fixed = [program, ...words]
  const pairs = Object.entries(env).map(([name, value]) => `${name}=${value}`)
  const message = `cannot start ${program}\n`
  for (const text of [...fixed, ...pairs])
    if (text.includes('\0')) throw new RangeError('a word holds a NUL byte')
  if (!program.startsWith('/')) throw new RangeError('the program is not an absolute path')

  const assemble = arch === 'x64' ? codeForX64 : codeForArm64
  // Its length does not depend on the addresses.
  const nowhere: Data = {
    ...{ words: fixed.map(() => BASE), env: BASE, message: BASE, messageBytes: 0, replacement: BASE },
    letters: bitsOf(letters),
  }
  const tableAt = alignedTo8(CODE_AT + assemble(nowhere, BASE + CODE_AT).length)
  let end = tableAt + 8 * (pairs.length + 1)
  const texts: Buffer[] = []
  const place = (text: string): number => {
    const bytes = Buffer.from(`${text}\0`)
    const address = BASE + end
    texts.push(bytes)
    end += bytes.length
    return address
  }
  const data: Data = {
    ...nowhere,
    words: fixed.map(place),
    env: BASE + tableAt,
    message: place(message),
    messageBytes: Buffer.byteLength(message),
    replacement: place(REPLACEMENT),
  }
  const table = Buffer.concat([...pairs.map(pair => quad(place(pair))), quad(0)])
  const code = assemble(data, BASE + CODE_AT)
  const gap = Buffer.alloc(tableAt - CODE_AT - code.length)
  return Buffer.concat([headers(arch, end), code, gap, table, ...texts])
}

/** One segment for all of it, readable and executable; a stack that is not executable. */
function headers(arch: Launcher['arch'], bytes: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  // 64 bits, little-endian, version 1
  header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
  header.writeUInt16LE(2, 16) // e_type: ET_EXEC
  header.writeUInt16LE(arch === 'x64' ? EM_X86_64 : EM_AARCH64, 18)
  header.writeUInt32LE(1, 20) // e_version
  header.writeBigUInt64LE(BigInt(BASE + CODE_AT), 24) // e_entry
  header.writeBigUInt64LE(BigInt(HEADER_BYTES), 32) // e_phoff
  header.writeUInt16LE(HEADER_BYTES, 52) // e_ehsize
  header.writeUInt16LE(SEGMENT_BYTES, 54) // e_phentsize
  header.writeUInt16LE(2, 56) // e_phnum
  header.writeUInt16LE(64, 58) // e_shentsize, of no section
  return Buffer.concat([
    header,
    segment({ type: PT_LOAD, flags: READ | EXECUTE, address: BASE, bytes, align: 0x1_0000 }),
    segment({ type: PT_GNU_STACK, flags: READ | WRITE, address: 0, bytes: 0, align: 16 }),
  ])
}

type Segment = { type: number; flags: number; address: number; bytes: number; align: number }

function segment({ type, flags, address, bytes, align }: Segment): Buffer {
  const header = Buffer.alloc(SEGMENT_BYTES)
  header.writeUInt32LE(type, 0)
  header.writeUInt32LE(flags, 4)
  for (const [at, value] of [0, address, address, bytes, bytes, align].entries())
    header.writeBigUInt64LE(BigInt(value), 8 + 8 * at)
  return header
}

/** At the start the stack holds argc, argv[0], argv[1], ..., NULL. The fixed words take the place of argv[0]. */
function codeForX64({ words, env, message, messageBytes, replacement, letters }: Data): Buffer {
  const look = [
    [0x48, 0x8d, 0x74, 0x24, 0x10], //    lea  rsi, [rsp + 16]  ; to argv[1]
    [0x48, 0x8b, 0x3e], // next:          mov  rdi, [rsi]
    [0x48, 0x85, 0xff], //                test rdi, rdi
    [0x74, 47], //                        je   start
    [0x48, 0x83, 0xc6, 0x08], //          add  rsi, 8
    [0x66, 0x81, 0x3f, 0x2d, 0x2d], //    cmp  word [rdi], '--'
    [0x75, 0xed], //                      jne  next
    [0x0f, 0xb6, 0x4f, 0x02], //          movzx ecx, byte [rdi + 2]
    [0x85, 0xc9], //                      test ecx, ecx
    [0x74, 0xe5], //                      je   next             ; the word is --
    [0x83, 0xe9, 0x61], //                sub  ecx, 'a'
    [0x83, 0xf9, 0x19], //                cmp  ecx, 25
    [0x77, 10], //                        ja   replace
    [0xb8, ...long(letters)], //          mov  eax, letters
    [0x0f, 0xa3, 0xc8], //                bt   eax, ecx
    [0x72, 0xd3], //                      jc   next
    [0x48, 0xc7, 0x46, 0xf8, ...long(replacement)], // replace: mov qword [rsi - 8], replacement
    [0xeb, 0xc9], //                      jmp  next
  ].flat()
  const start = [
    [0x48, 0x83, 0xc4, 0x10], //          add  rsp, 16          ; to argv[1]
    ...words.toReversed().map(
      word => [0x68, ...long(word)], //   push word             ; the last first
    ),
    [0x48, 0x89, 0xe6], //                mov  rsi, rsp         ; argv
    [0xbf, ...long(words[0]!)], //        mov  edi, program
    [0xba, ...long(env)], //              mov  edx, env
    [0xb8, ...long(59)], //               mov  eax, execve
    [0x0f, 0x05], //                      syscall               ; does not return, or fails
  ].flat()
  return Buffer.from(
    [
      [0x48, 0x83, 0x3c, 0x24, 0x00], //  cmp  qword [rsp], 0   ; without argv[0], argv[1] would be the environment
      [0x0f, 0x84, ...long(look.length + start.length)], // je fail
      look,
      start,
      [0xbf, ...long(2)], // fail:        mov  edi, 2           ; stderr
      [0xbe, ...long(message)], //        mov  esi, message
      [0xba, ...long(messageBytes)], //   mov  edx, bytes
      [0xb8, ...long(1)], //              mov  eax, write
      [0x0f, 0x05], //                    syscall
      [0xbf, ...long(127)], //            mov  edi, 127
      [0xb8, ...long(231)], //            mov  eax, exit_group
      [0x0f, 0x05], //                    syscall
    ].flat(),
  )
}

function codeForArm64({ words, env, message, messageBytes, replacement, letters }: Data, at: number): Buffer {
  const code: number[] = []
  const here = () => at + 4 * code.length
  const adr = (register: number, address: number) => {
    const offset = address - here()
    code.push(0x1000_0000 | ((offset & 3) << 29) | (((offset >> 2) & 0x7_ffff) << 5) | register)
  }
  const mov = (register: number, value: number) => code.push(0xd280_0000 | (value << 5) | register)
  const svc = () => code.push(0xd400_0001)

  const toFail = 2 * words.length + 27
  code.push(
    0xf940_03e9, //                       ldr  x9, [sp]         ; argc
    0xb400_0009 | (toFail << 5), //       cbz  x9, fail
    0x9100_43e1, //                       add  x1, sp, 16       ; to argv[1]
    0xf840_842a, // next:                 ldr  x10, [x1], 8
    0xb400_026a, //                       cbz  x10, start
    0x3940_014b, //                       ldrb w11, [x10]
    0x7100_b57f, //                       cmp  w11, '-'
    0x54ff_ff81, //                       b.ne next
    0x3940_054b, //                       ldrb w11, [x10, 1]
    0x7100_b57f, //                       cmp  w11, '-'
    0x54ff_ff21, //                       b.ne next
    0x3940_094b, //                       ldrb w11, [x10, 2]
    0x34ff_feeb, //                       cbz  w11, next        ; the word is --
    0x5101_856b, //                       sub  w11, w11, 'a'
    0x7100_657f, //                       cmp  w11, 25
    0x5400_00a8, //                       b.hi replace
    0x5280_000c | ((letters & 0xffff) << 5), // movz w12, letters
    0x72a0_000c | ((letters >> 16) << 5), //    movk w12, letters, lsl 16
    0x1acb_258c, //                       lsr  w12, w12, w11
    0x3707_fe0c, //                       tbnz w12, 0, next
  )
  adr(10, replacement) // replace:        adr  x10, replacement
  code.push(
    0xf81f_802a, //                       str  x10, [x1, -8]
    0x17ff_ffed, //                       b    next
    0x9100_43e1, // start:                add  x1, sp, 16
  )
  for (const word of words.toReversed()) {
    adr(2, word) //                       adr  x2, word         ; the last first
    code.push(0xf81f_8c22) //             str  x2, [x1, -8]!
  }
  adr(0, words[0]!) //                    adr  x0, program      ; x1 is argv
  adr(2, env) //                          adr  x2, env
  mov(8, 221) //                          mov  x8, execve
  svc() //                                svc  0                ; does not return, or fails
  mov(0, 2) // fail:                      mov  x0, 2            ; stderr
  adr(1, message) //                      adr  x1, message
  mov(2, messageBytes) //                 mov  x2, bytes
  mov(8, 64) //                           mov  x8, write
  svc() //                                svc  0
  mov(0, 127) //                          mov  x0, 127
  mov(8, 94) //                           mov  x8, exit_group
  svc() //                                svc  0
  const bytes = Buffer.alloc(4 * code.length)
  for (const [index, instruction] of code.entries()) bytes.writeInt32LE(instruction | 0, 4 * index)
  return bytes
}

const alignedTo8 = (offset: number): number => (offset + 7) & ~7

function long(value: number): number[] {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return [...bytes]
}

function quad(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}
