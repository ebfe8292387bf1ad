/** A real MCP client on a real `hostops mcp`. */
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { type Progress, ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js'
import type { Report } from '../../src/report/report-schema.ts'
import { HOSTOPS, type HostopsRig } from './hostops.ts'

export type McpRig = Awaited<ReturnType<typeof mcpRig>>
export type ToolAnswer = { text: string; report: Report; isError: boolean; structured: unknown }

export async function mcpRig(
  rig: HostopsRig,
  args: readonly string[] = [],
  { env = {}, cwd = rig.folder }: { env?: NodeJS.ProcessEnv; cwd?: string } = {},
) {
  const transport = new StdioClientTransport({
    ...{ command: process.execPath, args: [HOSTOPS, 'mcp', ...args], cwd, stderr: 'pipe' },
    env: { ...rig.env, ...env } as Record<string, string>,
  })
  let said = ''
  transport.stderr!.on('data', chunk => {
    said += chunk
  })
  const client = new Client({ name: 'test', version: '1' })
  let changes = 0
  client.setNotificationHandler(ToolListChangedNotificationSchema, () => {
    changes += 1
  })
  const faults: Error[] = []
  client.onerror = error => faults.push(error)
  await client.connect(transport)
  return {
    client,
    pid: () => transport.pid!,
    stderr: () => said,
    changes: () => changes,
    /** Lines on stdout that are no messages, and the like. */
    faults,
    tools: async () => (await client.listTools()).tools,
    async call(
      name: string,
      given: Record<string, unknown> = {},
      more: { onprogress?: (progress: Progress) => void; signal?: AbortSignal; timeout?: number } = {},
    ): Promise<ToolAnswer> {
      const answer = await client.callTool({ name, arguments: given }, undefined, more)
      const [content] = answer.content as { type: string; text: string }[]
      return {
        text: content!.text,
        report: answer.structuredContent as Report,
        isError: answer.isError === true,
        structured: answer.structuredContent,
      }
    },
    close: () => client.close(),
  }
}
