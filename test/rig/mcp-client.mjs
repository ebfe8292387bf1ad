// A client that starts a run and is then there until it is killed: node mcp-client.mjs TOOL ARGUMENTS COMMAND...
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'

const [tool, given, command, ...args] = process.argv.slice(2)
const client = new Client({ name: 'killed', version: '1' })
const transport = new StdioClientTransport({ command, args, env: process.env, stderr: 'ignore' })
await client.connect(transport)
await client.callTool({ name: tool, arguments: JSON.parse(given) })
console.log(transport.pid)
setInterval(() => {}, 1000)
