// Makes what the package delivers ready-built, under prebuilds/<system>-<architecture>/:
//
//   npm run prebuilds                    for Node 20, 22, 24 and 26, on Linux x64
//   node scripts/prebuilds.mjs current    for the Node that runs this, anywhere
//   node scripts/prebuilds.mjs 24 --glibc 2.28    fails where a file needs a newer C library than that
//
// Addons are stripped and named by their ABI and C library, `forksnap.abi115.glibc.node`, as src/addon-files.ts looks for
// them. Built twice they are the same bytes, whatever folder they are built in.
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, statSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { homedir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { main, run } from './run.mjs'
import { buildAddon, installNode, newestSource } from './with-node.mjs'

const root = resolve(import.meta.dirname, '..')
const VERSIONS = ['20', '22', '24', '26']
const PACKED_HEAP = 'forksnap_packed_heap.so'
/** What systems with Debian 12's compiler give: Ubuntu 22.04, Debian 12, RHEL 9 and newer. */
const GLIBC_MAX = '2.34'

const { platform, arch } = process
const folder = join(root, 'prebuilds', `${platform}-${arch}`)

function libc() {
  if (platform !== 'linux') return ''
  process.report.excludeNetwork = true
  return process.report.getReport().header.glibcVersionRuntime === undefined ? '.musl' : '.glibc'
}

/** The addon of the Node that runs this, in build/Release, built unless it is there and newer than its sources. */
function currentAddon() {
  const addon = join(root, 'build', 'Release', 'forksnap.node')
  const isFresh = existsSync(addon) && statSync(addon).mtimeMs > newestSource()
  if (!isFresh || abiOf(addon) !== process.versions.modules) run('npm', ['run', 'build:native'], { cwd: root })
  return addon
}

function addonOf(version) {
  const isCurrent = version === 'current' || version === process.versions.node.split('.')[0]
  return isCurrent ? currentAddon() : buildAddon(version, installNode(version))
}

/** The ABI that an addon says it was built for. */
function abiOf(file) {
  const [, abi] = /forksnap addon for Node ABI (\d+);/.exec(readFileSync(file, 'latin1')) ?? []
  if (abi === undefined) throw new Error(`${file} does not say for which ABI it was built`)
  return abi
}

/** Beside its place and renamed: a process that has the old one loaded keeps it. */
function deliver(from, name) {
  const to = join(folder, name)
  const temporary = `${to}.${process.pid}.tmp`
  copyFileSync(from, temporary)
  if (platform === 'darwin') {
    run('strip', ['-x', temporary])
    // Stripping breaks the signature, without which nothing is loaded there.
    run('codesign', ['--force', '--sign', '-', temporary])
  } else {
    run('strip', ['--strip-unneeded', temporary])
  }
  renameSync(temporary, to)
  return to
}

/** The newest version of a library's symbols that a file asks for, or undefined. */
function newestSymbols(text, library) {
  const found = [...text.matchAll(new RegExp(`\\0${library}_(\\d+(?:\\.\\d+)+)(?=\\0)`, 'g'))].map((match) => match[1])
  return found.sort((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1)
}

/** Throws for a file that names this machine or needs too new a C library; prints what it is. */
function check(file, glibcMax) {
  const bytes = readFileSync(file)
  const text = bytes.toString('latin1')
  const named = [root, homedir()].find((path) => path.length > 1 && text.includes(path))
  if (named !== undefined) throw new Error(`${file} has a path of this machine in it: ${named}`)
  const glibc = newestSymbols(text, 'GLIBC')
  if (glibc !== undefined && glibc.localeCompare(glibcMax, 'en', { numeric: true }) > 0) {
    throw new Error(`${file} needs glibc ${glibc}, and may need ${glibcMax} at most`)
  }
  const needs = { glibc, GLIBCXX: newestSymbols(text, 'GLIBCXX') }
  const told = Object.entries(needs).flatMap(([library, version]) => (version ? [`${library} ${version}`] : []))
  const hash = createHash('sha256').update(bytes).digest('hex')
  console.log(`${relative(root, file)}  ${bytes.length} bytes  ${told.join(', ') || 'no versions'}  sha256 ${hash}`)
}

main(() => {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { glibc: { type: 'string' } } })
  mkdirSync(folder, { recursive: true })
  const files = (positionals.length > 0 ? positionals : VERSIONS).map((version) => {
    const addon = addonOf(version)
    return deliver(addon, `forksnap.abi${abiOf(addon)}${libc()}.node`)
  })
  if (libc() === '.glibc') {
    currentAddon()
    files.push(deliver(join(root, 'build', 'Release', PACKED_HEAP), PACKED_HEAP))
  }
  for (const file of files) check(file, values.glibc ?? GLIBC_MAX)
})
