/** One round of the arena's measurement, in a process of its own: prints its samples as one line of JSON. */
import { openSync } from 'node:fs'
import { Arena } from '../../src/arena/arena'
import { runFork } from '../../src/fork'
import { createSliceWriter, fdTarget, type SliceTarget } from '../../src/slice/writer'

/** In huge pages, in small ones, or none at all. */
export type ArenaState = 'huge' | 'small' | 'empty'

export interface ArenaSamples {
  readonly bytes: number
  readonly residentBytes: number
  readonly hugeBytes: number
  /** In milliseconds. The first fork finds all pages writable, later ones find them as it left them. */
  readonly firstPauseMs: number
  readonly laterPausesMs: readonly number[]
  /** After a snapshot during which one byte in each hundredth huge page was written. */
  readonly wornPausesMs: readonly number[]
  /** Bytes per second of a child to /dev/null, checksums on. */
  readonly rates: readonly number[]
  readonly givenBackRates: readonly number[]
}

const BUFFER_BYTES = 256 * 2 ** 20
const HUGE_PAGE_BYTES = 2 * 2 ** 20
const WORN_PAGES = 100
const LIMITS = { quiesceMs: 10_000, stallMs: 0, totalMs: 120_000 }

async function forked<T>(run: () => T): Promise<{ pauseMs: number; value: T }> {
  const { pauseMs, value } = await runFork<undefined, T>({
    prepare: () => undefined,
    run,
    limits: LIMITS,
  })
  return { pauseMs, value }
}

async function pauses(count: number): Promise<number[]> {
  const found: number[] = []
  for (let i = 0; i < count; i++) found.push((await forked(() => undefined)).pauseMs)
  return found
}

/** Writes all of it as a child does; returns bytes per second. */
function writeSlice(target: SliceTarget, buffers: readonly Uint8Array[], giveBack: boolean): number {
  const writer = createSliceWriter(target, { sliceId: 1n, meta: {}, codec: 'none', syncEveryBytes: 0 })
  const begun = performance.now()
  writer.blob('state', buffers, { giveBack })
  const { bytes } = writer.finish()
  return (bytes * 1000) / (performance.now() - begun)
}

async function rates(buffers: readonly Uint8Array[], rounds: number, giveBack: boolean): Promise<number[]> {
  const target = fdTarget(openSync('/dev/null', 'w'))
  const found: number[] = []
  for (let i = 0; i < rounds; i++) found.push((await forked(() => writeSlice(target, buffers, giveBack))).value)
  return found
}

/** One snapshot while the parent writes. */
async function wear(buffers: readonly Uint8Array[]): Promise<void> {
  const target = fdTarget(openSync('/dev/null', 'w'))
  await runFork<undefined, undefined>({
    prepare: () => undefined,
    run: () => void writeSlice(target, buffers, false),
    limits: LIMITS,
    onForked() {
      for (const bytes of buffers) {
        for (let at = 0; at < bytes.length; at += WORN_PAGES * HUGE_PAGE_BYTES) bytes[at] += 1
      }
    },
  })
}

async function main(state: ArenaState, bytes: number, forks: number): Promise<ArenaSamples> {
  const buffers: Uint8Array[] = []
  const arena = new Arena({ bytes: state === 'empty' ? 1 : bytes, hugePages: state === 'small' ? 'never' : 'auto' })
  if (state !== 'empty') {
    for (let left = bytes; left > 0; left -= BUFFER_BYTES) {
      buffers.push(new Uint8Array(arena.alloc(Math.min(left, BUFFER_BYTES))).fill(0xab))
    }
  }
  const { residentBytes = 0, hugeBytes = 0 } = arena.stats({ pages: true }).pages ?? {}
  const [firstPauseMs = NaN, ...laterPausesMs] = await pauses(1 + forks)
  const sizes = { bytes, residentBytes, hugeBytes }
  if (state === 'empty') {
    return { ...sizes, firstPauseMs, laterPausesMs, wornPausesMs: [], rates: [], givenBackRates: [] }
  }
  const plain = await rates(buffers, forks, false)
  const givenBackRates = await rates(buffers, forks, true)
  await wear(buffers)
  return { ...sizes, firstPauseMs, laterPausesMs, wornPausesMs: await pauses(forks), rates: plain, givenBackRates }
}

const [state, bytes, forks] = process.argv.slice(2)
void main(state as ArenaState, Number(bytes), Number(forks)).then((samples) => console.log(JSON.stringify(samples)))
