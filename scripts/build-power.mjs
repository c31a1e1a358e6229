// Builds the file system of the power tests into build/power, if it is not there yet: node scripts/build-power.mjs
import { mkdirSync, readdirSync, renameSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { main, run } from './run.mjs'

const root = resolve(import.meta.dirname, '..')
const folder = join(root, 'test', 'power', 'native')
const out = join(root, 'build', 'power')
const program = join(out, 'forgetful-fs')

function changedAt(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}

main(() => {
  const files = readdirSync(folder).map((name) => join(folder, name))
  if (files.every((file) => changedAt(file) < changedAt(program))) return
  mkdirSync(out, { recursive: true })
  // Several test files may build at once: each builds its own file, and the rename makes it the one that all run.
  const unfinished = `${program}.${process.pid}`
  const sources = files.filter((file) => file.endsWith('.c'))
  run(process.env.CC || 'cc', ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror', '-o', unfinished, ...sources])
  renameSync(unfinished, program)
})
