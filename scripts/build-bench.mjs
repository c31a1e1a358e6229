// Builds the plain C programs of the benchmarks into build/bench: node scripts/build-bench.mjs
import { mkdirSync, readdirSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { main, run } from './run.mjs'

const root = resolve(import.meta.dirname, '..')
const sources = join(root, 'bench', 'native')
const out = join(root, 'build', 'bench')

main(() => {
  mkdirSync(out, { recursive: true })
  for (const source of readdirSync(sources).filter((name) => name.endsWith('.c'))) {
    const program = join(out, basename(source, '.c'))
    run(process.env.CC || 'cc', ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-o', program, join(sources, source)])
  }
})
