/** How every method that writes a file by itself does it: written under another name, synced, renamed, the folder synced. */
import { open, rename, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'

export async function publish(folder: string, write: (file: FileHandle) => Promise<void>): Promise<{ bytes: number }> {
  const path = join(folder, 'state')
  const file = await open(`${path}.tmp`, 'w')
  let bytes = 0
  try {
    await write(file)
    await file.sync()
    bytes = (await file.stat()).size
  } finally {
    await file.close()
  }
  await rename(`${path}.tmp`, path)
  const directory = await open(folder, 'r')
  await directory.sync()
  await directory.close()
  return { bytes }
}
