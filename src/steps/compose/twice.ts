/** Whether two containers of a service can run side by side. Pure. */
import * as z from 'zod'
import { once } from '../contract/once.ts'
import { anonymousVolumes } from './possessions.ts'
import type { Service } from './project.ts'
import type { Replica } from './stability.ts'

const configSchema = once(() => {
  const address = z
    .object({
      ipv4_address: z.string().nullish(),
      ipv6_address: z.string().nullish(),
      mac_address: z.string().nullish(),
    })
    .nullish()
  return z.object({
    services: z.record(
      z.string(),
      z.object({
        container_name: z.string().nullish(),
        mac_address: z.string().nullish(),
        network_mode: z.string().nullish(),
        pid: z.string().nullish(),
        ipc: z.string().nullish(),
        networks: z.record(z.string(), address).nullish(),
        ports: z.array(z.object({ published: z.string().nullish() })).nullish(),
      }),
    ),
  })
})

/** Why it cannot, in words that follow "it"; empty where nothing is known that speaks against it. */
export function whyNotTwice(
  rendered: unknown,
  { name, oneShot }: Pick<Service, 'name' | 'oneShot'>,
  running: readonly Replica[],
): string[] {
  const services = configSchema().safeParse(rendered).data?.services ?? {}
  const service = services[name]
  if (service === undefined) return []
  const { container_name, mac_address, network_mode, networks, ports } = service
  const addresses = Object.values(networks ?? {}).flatMap(each =>
    [each?.ipv4_address, each?.ipv6_address, each?.mac_address].filter(Boolean),
  )
  const guests = Object.keys(services).filter(other => {
    const { network_mode, pid, ipc } = services[other]!
    return [network_mode, pid, ipc].includes(`service:${name}`)
  })
  const fixed = (ports ?? []).map(({ published }) => published ?? '').filter(port => /^[1-9]\d*$/.test(port))
  const volumes = running.filter(each => each.service === name).flatMap(anonymousVolumes)
  return [
    ...fixed.map(port => `publishes port ${port} of the host`),
    ...(container_name ? [`has the fixed name ${container_name}`] : []),
    ...[mac_address, ...addresses].flatMap(each => (each ? [`has the fixed address ${each}`] : [])),
    ...(network_mode === 'host' ? ['uses the network of the host'] : []),
    ...(/^(service|container):/.test(network_mode ?? '') ? [`uses the network of ${network_mode}`] : []),
    ...guests.map(other => `shares a namespace with ${other}`),
    ...[...new Set(volumes)].map(path => `has data in a volume without a name at ${path}`),
    ...(oneShot ? ['ends on its own'] : []),
  ]
}
