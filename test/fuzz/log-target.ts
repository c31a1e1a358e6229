import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Random } from '../../examples/exchange/random'
import { FileOperationLog } from '../../src/oplog/file'
import { segmentPath } from '../../src/oplog/file-names'
import { memoryDirectory } from '../oplog/log-bench'
import { damageLog, drawLog, type LogStep, soundLog, type WrittenSegment } from './log-case'
import { buffersTakenBy, type Case, hold, outcomeOf, type Target } from './target'

const CODES = ['ERR_LOG_CORRUPT', 'ERR_LOG_GAP']
/** Windows of the readers, of which some may be there at once, and what the entries themselves take. */
const buffersMax = (bytes: number): number => 8 * bytes + (8 << 20)

let top: string | undefined

/** One folder for all, so that a program that is killed leaves little behind. */
function folder(): string {
  if (top === undefined) {
    top = mkdtempSync(join(memoryDirectory(), 'forksnap-fuzz-'))
    process.once('exit', () => rmSync(top as string, { recursive: true, force: true }))
  }
  const path = join(top, 'log')
  rmSync(path, { recursive: true, force: true })
  mkdirSync(path, { mode: 0o700 })
  return path
}

interface Reading {
  /** Entries as text, in order. */
  readonly got: string[]
  readonly lastId: bigint
  readonly outcome: string
}

/**
 * The reader of logs in files, and the start that may cut a torn tail. What holds whatever the bytes are:
 *
 * - both end well or with an error of these codes, and take no more memory than the bytes can account for;
 * - ids have no gap; reading once more, and after a start, gives the same entries;
 * - a log that could be started takes new entries, and these are read after the old ones;
 * - of segments that were damaged after they were sealed, only what was in them is read; and all that stands before the
 *   first damage.
 */
export const logTarget: Target<LogStep> = {
  name: 'log',
  draw: (random: Random): Case<LogStep> => drawLog(random),
  async run(input: Case<LogStep>): Promise<string> {
    const sound = soundLog(input)
    const segments = damageLog(sound, input)
    const directory = put(segments)
    const size = segments.reduce((sum, segment) => sum + segment.bytes.length, 0)
    const { result: alone, bytes } = await buffersTakenBy(() => readAll(directory))
    hold(bytes <= buffersMax(size), `${bytes} bytes of buffers were taken for ${size} bytes`)
    if (isDamaged(input)) {
      const all = await readAll(put(sound))
      const strange = alone.got.findIndex((entry, i) => entry !== all.got[i])
      hold(strange === -1, `what was read was never written: ${alone.got[strange]}`)
      // What is read at all of it: a segment with another's name may never be come to.
      const before = min(lastBefore(sound, segments), all.lastId)
      hold(all.outcome !== 'read' || alone.lastId >= before, `entry ${before} stands before the damage and is not read`)
    }
    return `${alone.outcome}; ${await startAndAppend(put(segments), alone)}`
  },
}

/** Segments of several epochs, or under another's name, become another log when one of them is gone. */
function isDamaged({ steps }: Case<LogStep>): boolean {
  return steps.some(([kind]) => kind === 'damage' || kind === 'lose') && !steps.some(([kind]) => kind === 'segment')
}

function put(segments: readonly WrittenSegment[]): string {
  const directory = folder()
  for (const { epoch, firstId, bytes } of segments) {
    writeFileSync(segmentPath(directory, epoch, firstId), bytes, { mode: 0o600 })
  }
  return directory
}

function min(one: bigint, other: bigint): bigint {
  return one < other ? one : other
}

/** The last entry of which all bytes, and all before them, are as they were. */
function lastBefore(sound: readonly WrittenSegment[], damaged: readonly WrittenSegment[]): bigint {
  let last = 0n
  for (const [i, { bytes, ends }] of sound.entries()) {
    const other = damaged[i]?.bytes ?? Buffer.alloc(0)
    let same = 0
    while (same < bytes.length && bytes[same] === other[same]) same++
    last = ends.findLast(({ offset }) => offset <= same)?.lastId ?? last
    if (same < bytes.length || other.length > bytes.length) break
  }
  return last
}

async function readAll(directory: string, log = new FileOperationLog({ directory })): Promise<Reading> {
  const got: string[] = []
  let lastId = 0n
  try {
    for await (const batch of log.read(0n)) {
      for (const { id, ...rest } of batch) {
        hold(id === lastId + 1n, `entry ${id} follows entry ${lastId}`)
        lastId = id
        got.push(JSON.stringify(rest))
      }
    }
    return { got, lastId, outcome: 'read' }
  } catch (error) {
    return { got, lastId, outcome: outcomeOf(error, CODES) }
  }
}

async function startAndAppend(directory: string, alone: Reading): Promise<string> {
  const log = new FileOperationLog({ directory })
  try {
    const { cut } = await log.start()
    const again = await readAll(directory, log)
    hold(again.outcome === alone.outcome || again.outcome !== 'read', `alone ${alone.outcome}, started it can be read`)
    hold(
      again.got.every((entry, i) => entry === alone.got[i]),
      'after a start other entries are read',
    )
    if (again.outcome !== 'read') return `started, ${again.outcome}`
    hold(again.got.length === alone.got.length, 'after a start fewer entries are read')
    const { id, durable } = log.append({ method: 'new', params: null, time: 1 })
    await durable
    await log.close()
    const after = await readAll(directory)
    hold(after.outcome === 'read' && after.lastId === id, `${after.outcome} after entry ${id} was added`)
    return cut === undefined ? 'started' : 'started and cut'
  } catch (error) {
    return outcomeOf(error, CODES)
  } finally {
    await log.close().catch(() => undefined) // It may not have been started.
    hold(!readdirSync(directory).some((name) => name.startsWith('tmp-')), 'a temporary segment is left')
  }
}
