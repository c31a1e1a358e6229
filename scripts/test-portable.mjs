// Runs the fork tests with an addon that does without what only Linux has: node scripts/test-portable.mjs [-- jest arguments]
//
// What this proves of other systems, and what not, is in docs/portable.md.
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { buildFolder, cmakeBuild } from './cmake.mjs'
import { main, requireAsked, run } from './run.mjs'

const root = resolve(import.meta.dirname, '..')

main(() => {
  if (process.platform !== 'linux') throw new Error('test-portable.mjs works on Linux only: elsewhere `npm test` is it')
  cmakeBuild('portable', { addonOnly: true })
  const addon = join(buildFolder('portable'), 'Debug', 'forksnap.node')
  const env = { ...process.env, FORKSNAP_ADDON: addon, FORKSNAP_PORTABLE: '1' }
  if (!readFileSync(addon).includes('forksnap addon, portable')) throw new Error(`${addon} is no portable addon`)
  requireAsked(env, root)
  const jest = join('node_modules', 'jest', 'bin', 'jest.js')
  run(process.execPath, [jest, 'test/fork', ...process.argv.slice(2).filter((argument) => argument !== '--')], {
    env,
    cwd: root,
  })
})
