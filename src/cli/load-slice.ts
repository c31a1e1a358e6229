import { createReadStream, write as writeCallback } from 'node:fs'
import { promisify } from 'node:util'
import { SliceParser } from '../slice/reader'
import type { SliceTrailer } from '../slice/types'
import { PostgresStore, type PostgresStoreOptions } from '../store/postgres'
import type { SliceInfo, SliceSink, SliceSource } from '../store/store'
import { SliceRewriter } from './slice-rewriter'

const CHUNK_BYTES = 1024 * 1024
const write = promisify(writeCallback)

/**
 * Publishes a slice of a file in a database, through the store itself: what a child would write, this process does. The
 * file is checked once more on the way.
 */
export async function loadSlice(
  source: SliceSource,
  options: PostgresStoreOptions,
  progress: (done: number, total: number) => void,
): Promise<SliceInfo> {
  const store = new PostgresStore(options)
  await store.start()
  try {
    const sink = await store.create()
    try {
      const trailer = await pour(source, sink, progress)
      return await sink.commit({ meta: source.header.meta, trailer })
    } catch (error) {
      // Whoever reads the other end of the pipe knows why it broke.
      const told = (await sink.explain?.(error)) ?? error
      await sink.cancel()
      throw told
    }
  } finally {
    await store.close()
  }
}

async function pour(
  { info: { location, bytes } }: SliceSource,
  sink: SliceSink,
  progress: (done: number, total: number) => void,
): Promise<SliceTrailer> {
  const rewriter = new SliceRewriter(sink)
  const parser = new SliceParser(rewriter.handlers)
  let done = 0
  for await (const chunk of createReadStream(location, { highWaterMark: CHUNK_BYTES }) as AsyncIterable<Buffer>) {
    parser.push(chunk)
    await writeAll(sink.fd, rewriter.take())
    progress((done += chunk.length), bytes)
  }
  const trailer = rewriter.finish(parser.end())
  await writeAll(sink.fd, rewriter.take())
  return trailer
}

/** On another thread, since the pipe blocks while the database is slow. */
async function writeAll(fd: number, pieces: readonly Uint8Array[]): Promise<void> {
  for (const piece of pieces) {
    for (let at = 0; at < piece.length;) at += (await write(fd, piece, at, piece.length - at)).bytesWritten
  }
}
