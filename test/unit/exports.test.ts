import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as index from '../../src/index'
import * as prometheus from '../../src/prometheus'
import * as worker from '../../src/worker'

/** The ES module wrappers name what they pass on, so that no tool has to guess it; nothing may be missing there. */

it.each(Object.entries({ index, worker, prometheus }))(
  '%s.mts has every value of the CommonJS file',
  (name, values) => {
    const text = readFileSync(join(__dirname, '../../src', `${name}.mts`), 'utf8')
    const list = /^export \{([^}]*)\}/m.exec(text)?.[1] ?? ''
    const names = list.split(',').map((one) => one.trim())
    expect(names.filter((one) => one !== '').sort()).toEqual(Object.keys(values).sort())
  },
)
