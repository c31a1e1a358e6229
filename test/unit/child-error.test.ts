import fc from 'fast-check'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describeError, reviveError } from '../../src/child-error'
import { ForksnapError } from '../../src/errors'

const PAGE_BYTES = 8 << 10

const travel = (thrown: unknown): Error => reviveError(describeError(thrown))

describe('the way of an error from the child to the parent', () => {
  it('keeps name, message, stack and the fields that tell why', () => {
    const fields = { code: 'ENOSPC', errno: -28, syscall: 'write', path: '/data/1', offset: 5 }
    const error = Object.assign(new RangeError('full'), fields)
    const revived = travel(error)
    expect(revived).toMatchObject({ name: 'RangeError', message: 'full', stack: error.stack, ...fields })
    expect(revived).toBeInstanceOf(Error)
  })

  it('keeps a ForksnapError one', () => {
    const error = new ForksnapError('ERR_INVALID_VALUE', 'too long', { table: 'orders', row: 3, column: 'price' })
    const revived = travel(error)
    expect(revived).toBeInstanceOf(ForksnapError)
    expect(revived).toMatchObject({
      code: 'ERR_INVALID_VALUE',
      message: 'too long',
      table: 'orders',
      row: 3,
      column: 'price',
    })
  })

  it('takes no field that was not asked for, nor one of another type', () => {
    const error = Object.assign(new Error('x'), { secret: 'password', code: { nested: true }, path: 5n })
    const revived = travel(error) as unknown as Record<string, unknown>
    expect([revived.secret, revived.code, revived.path]).toEqual([undefined, undefined, undefined])
  })

  it('describes anything that can be thrown, within the page', () => {
    const anything = fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withNullPrototype: true,
      withSparseArray: true,
    })
    fc.assert(
      fc.property(anything, (thrown) => {
        const text = describeError(thrown)
        expect(Buffer.byteLength(text)).toBeLessThanOrEqual(PAGE_BYTES)
        expect(reviveError(text)).toBeInstanceOf(Error)
      }),
    )
  })

  it('describes errors of any text, within the page: what arrives is the beginning of it', () => {
    const text = fc.string({ unit: 'binary', maxLength: 4000 })
    fc.assert(
      fc.property(text, text, text, (message, name, path) => {
        const error = Object.assign(new Error(message), { name, path })
        const described = describeError(error)
        expect(Buffer.byteLength(described)).toBeLessThanOrEqual(PAGE_BYTES)
        const revived = reviveError(described)
        expect(message.startsWith(revived.message)).toBe(true)
        expect(revived.message.length).toBeGreaterThanOrEqual(Math.min(message.length, 100))
      }),
    )
  })

  it('reads what is no description as the message', () => {
    expect(reviveError('fatal error: {')).toMatchObject({ name: 'Error', message: 'fatal error: {' })
  })

  it('knows the size of the page', () => {
    const header = readFileSync(join(__dirname, '../../native/status_page.h'), 'utf8')
    expect(header).toContain('kMessageMax = 8 << 10;')
  })
})
