/**
 * Loads a running exchange server and checks every answer:
 *
 *   npm run load -- --connections 4 --rate 1000 --seconds 10 [--host 127.0.0.1] [--port 50051] [--users 100]
 *                   [--orders 0] [--seed 1] [--in-flight 1000] [--mix trade|orders] [--no-audit] [--remote] [--json]
 *
 * `--rate max` sends as fast as `--in-flight` requests at a time allow; `--orders` puts so many resting orders first;
 * `--remote` allows a host that is not this machine. Ends with code 1 if an answer was wrong or missing.
 */
import { parseArgs } from 'node:util'
import type { LoadOptions } from './options'
import { reportJson, reportLines } from './report'
import { runLoad } from './run'

const NUMBERS = ['port', 'connections', 'rate', 'seconds', 'users', 'orders', 'seed', 'in-flight'] as const

interface CommandLine {
  readonly options: Partial<LoadOptions>
  readonly json: boolean
}

function readCommandLine(): CommandLine {
  const text = { type: 'string' } as const
  const flag = (value: boolean) => ({ type: 'boolean', default: value }) as const
  const { values } = parseArgs({
    options: {
      ...Object.fromEntries(NUMBERS.map((name) => [name, text])),
      ...{ host: text, mix: text, audit: flag(true), remote: flag(false), json: flag(false) },
    },
    allowNegative: true,
  }) as { values: Readonly<Record<string, string | boolean | undefined>> }
  const { host, mix = 'trade', audit, remote, json } = values
  if (mix !== 'trade' && mix !== 'orders') throw new RangeError('--mix must be trade or orders')
  const numbers = NUMBERS.filter((name) => values[name] !== undefined).map((name) => [
    name === 'in-flight' ? 'inFlight' : name,
    name === 'rate' && values.rate === 'max' ? Infinity : Number(values[name]),
  ])
  const given = host === undefined ? {} : { host: String(host) }
  const read = Object.fromEntries(numbers) as Partial<LoadOptions>
  const options = { ...read, ...given, mix, audit: audit === true, remote: remote === true } as const
  return { options, json: json === true }
}

async function main(): Promise<void> {
  const { options, json } = readCommandLine()
  const stop = new AbortController()
  process.once('SIGINT', () => stop.abort())
  const report = await runLoad({ ...options, signal: stop.signal })
  console.log(json ? reportJson(report) : reportLines(report).join('\n'))
  if (report.violations.count > 0) process.exitCode = 1
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 2
})
