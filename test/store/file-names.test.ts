import fc from 'fast-check'
import {
  brokenName,
  compareNewestFirst,
  INT8_MAX,
  isTempName,
  parseSliceName,
  sliceIdIn,
  sliceName,
  tempEpochName,
  tempSliceName,
} from '../../src/store/file-names'
import { codeThrown } from '../helpers/store-slices'

const int8 = fc.bigInt({ min: 0n, max: INT8_MAX })
const key = fc.record({ epoch: int8, position: int8, sliceId: int8 })
const RANDOM = '0123456789abcdef'

describe('names of slice files', () => {
  it('carry the key there and back', () => {
    fc.assert(fc.property(key, (one) => expect(parseSliceName(sliceName(one))).toEqual(one)))
  })

  it('sort as the keys do', () => {
    fc.assert(
      fc.property(key, key, (a, b) => {
        const [nameA, nameB] = [sliceName(a), sliceName(b)]
        const byName = nameA === nameB ? 0 : nameA > nameB ? -1 : 1
        expect(compareNewestFirst(a, b)).toBe(byName)
      }),
    )
  })

  it('compare epoch, then position, then id', () => {
    const newest = { epoch: 2n, position: 1n, sliceId: 1n }
    const older = { epoch: 1n, position: 9n, sliceId: 2n }
    const oldest = { epoch: 1n, position: 8n, sliceId: 3n }
    expect([oldest, newest, older].sort(compareNewestFirst)).toEqual([newest, older, oldest])
  })

  it.each([-1n, INT8_MAX + 1n])('refuse %s', (position) => {
    expect(codeThrown(() => sliceName({ epoch: 1n, position, sliceId: 1n }))).toBe('ERR_INVALID_ARGUMENT')
  })

  it('are not taken from anything else', () => {
    const good = sliceName({ epoch: 1n, position: 2n, sliceId: 3n })
    const tooLarge = good.replace(/p\d{19}/, 'p9999999999999999999')
    for (const name of ['', 'lock', 'epoch', `${good}.broken`, `x${good}`, `${good}\n`, good.slice(1), tooLarge]) {
      expect(parseSliceName(name)).toBeNull()
    }
  })

  it('give up their ids, broken and temporary names too', () => {
    const good = sliceName({ epoch: 1n, position: 2n, sliceId: 3n })
    expect(sliceIdIn(good)).toBe(3n)
    expect(sliceIdIn(brokenName(good, 1))).toBe(3n)
    expect(sliceIdIn(brokenName(good, 7))).toBe(3n)
    expect(sliceIdIn(tempSliceName(4n, RANDOM))).toBe(4n)
    expect(sliceIdIn(tempEpochName(RANDOM))).toBeNull()
    expect(sliceIdIn('notes.txt')).toBeNull()
  })

  it('mark temporary files, and only those', () => {
    expect(isTempName(tempSliceName(1n, RANDOM))).toBe(true)
    expect(isTempName(tempEpochName(RANDOM))).toBe(true)
    for (const name of ['tmp-slice', 'tmp-mine', 'tmp-epoch-1', `${tempEpochName(RANDOM)}.bak`, 'lock']) {
      expect(isTempName(name)).toBe(false)
    }
  })
})
