// Formats the C and C++ sources: node scripts/clang-format.mjs --check|--write [files]
import { accessSync, chmodSync, constants, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { main, run } from './run.mjs'

const root = resolve(import.meta.dirname, '..')
const FOLDERS = ['native', 'test/native', 'test/power/native', 'bench/native']
const SOURCE = /\.(c|cc|h)$/

function sources() {
  return FOLDERS.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true })
      .filter((name) => SOURCE.test(name))
      .map((name) => join(folder, name)),
  ).sort()
}

/** The program inside the npm package, which has one for the common platforms only. */
function program() {
  const folder = dirname(createRequire(import.meta.url).resolve('clang-format/package.json'))
  const path = join(folder, 'bin', `${process.platform}_x64`, 'clang-format')
  try {
    accessSync(path, constants.R_OK)
  } catch {
    throw new Error(`clang-format has no program for ${process.platform}-${process.arch}: format on Linux x64 or macOS`)
  }
  // No install script runs, so nobody but us sees to it that the program may be executed.
  try {
    accessSync(path, constants.X_OK)
  } catch {
    chmodSync(path, 0o755)
  }
  return path
}

main(() => {
  const [mode, ...named] = process.argv.slice(2)
  if (mode !== '--check' && mode !== '--write')
    throw new Error('usage: node scripts/clang-format.mjs --check|--write [files]')
  const files = named.length > 0 ? named : sources()
  const change = mode === '--check' ? ['--dry-run', '-Werror'] : ['-i']
  run(program(), [...change, '--style=file', ...files], { cwd: root })
  console.log(`${files.length} C and C++ files ${mode === '--check' ? 'are formatted' : 'formatted'}`)
})
