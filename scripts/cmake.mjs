// The developer's build: node scripts/cmake.mjs debug|asan|tsan|portable [--tests]
//
// Builds the addon and the native unit tests with cmake-js into build-cmake/<variant>. With --tests only the tests are
// built, and then run. cmake-js would download the headers of Node; it is pointed to those that came with Node instead.
import { existsSync, rmSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { nodePrefix } from './node-prefix.mjs'
import { has, main, run } from './run.mjs'

/** What each variant sets beside the defaults. */
const VARIANTS = {
  debug: [],
  asan: ['--CDFORKSNAP_SANITIZE=address'],
  tsan: ['--CDFORKSNAP_SANITIZE=thread'],
  portable: ['--CDFORKSNAP_PORTABLE=ON'],
}
const root = resolve(import.meta.dirname, '..')

export function buildFolder(variant) {
  return join(root, 'build-cmake', variant)
}

function requireTools() {
  for (const tool of ['cmake', process.env.CXX || 'c++']) {
    if (!has(tool))
      throw new Error(`${tool} is missing. Debian: apt-get install cmake g++ make. macOS: xcode-select --install`)
  }
}

/** Configures and builds one variant; returns its folder. */
export function cmakeBuild(variant, { testsOnly = false, addonOnly = false } = {}) {
  if (!(variant in VARIANTS)) throw new Error('usage: node scripts/cmake.mjs debug|asan|tsan|portable [--tests]')
  requireTools()
  const out = testsOnly ? `${buildFolder(variant)}-tests` : buildFolder(variant)
  const addon = testsOnly ? ['--CDFORKSNAP_ADDON=OFF'] : []
  const target = addonOnly ? ['--target=forksnap'] : []
  const cmakeJs = createRequire(import.meta.url).resolve('cmake-js/bin/cmake-js')
  const env = { ...process.env, npm_config_nodedir: nodePrefix() }
  const options = [
    '--log-level=warn',
    '--config=Debug',
    `--directory=${root}`,
    `--out=${out}`,
    ...VARIANTS[variant],
    ...addon,
    ...target,
  ]
  run(process.execPath, [cmakeJs, 'build', '--parallel=2', ...options], { env })
  if (variant === 'debug' && !testsOnly) linkCompileCommands(out)
  return out
}

/** Language servers look for the file at the root. */
function linkCompileCommands(out) {
  const link = join(root, 'compile_commands.json')
  rmSync(link, { force: true })
  if (existsSync(join(out, 'compile_commands.json'))) symlinkSync(join(out, 'compile_commands.json'), link)
}

export function runNativeTests(variant) {
  const out = cmakeBuild(variant, { testsOnly: true })
  console.log(`native unit tests, ${variant}`)
  run('ctest', ['--test-dir', out, '--output-on-failure', '--no-tests=error'], {
    env: { ...process.env, UBSAN_OPTIONS: 'print_stacktrace=1', TSAN_OPTIONS: 'halt_on_error=1' },
  })
}

if (process.argv[1] === import.meta.filename) {
  const [variant, ...rest] = process.argv.slice(2)
  main(() => {
    if (rest.includes('--tests')) runNativeTests(variant)
    else cmakeBuild(variant)
  })
}
