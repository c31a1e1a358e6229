/** A Redis of one's own, without a port, a configuration file or persistence of its own accord; it ends with this process. */
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { spawnBound } from './bound'
import { parseInfo, RedisClient } from './resp'

export const RDB_NAME = 'state.rdb'

/** Where nothing is compressed, as in the other methods. Checksums stay on. */
const SETTINGS = {
  port: '0',
  save: '',
  appendonly: 'no',
  rdbcompression: 'no',
  rdbchecksum: 'yes',
  daemonize: 'no',
  loglevel: 'warning',
  dbfilename: RDB_NAME,
}
const LOOK_MS = 20
const LOOKS_MAX = 250

export interface RedisServer {
  connect(): Promise<RedisClient>
  /** Resolves once it has ended. */
  end(): Promise<void>
}

/** The version, such as `7.0.15`, or undefined where there is no redis-server on the path. */
export function redisVersion(): string | undefined {
  const { status, stdout } = spawnSync('redis-server', ['--version'], { encoding: 'utf8' })
  return status === 0 ? (/v=(\S+)/.exec(stdout)?.[1] ?? 'unknown') : undefined
}

export async function startRedisServer(folder: string): Promise<RedisServer> {
  const socket = join(folder, 'redis.sock')
  const settings = Object.entries({ ...SETTINGS, dir: folder, unixsocket: socket })
  const args = settings.flatMap(([name, value]) => [`--${name}`, value])
  const server = spawnBound('redis-server', args, { stdio: ['ignore', 'ignore', 'inherit'] })
  const ended = once(server, 'exit')
  for (let look = 0; ; look++) {
    if (server.exitCode !== null) throw new Error(`redis-server ended with code ${server.exitCode}`)
    const client = await RedisClient.connect(socket).catch(() => undefined)
    client?.end()
    if (client !== undefined) break
    if (look === LOOKS_MAX) throw new Error('redis-server does not listen')
    await setTimeout(LOOK_MS)
  }
  return {
    connect: () => RedisClient.connect(socket),
    async end() {
      server.kill('SIGTERM')
      await ended
    },
  }
}

export async function info(client: RedisClient): Promise<ReadonlyMap<string, string>> {
  return parseInfo(String(await client.command('INFO', 'everything')))
}
