/** What this run has brought in for a stack, as the outputs of its earlier steps say. */

import { recordOf } from '../../document/is-record.ts'
import type { Json } from '../../document/json.ts'
import { Failed } from '../../failure.ts'
import type { StepContext } from '../contract/step.ts'
import { sameImageName } from './image-name.ts'
import type { Project, Service } from './project.ts'

type Outputs = readonly { readonly [output: string]: Json }[]
type BroughtIn = { built: Outputs; tagged: Outputs; pulled: Outputs }

/** Its old image would run beside the new ones. */
export function requireBuilt(ctx: StepContext, dir: string, project: Project): void {
  const broughtIn = {
    built: ctx.outputsOf('compose.build'),
    tagged: ctx.outputsOf('image.build'),
    pulled: ctx.outputsOf('compose.pull'),
  }
  const services = notBuilt(project, broughtIn).map(({ name }) => name)
  if (services.length > 0) throw new Failed({ code: 'not-built', dir, services })
}

/** Services with `build:` that `up` would start from an image of another run, where this run has built some. Pure. */
export function notBuilt(project: Project, broughtIn: BroughtIn): Service[] {
  const ofThis = (outputs: Outputs) => outputs.filter(each => each['project'] === project.name)
  const [built, tagged, pulled] = [
    ofThis(broughtIn.built),
    ofThis(broughtIn.tagged),
    ofThis(broughtIn.pulled),
  ]
  if (built.length + tagged.length === 0) return []
  const services = new Set([...built, ...pulled].flatMap(({ images }) => Object.keys(recordOf(images))))
  const names = [
    ...tagged.flatMap(({ image }) => (typeof image === 'string' ? [image] : [])),
    ...project.reach.flatMap(({ name, image }) => (services.has(name) && image !== null ? [image] : [])),
  ]
  const isNew = ({ name, image }: Service) =>
    services.has(name) || (image !== null && names.some(each => sameImageName(each, image)))
  return project.reach.filter(service => service.builds && !isNew(service))
}
