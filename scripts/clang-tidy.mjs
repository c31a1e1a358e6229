// Looks through the C++ sources with clang-tidy: node scripts/clang-tidy.mjs [files]
//
// The checks are in .clang-tidy. What is shipped is looked at unless files are named; tests are left to the sanitizers.
import { spawn, spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { nodePrefix } from './node-prefix.mjs'

const root = resolve(import.meta.dirname, '..')
/** In 14, which Debian 12 has, all checks of .clang-tidy are there. */
const VERSION_MIN = 14

function sources() {
  return ['native', 'native/packed_heap'].flatMap((folder) =>
    readdirSync(join(root, folder))
      .filter((name) => name.endsWith('.cc'))
      .map((name) => join(folder, name)),
  )
}

function requireTidy() {
  const { stdout, status } = spawnSync('clang-tidy', ['--version'], { encoding: 'utf8' })
  const version = Number(/version (\d+)/.exec(stdout ?? '')?.[1] ?? 0)
  if (status === 0 && version >= VERSION_MIN) return
  const found = status === 0 ? `clang-tidy ${version} is too old` : 'clang-tidy is missing'
  throw new Error(`${found}: ${VERSION_MIN} or newer is needed. Debian: apt-get install clang-tidy`)
}

/** Of the paths through a function the analyser goes along a third of what it would by itself: for a third of the time. */
const ANALYSER = ['-Xclang', '-analyzer-config', '-Xclang', 'max-nodes=40000']

function flags() {
  const system = [join(nodePrefix(), 'include/node'), 'node_modules/node-addon-api']
  return [
    '-std=gnu++20',
    '-fexceptions',
    '-DNAPI_VERSION=9',
    '-DNODE_ADDON_API_CPP_EXCEPTIONS',
    '-DBUILDING_NODE_EXTENSION',
    ...system.flatMap((path) => ['-isystem', path]),
    '-Inative',
    '-Itest/native',
    ...ANALYSER,
  ]
}

/** Resolves to whether the file is clean, and shows what was found in it if it is not. */
function look(file) {
  return new Promise((resolved, rejected) => {
    const began = performance.now()
    const tidy = spawn('clang-tidy', ['--quiet', file, '--', ...flags()], { cwd: root })
    let said = ''
    for (const stream of [tidy.stdout, tidy.stderr]) stream.on('data', (data) => (said += data))
    tidy.on('error', rejected)
    tidy.on('close', (code) => {
      const seconds = ((performance.now() - began) / 1000).toFixed(1)
      // "N warnings generated" counts those of others' headers, which are not shown.
      if (code !== 0) console.log(said.replace(/^\d+ warnings? .*generated\.\n/gm, ''))
      console.log(`${file}: ${code === 0 ? 'clean' : 'NOT CLEAN'}, ${seconds} s`)
      resolved(code === 0)
    })
  })
}

async function main() {
  requireTidy()
  const named = process.argv.slice(2).map((path) => relative(root, resolve(path)))
  const files = named.length > 0 ? named : sources()
  const waiting = files.values()
  let dirty = 0
  async function work() {
    for (const file of waiting) if (!(await look(file))) dirty++
  }
  await Promise.all(Array.from({ length: availableParallelism() }, work))
  if (dirty > 0) throw new Error(`clang-tidy found something in ${dirty} of ${files.length} files`)
  console.log(`${files.length} C++ files are clean`)
}

main().catch((error) => {
  console.error(error.message)
  process.exitCode = 1
})
