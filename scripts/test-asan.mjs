// Runs the fork tests with the addon built for AddressSanitizer and UndefinedBehaviorSanitizer:
//
//   node scripts/test-asan.mjs [-- jest arguments]
//
// Node itself is not built for it, so the sanitizer's library is loaded first, into Jest and every program that the
// tests start. Leaks are not looked for: Node keeps much on purpose at its end. ThreadSanitizer cannot be used this
// way, since it would have to see the locks inside Node; what our threads do is tested by `npm run test:native`.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { buildFolder, cmakeBuild } from './cmake.mjs'
import { main, requireAsked, run } from './run.mjs'

const root = resolve(import.meta.dirname, '..')

/** Tests that only repeat what the others do are left out: under the sanitizers they would take minutes. */
const LEFT_OUT = /stress/
const STRESS = ['dist/test/fixtures/stress.js', '--forks', '10', '--objects', '20000', '--json']

function sanitizerLibrary() {
  const compiler = process.env.CXX || 'c++'
  const path = execFileSync(compiler, ['-print-file-name=libasan.so'], { encoding: 'utf8' }).trim()
  if (!existsSync(path)) throw new Error(`${compiler} has no libasan.so: install GCC with its sanitizer libraries`)
  return path
}

function environment() {
  return {
    ...process.env,
    FORKSNAP_ADDON: join(buildFolder('asan'), 'Debug', 'forksnap.node'),
    LD_PRELOAD: sanitizerLibrary(),
    ASAN_OPTIONS: 'detect_leaks=0:abort_on_error=0:exitcode=86',
    UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1',
  }
}

main(() => {
  if (process.platform !== 'linux') throw new Error('test-asan.mjs works on Linux only')
  cmakeBuild('asan', { addonOnly: true })
  const env = environment()
  requireAsked(env, root)
  run(process.execPath, STRESS, { env, cwd: root })
  const tests = readdirSync(join(root, 'test', 'fork')).filter(
    (name) => name.endsWith('.test.ts') && !LEFT_OUT.test(name),
  )
  const files = tests.map((name) => join('test', 'fork', name))
  const jest = join('node_modules', 'jest', 'bin', 'jest.js')
  run(process.execPath, [jest, ...files, ...process.argv.slice(2).filter((argument) => argument !== '--')], {
    env,
    cwd: root,
  })
})
