import { Fixture, type FixtureEnd } from '../../../test/helpers/fixture'
import { packedHeapEnvironment, packedHeapLibrary } from '../../../src/packed-heap'
import type { StatusView } from '../status/view'
import { programOf } from './scripts'
import { temporaryDirectory } from './server-program'

const START = programOf('start')
const SMALL = [
  '--interval',
  '1',
  '--rate',
  '200',
  '--orders',
  '300',
  '--users',
  '5',
  '--port',
  '0',
  '--status-port',
  '0',
]
/** A row of the table of snapshots: nine figures. */
const ROW = /^ *\d+( +[\d.,]+){8}$/

const directory = temporaryDirectory()

const start = (...args: string[]): Fixture => new Fixture(START, ['--directory', directory.path, ...SMALL, ...args])

/** As `npm start` does, where it can. */
function startPacked(...args: string[]): Fixture {
  const library = packedHeapLibrary()
  const env = 'path' in library ? packedHeapEnvironment(process.env, library.path, false) : {}
  return new Fixture(START, ['--directory', directory.path, ...SMALL, ...args], { env })
}

/** The figures of the first line that matches, as numbers. */
function figures({ stdout }: FixtureEnd, line: RegExp): number[] {
  const found = stdout.split('\n').find((text) => line.test(text))
  if (found === undefined) throw new Error(`no line matches ${line}:\n${stdout}`)
  const [, ...texts] = line.exec(found) ?? []
  return texts.map((text) => Number(text.replaceAll(',', '')))
}

const percentiles = (name: string): RegExp => new RegExp(`^${name} +([\\d.]+) +([\\d.]+) +([\\d.]+) +([\\d.]+) +[\\d.]+ +([\\d,]+)$`) // prettier-ignore

describe('npm start', () => {
  it('goes on after kill -9, shows its page, and ends with a summary', async () => {
    const killed = start('--seconds', '60')
    await killed.line(/^the heap is scattered over small pages$/)
    await killed.line(ROW)
    killed.kill('SIGKILL')
    await killed.closed

    const running = startPacked('--seconds', '3')
    await running.line(
      'path' in packedHeapLibrary() ? /^the heap is packed into huge pages$/ : /^the heap is scattered/,
    )
    const [, page = ''] = /(http:\S+)$/.exec(await running.line(/status page: http/)) ?? []
    await running.line(ROW)
    const view = (await (await fetch(`${page}status.json`)).json()) as StatusView
    expect(view.snapshots[0]?.status).toBe('saved')
    expect(view.engine.openOrders).toBeGreaterThan(200)
    const end = await running.closed

    expect([end.code, end.stderr]).toEqual([0, ''])
    expect(end.stdout).toMatch(/^restored slice \d+: .* is the one stored with it$/m)
    const [ordersBefore] = figures(end, /^[\d,]+ resting orders of [\d,]+ users; ([\d,]+) orders and /)
    expect(ordersBefore).toBeGreaterThanOrEqual(300)
    const [requests, orders, trades] = figures(end, /^([\d,]+) requests in [\d.]+ s: ([\d,]+) orders, ([\d,]+) trades$/)
    expect(requests).toBe(600)
    expect(orders).toBeGreaterThan(trades)
    expect(trades).toBeGreaterThan(0)
    const [table, last] = end.stdout.split('a last snapshot\n').map((part) => part.split('\n'))
    const pauses = table.filter((line) => ROW.test(line)).map((line) => Number(line.trim().split(/ +/)[1]))
    expect(figures(end, /^(\d+) snapshots?, longest pause ([\d.]+) ms$/)).toEqual([pauses.length, Math.max(...pauses)])
    const [during, without] = ['while a snapshot ran', 'without'].map((name) => figures(end, percentiles(name)))
    for (const [p50, p90, p99, p999] of [during, without]) expect([p50, p90, p99, p999]).toEqual([p50, p90, p99, p999].sort((a, b) => a - b)) // prettier-ignore
    expect((during.at(-1) ?? 0) + (without.at(-1) ?? 0)).toBe(600)
    expect(end.stdout).toMatch('every answer was checked and right')
    expect(last.some((line) => ROW.test(line))).toBe(true)
  })

  it('stops at Ctrl-C while the books are being filled, with a last snapshot', async () => {
    const running = start('--orders', '1000000')
    await running.line(/^filling the books/)
    running.kill('SIGINT')
    const { code, stdout, stderr } = await running.closed
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/^0 requests in .*\n(0 snapshots, no fork|[1-9]\d* snapshots?, longest pause .*)$/m)
    expect(stdout).toMatch(/\na last snapshot\n(.*\n)* *\d+ .*\ndone; /)
  })

  it('says what is wrong with an option', async () => {
    const { code, stderr } = await start('--rate', '0').closed
    expect([code, stderr]).toEqual([1, '--rate must be a whole number from 1, not "0"\n'])
  })
})
