/**
 * How a listr2 task list is drawn: on stderr, in its own width and height, finished tasks written once and for all,
 * the running one with its time and its last line of output, those that wait below it.
 */
import type { ListrRenderer, ListrTaskObject } from 'listr2'
import type { Paint, Painter, Terminal } from './painter.ts'
import { cutTo, wrap } from './text.ts'
import { elapsed } from './words.ts'

type Task = ListrTaskObject<unknown, typeof ListrRenderer, typeof ListrRenderer>
type LiveOptions = { terminal: Terminal; painter: Painter; paint: Paint }

const FRAME_MS = 120
const ERROR_LINES = 6

export class LiveRenderer {
  // listr2 would fall back to another renderer whenever stdout is no terminal; we draw on stderr.
  static nonTTY = true
  static rendererOptions: Record<PropertyKey, unknown> = {}
  static rendererTaskOptions: Record<PropertyKey, unknown> = {}

  readonly #tasks: readonly Task[]
  readonly #options: LiveOptions
  readonly #since = new Map<string, number>()
  #written = 0
  #frame = 0
  #timer: NodeJS.Timeout | undefined

  constructor(tasks: readonly Task[], options: LiveOptions) {
    this.#tasks = tasks
    this.#options = options
  }

  render(): void {
    this.#timer = setInterval(() => this.#draw(), FRAME_MS)
    this.#timer.unref()
    this.#draw()
  }

  end(): void {
    clearInterval(this.#timer)
    this.#options.painter.draw(this.#newlyFinished(), [])
  }

  #draw(): void {
    this.#frame += 1
    const finished = this.#newlyFinished()
    this.#options.painter.draw(finished, this.#live())
  }

  #newlyFinished(): string[] {
    const lines: string[] = []
    for (let task = this.#tasks[this.#written]; task?.hasFinalized(); task = this.#tasks[this.#written]) {
      lines.push(...this.#finished(task))
      this.#written += 1
    }
    return lines
  }

  #finished(task: Task): string[] {
    const { paint, terminal } = this.#options
    const title = task.title ?? ''
    if (task.hasFailed()) {
      const text = wrap(task.message.error ?? '', terminal.columns() - 5, ERROR_LINES)
      return [`${paint.red(this.#icon('✖', 'x'))} ${title}`, ...text.map(line => `    ${paint.red(line)}`)]
    }
    if (task.isSkipped())
      return [`${paint.yellow(this.#icon('↓', '-'))} ${title} ${paint.dim(String(task.message.skip ?? ''))}`]
    return [`${paint.green(this.#icon('✔', 'v'))} ${title}`]
  }

  #live(): string[] {
    const { paint, terminal } = this.#options
    const lines: string[] = []
    const room = Math.max(3, terminal.rows() - 2)
    const waiting: Task[] = []
    for (const task of this.#tasks.slice(this.#written)) {
      if (task.isStarted()) lines.push(...this.#running(task))
      else if (!task.hasFinalized()) waiting.push(task)
    }
    const shown =
      waiting.length <= room - lines.length ? waiting.length : Math.max(0, room - lines.length - 1)
    for (const task of waiting.slice(0, shown))
      lines.push(paint.dim(`${this.#icon('·', '.')} ${task.title ?? ''}`))
    if (shown < waiting.length) lines.push(paint.dim(`  and ${waiting.length - shown} more`))
    return lines
  }

  #running(task: Task): string[] {
    const { paint, terminal } = this.#options
    const now = terminal.now()
    const since = this.#since.get(task.id) ?? now
    this.#since.set(task.id, since)
    const time = now - since < 1000 ? '' : ` ${elapsed(Math.floor((now - since) / 1000) * 1000)}`
    // A long title gives way to the time, not the other way round: the painter would cut the end off.
    const title = cutTo(task.title ?? '', terminal.columns() - 3 - time.length)
    const spinner = this.#icon('⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏', '|/-\\')
    const lines = [`${paint.cyan(spinner[this.#frame % spinner.length]!)} ${title}${paint.dim(time)}`]
    const last = typeof task.output === 'string' ? task.output.trim() : ''
    if (last !== '') lines.push(`  ${paint.dim(`${this.#icon('›', '>')} ${last}`)}`)
    return lines
  }

  #icon(unicode: string, ascii: string): string {
    return this.#options.terminal.unicode ? unicode : ascii
  }
}
