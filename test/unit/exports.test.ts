import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The ES module wrappers name what they pass on, so that no tool has to guess it; nothing may be missing there. */

const SOURCE = join(__dirname, '../../src')

it.each(['index', 'worker', 'prometheus'])('%s.mts exports every value that the CommonJS file does', async (name) => {
  const text = readFileSync(join(SOURCE, `${name}.mts`), 'utf8')
  const list = /^export \{([^}]*)\}/m.exec(text)?.[1] ?? ''
  const names = list.split(',').map((one) => one.trim())
  const required = (await import(join(SOURCE, name))) as object
  expect(names.filter((one) => one !== '').sort()).toEqual(
    Object.keys(required)
      .filter((one) => one !== 'default')
      .sort(),
  )
})
