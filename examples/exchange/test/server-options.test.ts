import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { defaultOptions, readOptions, usage } from '../server/options'
import { temporaryDirectory } from './server-program'

const directory = temporaryDirectory()

function config(text: string): string {
  const path = join(directory.path, 'config.json')
  writeFileSync(path, text)
  return path
}

describe('the options of the server', () => {
  it('have defaults: files, every operation synced, a snapshot an hour, loopback, nothing dangerous', () => {
    expect(readOptions([])).toEqual({
      ...{ store: 'file', logStore: 'file', log: 'always', directory: './data/exchange', intervalMs: 3_600_000 },
      state: 'heap',
      ...{ host: '127.0.0.1', port: 50_051, statusPort: undefined, debug: false, marketOrders: false },
      ...{ stopWritesOnSaveError: false, drainMs: 10_000, idleSnapshots: false },
      limits: { connections: 1000, streams: 1000, messageBytes: 65_536 },
    })
    expect(readOptions([])).toEqual(defaultOptions())
  })

  it('are read from the command line', () => {
    const store = 'postgres://user@host/db'
    const text = `--store ${store} --log everysec --interval 0.5 --port 0 --status-port 9000 --debug --market-orders --idle-snapshots --state arena`
    expect(readOptions([...text.split(' '), '--stop-writes-on-save-error', '--host', '::1'])).toMatchObject({
      ...{ store, logStore: store, log: 'everysec', intervalMs: 500, port: 0, statusPort: 9000, host: '::1' },
      ...{ debug: true, state: 'arena', marketOrders: true, stopWritesOnSaveError: true, idleSnapshots: true },
    })
    expect(readOptions(['--store', store, '--log-store', 'file'])).toMatchObject({ store, logStore: 'file' })
  })

  it('are read from a file, and the command line wins', () => {
    const path = config('{ "port": 1234, "debug": true, "interval": 60, "log": "no", "max-connections": 7 }')
    expect(readOptions(['--config', path])).toMatchObject({
      ...{ port: 1234, debug: true, intervalMs: 60_000, log: 'no' },
      limits: { connections: 7, streams: 1000 },
    })
    const line = ['--config', path, '--port', '99', '--no-debug', '--log', 'always']
    expect(readOptions(line)).toMatchObject({ port: 99, debug: false, intervalMs: 60_000, log: 'always' })
  })

  it.each([
    [['--port', '70000'], '--port must be a whole number from 0 to 65535'],
    [['--port', '-1'], /--port/],
    [['--port', '1e3'], '--port must be a whole number from 0 to 65535'],
    [['--port', ''], '--port must be a whole number from 0 to 65535'],
    [['--interval', '2147484'], '--interval must be a number of seconds from 0 to 2147483'],
    [['--interval', 'soon'], '--interval must be a number of seconds from 0 to 2147483'],
    [['--state', 'disk'], '--state must be one of heap, arena'],
    [['--log', 'off'], '--log must be one of always, everysec, no'],
    [['--store', 'mysql://secret@x'], '--store must be file or the URL of a database, postgres://...'],
    [['--log-store', 'nats://x'], '--log-store must be file or the URL of a database, postgres://...'],
    [['--directory', ''], '--directory must be a text that is not empty'],
    [['--max-message', '10'], '--max-message must be a whole number from 1024 to 4194304'],
    [['--unknown'], /Unknown option '--unknown'/],
    [['--debug=yes'], /--debug/],
    [['something'], /Unexpected argument 'something'/],
  ])('refuse %j', (args, message) => {
    expect(() => readOptions(args)).toThrow(message)
  })

  it.each([
    ['{', /is not JSON/],
    ['[]', /must hold one object/],
    ['{ "prot": 1 }', /unknown option "prot"/],
    ['{ "port": "x" }', '"port" in the configuration file must be a whole number from 0 to 65535'],
    ['{ "debug": "true" }', '"debug" in the configuration file must be true or false'],
    ['{ "interval": null }', '"interval" in the configuration file must be a number of seconds from 0 to 2147483'],
    ['{ "store": "secret" }', /^"store" in the configuration file must be file or the URL/],
  ])('refuse a file with %s', (text, message) => {
    const path = config(text)
    expect(() => readOptions(['--config', path])).toThrow(message)
    expect(() => readOptions(['--config', path])).not.toThrow(/secret/)
  })

  it('refuse a file that is not there', () => {
    expect(() => readOptions(['--config', join(directory.path, 'none')])).toThrow(/cannot be read: ENOENT/)
  })

  it('are all explained', () => {
    expect(readOptions(['--help', '--port', 'x'])).toBeUndefined()
    expect(usage().match(/^ {2}--[a-z-]+/gm)).toHaveLength(18)
  })
})
