import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tempSliceName } from '../../src/store/file-names'
import { publish, sliceFiles, StoreBench } from '../helpers/store-slices'

const bench = new StoreBench()
afterEach(() => bench.cleanUp())

/** Somebody may have noted the id of a slice that a crash left unfinished: it must never be another slice's. */
it('an id that a stray temporary file has is not given out again', async () => {
  const before = await bench.started()
  await publish(before)
  await before.close()
  writeFileSync(join(before.directory, tempSliceName(41n, '0123456789abcdef')), 'unfinished', { mode: 0o600 })

  const store = await bench.started({ directory: before.directory })
  expect(sliceFiles(store)).toHaveLength(1)
  expect((await publish(store)).sliceId).toBe(42n)
})
