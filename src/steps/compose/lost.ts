/** Kept images that are gone all the same: said in good time, and rebuilt from the restored tree as a last resort. */

import { Failed } from '../../failure.ts'
import { lines } from '../contract/plain-text.ts'
import { canonicalPath } from '../contract/schema-fields.ts'
import type { CheckFinding, StepContext, StepResult } from '../contract/step.ts'
import { LOOKING } from '../stack/commands.ts'
import { docker, type Stack } from './compose.ts'
import { type KeptImage, type KeptStack, missingPins, type Pin, pinsIn } from './image-pins.ts'
import { imageIds } from './inspect-images.ts'
import { readReplicas } from './project.ts'
import { STATE_FOLDER } from './rollback-folder.ts'

type Lost = Pin & { service: string; name: string }

const standInFor = (pin: string) => `${pin}-rebuilt`

/** A service is rebuilt where its kept image is gone; the result has a name of its own and never the kept image's. */
export async function rebuildLost(
  ctx: StepContext,
  stack: Stack,
  kept: KeptStack | null,
  /** Answers with the services that it could build. */
  build: (services: string[]) => Promise<readonly string[]>,
): Promise<StepResult> {
  const lost = kept === null ? [] : await lostIn(ctx, stack, kept)
  if (lost.length === 0) return { changed: false }
  await ctx.evidenceKept
  ctx.say(`gone: ${lost.map(({ pin }) => pin).join(', ')}; rebuilding from the restored tree`)
  const built = await build([...new Set(lost.map(({ service }) => service))])
  const dir = canonicalPath(stack.dir)
  for (const { service, name, pin } of lost)
    if (built.includes(service)) await docker(ctx, dir, ['tag', name, standInFor(pin)], { quiet: true })
  return built.length === 0 ? { changed: false } : { changed: true, facts: { rebuilt: true } }
}

/** What the stack comes back from: what was rebuilt stands in for what is gone. Throws where nothing does. */
export async function withStandIns(ctx: StepContext, stack: Stack, kept: KeptStack): Promise<KeptImage[]> {
  const lost = await lostIn(ctx, stack, kept)
  if (lost.length === 0) return kept.images
  const pins = lost.map(({ pin }) => pin)
  const there = await imageIds(ctx, stack.dir, pins.map(standInFor))
  const ran = new Set(kept.images.flatMap(({ running }) => running))
  const nothing = lost.filter(({ id, pin }) => ran.has(id) && !there.get(standInFor(pin)))
  if (nothing.length > 0)
    throw new Failed({ code: 'pin-lost', pins: nothing.map(({ pin }) => pin), rebuilt: [] })
  for (const { pin, name } of lost)
    if (there.get(standInFor(pin)))
      await docker(ctx, canonicalPath(stack.dir), ['tag', standInFor(pin), name], { quiet: true })
  const standIn = (pin: string) => (pins.includes(pin) ? standInFor(pin) : pin)
  return kept.images.map(image => ({
    ...image,
    pin: image.pin === null ? null : standIn(image.pin),
    others: image.others.map(({ id, pin }) => ({ id, pin: standIn(pin) })),
  }))
}

/** Containers that do not run the recorded image: said as what they are where they run what was rebuilt instead. */
export async function orRebuilt(
  ctx: StepContext,
  stack: Stack,
  kept: KeptStack,
  error: unknown,
): Promise<never> {
  if (!(error instanceof Failed) || error.failure.code !== 'images-differ') throw error
  const { services } = error.failure
  const lost = await lostIn(ctx, stack, kept)
  const pins = lost.map(({ pin }) => pin)
  const [now, there] = await Promise.all([
    readReplicas(ctx, stack, kept.project, services),
    imageIds(ctx, stack.dir, pins.map(standInFor)),
  ])
  const isStandIn = (service: string, image: string) =>
    lost.some(each => each.service === service && there.get(standInFor(each.pin)) === image)
  const isRebuilt = services.every(
    service =>
      now.some(each => each.service === service) &&
      now.every(each => each.service !== service || isStandIn(service, each.image)),
  )
  throw isRebuilt ? new Failed({ code: 'pin-lost', pins, rebuilt: services }) : error
}

/** A missing pin does not matter while the name still means that image. */
async function lostIn(ctx: StepContext, stack: Stack, kept: KeptStack): Promise<Lost[]> {
  const missing = await missingPins(ctx, stack, kept)
  if (missing.length === 0) return []
  const all = kept.images.flatMap(image =>
    pinsIn({ images: [image] }).map(pin => ({ ...pin, service: image.service, name: image.name })),
  )
  const names = await imageIds(
    ctx,
    stack.dir,
    all.map(({ name }) => name),
  )
  return all.filter(({ pin, name, id }) => missing.includes(pin) && names.get(name) !== id)
}

/** For `rehearse`. */
export function missingFinding(pins: readonly string[], files: readonly string[]): CheckFinding | null {
  const what = [...pins, ...files]
  if (what.length === 0) return null
  const failure =
    files.length > 0
      ? { code: 'rollback-set-missing' as const, what }
      : { code: 'pin-lost' as const, pins: [...pins], rebuilt: [] }
  return { text: `missing: ${what.join(', ')}`, seen: null, failure }
}

/** So that a later run, or `doctor`, can say that they are gone. */
const NOTE = `
umask 077
file=$1; shift
[ -f "$file" ] || printf '%s %s\\n' "$@" >"$file"
`
/** `<pin>` of each run whose files are kept and whose pin is not what it was; exit code 3: the engine does not say. */
const FIND = `
state=$1 only=$2
${STATE_FOLDER}
has=$(docker image ls --no-trunc --format '{{.Repository}}:{{.Tag}} {{.ID}}' --filter 'reference=hostops/rollback/*') || exit 3
cat "$state"/rollback/\${only:-*}/*/*/pins 2>/dev/null | sort -u | while IFS= read -r line; do
  printf '%s\\n' "$has" | grep -qxF -- "$line" || echo "\${line%% *}"
done
`
export const findLostArgv = (state: string | null, stack: string): string[] => [
  ...['sh', '-c', FIND, 'hostops-lost', state ?? '', stack],
]

export const runOfPin = (pin: string): string => pin.slice(pin.indexOf(':') + 1).replace(/-\d+$/, '')

export async function notePins(ctx: StepContext, kept: KeptStack): Promise<void> {
  const pins = pinsIn(kept)
  if (kept.folder === null || pins.length === 0) return
  const words = pins.flatMap(({ pin, id }) => [pin, id])
  const argv = ['sh', '-c', NOTE, 'hostops-note', `${kept.folder}/pins`, ...words]
  await ctx.exec({ argv, quiet: true, repeatable: true })
}

/** Of earlier runs of this stack. */
export async function sayLost(ctx: StepContext, kept: KeptStack): Promise<void> {
  const [state, key] = [kept.folder?.split('/').slice(0, -4).join('/'), kept.folder?.split('/').at(-3)]
  if (state === undefined || key === undefined) return
  const found = await ctx.exec({ argv: findLostArgv(state, key), ...LOOKING })
  for (const pin of lines(found.stdout))
    ctx.say(`${pin} is gone: run ${runOfPin(pin)} can only be rolled back with --rebuild`)
}
