import {
  encodeOperation,
  METHOD_BYTES_MAX,
  PARAMS_BYTES_MAX,
  TIME_MS_MAX,
  TIME_MS_MIN,
} from '../../src/oplog/operation'

function codeOf(work: () => unknown): unknown {
  try {
    work()
    return 'nothing was thrown'
  } catch (error) {
    return (error as { code?: unknown }).code
  }
}

const encode = (operation: unknown) => encodeOperation(operation as Parameters<typeof encodeOperation>[0])

describe('encodeOperation', () => {
  test('gives the time, the method, the JSON and its bytes', () => {
    expect(encode({ method: 'put', params: { a: ['é', 1, null] }, time: 1.5e12 })).toEqual({
      time: 1.5e12,
      method: 'put',
      params: '{"a":["é",1,null]}',
      bytes: 3 + 19,
    })
  })

  test('takes the present time if none is given', () => {
    const before = Date.now()
    const { time } = encode({ method: 'put', params: null })
    expect(time).toBeGreaterThanOrEqual(before)
    expect(time).toBeLessThanOrEqual(Date.now())
  })

  test.each([
    ['a lone surrogate', '\ud800'],
    ['NUL', 'a\0b'],
    ['nothing', ''],
    ['too many bytes', 'é'.repeat(METHOD_BYTES_MAX / 2 + 1)],
  ])('refuses a method with %s', (_, method) => {
    expect(codeOf(() => encode({ method, params: null }))).toBe('ERR_INVALID_VALUE')
  })

  test('takes a method of the greatest length', () => {
    expect(encode({ method: 'm'.repeat(METHOD_BYTES_MAX), params: null }).bytes).toBe(METHOD_BYTES_MAX + 4)
  })

  const cyclic: unknown[] = []
  cyclic.push(cyclic)
  test.each([
    ['a lone surrogate', { a: '\udfff' }],
    ['undefined', { a: undefined }],
    ['NaN', [NaN]],
    ['-0, deep in it', { a: [1, { b: -0 }] }],
    ['a bigint', 1n],
    ['a Date', new Date(0)],
    ['itself', cyclic],
  ])('refuses params with %s', (_, params) => {
    expect(codeOf(() => encode({ method: 'put', params }))).toBe('ERR_INVALID_VALUE')
  })

  test('takes params with a NUL, which JSON escapes', () => {
    expect(encode({ method: 'put', params: 'a\0' }).params).toBe('"a\\u0000"')
  })

  test('takes params up to the limit, and not a byte more', () => {
    expect(encode({ method: 'p', params: 'x'.repeat(PARAMS_BYTES_MAX - 2) }).bytes).toBe(PARAMS_BYTES_MAX + 1)
    expect(codeOf(() => encode({ method: 'p', params: 'x'.repeat(PARAMS_BYTES_MAX - 1) }))).toBe('ERR_INVALID_VALUE')
  })

  test('refuses gigabytes without making a text of them', () => {
    const piece = 'x'.repeat(1024 * 1024)
    const params = Array<string>(4096).fill(piece)
    const before = process.memoryUsage().rss
    expect(codeOf(() => encode({ method: 'put', params }))).toBe('ERR_INVALID_VALUE')
    expect(process.memoryUsage().rss - before).toBeLessThan(256 * 1024 * 1024)
  })

  test.each([NaN, 0.5, TIME_MS_MIN - 1, TIME_MS_MAX + 1, '0', 1n])('refuses the time %p', (time) => {
    expect(codeOf(() => encode({ method: 'put', params: null, time }))).toBe('ERR_INVALID_ARGUMENT')
  })

  test.each([undefined, null, 'put', { method: 1, params: null }, { method: 'put', params: 1, tiem: 1 }])(
    'refuses %p as an operation',
    (operation) => {
      expect(codeOf(() => encode(operation))).toBe('ERR_INVALID_ARGUMENT')
    },
  )
})
