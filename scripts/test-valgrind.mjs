// Runs the native unit tests under Valgrind: node scripts/test-valgrind.mjs
//
// Memcheck sees what the sanitizers do not, reads of memory that nobody has written, and it sees them in forked children
// too. DRD looks at the locks of the gates; tests with atomics are left to ThreadSanitizer, which knows what they order.
// What runs, and how much of it, is the same as in `npm run test:native`, but for what Valgrind itself cannot do.
import { readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { cmakeBuild } from './cmake.mjs'
import { has, main, run } from './run.mjs'

const root = resolve(import.meta.dirname, '..')

/** Cases that are left out, by program; a program without any of them is not run at all. */
const LEFT_OUT = {
  // Its mmap() refuses with EINVAL what the kernel refuses with ENOMEM; and each byte of the model takes it too long.
  arena_test: ['TellsTheSystemsError', 'FuzzAgainstAModel'],
  // It keeps descriptors of its own, which nobody may close or replace: the first steps of a child do just that.
  child_setup_test: 'all',
  // The advice for all of the address space takes it minutes if there are mappings all over it.
  heap_inherit_test: ['ManyMappings'],
  // It begins again from /proc/self/exe with the library before it, and that file is Valgrind's own there.
  packed_preload_test: 'all',
  // It does not know the system calls.
  waitpid_test: ['Pidfd'],
}
const LOCKS = ['gate_test', 'start_gate_test']

// Without it a thread that spins keeps the others from their turns for seconds.
const FAIR = '--fair-sched=yes'
const COMMON = ['-q', FAIR, '--error-exitcode=86', `--suppressions=${join(root, 'test/native/valgrind.supp')}`]
const MEMCHECK = ['--tool=memcheck', '--leak-check=full']

function valgrind(tool, program, args) {
  const began = performance.now()
  run('valgrind', [...COMMON, ...tool, program, ...args], { timeout: 120_000 })
  console.log(`${program.split('/').at(-1)}, ${tool[0].slice(7)}: ${((performance.now() - began) / 1000).toFixed(1)} s`)
}

main(() => {
  if (process.platform !== 'linux') throw new Error('test-valgrind.mjs works on Linux only')
  if (!has('valgrind')) throw new Error('valgrind is missing. Debian: apt-get install valgrind')
  const out = cmakeBuild('debug', { testsOnly: true })
  const sources = readdirSync(join(root, 'test/native')).filter((name) => name.endsWith('_test.cc'))
  for (const name of sources.map((source) => source.slice(0, -3)).sort()) {
    const leftOut = LEFT_OUT[name] ?? []
    if (leftOut === 'all') continue
    valgrind(
      MEMCHECK,
      join(out, name),
      leftOut.map((part) => `-${part}`),
    )
    if (LOCKS.includes(name)) valgrind(['--tool=drd'], join(out, name), [])
  }
})
