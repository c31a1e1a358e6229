/** How every method that writes a file by itself does it: written under another name, synced, renamed, the folder synced. */
import { open, rename, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'

export async function publish(folder: string, write: (file: FileHandle) => Promise<void>): Promise<{ bytes: number }> {
  const path = join(folder, 'state')
  const file = await open(`${path}.tmp`, 'w')
  const bytes = await writeSynced(file, write).finally(() => file.close())
  await rename(`${path}.tmp`, path)
  const directory = await open(folder, 'r')
  await directory.sync()
  await directory.close()
  return { bytes }
}

async function writeSynced(file: FileHandle, write: (file: FileHandle) => Promise<void>): Promise<number> {
  await write(file)
  await file.sync()
  return (await file.stat()).size
}
