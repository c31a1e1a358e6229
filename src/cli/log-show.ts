import { readEntries } from '../oplog/file-read'
import { readSegmentNames } from '../oplog/file-names'
import type { LogEntry } from '../oplog/oplog'
import { standardOutput } from './export-output'
import { type LogOptions, logPlaceOf, nothingThere } from './log-place'

interface Options extends LogOptions {
  readonly after?: bigint
  readonly limit?: number
}

export async function showLog(where: string, options: Options): Promise<void> {
  const place = await logPlaceOf(where, options)
  const entries =
    place.kind === 'postgres'
      ? await (await import('./log-database.js')).databaseEntries(place, options, options.after)
      : await fileEntries(place.path, options.after)
  if (entries === undefined) throw nothingThere(place)
  const output = standardOutput()
  let left = options.limit ?? Infinity
  try {
    for await (const batch of entries) {
      for (const entry of batch.slice(0, left)) output.text(`${line(entry)}\n`)
      left -= batch.length
      if (left <= 0) break
    }
  } finally {
    await output.finish()
  }
}

async function fileEntries(directory: string, after: bigint | undefined) {
  const [oldest] = (await readSegmentNames(directory)).current
  return oldest && readEntries({ directory, position: after ?? oldest.firstId - 1n })
}

function line({ id, time, method, params }: LogEntry): string {
  return JSON.stringify({ id: String(id), time: new Date(time).toISOString(), method, params })
}
