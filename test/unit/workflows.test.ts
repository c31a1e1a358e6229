import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/** The workflows run other people's code with rights on this repository: each is named by its commit, and has few rights. */

const folder = join(__dirname, '../../.github/workflows')
const workflows = readdirSync(folder).map((name) => ({ name, text: readFileSync(join(folder, name), 'utf8') }))

it.each(workflows)('$name pins every action to a commit', ({ text }) => {
  const used = [...text.matchAll(/uses: (.+)$/gm)].map(([, action = '']) => action)
  const loose = used.filter((action) => !/^(\.\/|[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$)/.test(action))
  expect(loose).toEqual([])
  expect(used.length).toBeGreaterThan(0)
})

it.each(workflows)('$name may read, and only the publishing job may ask for an identity', ({ name, text }) => {
  expect(text).toMatch(/^permissions:\n {2}contents: read\n\n/m)
  const rights = [...text.matchAll(/^ *([\w-]+): (read|write)$/gm)].map(([, right, kind]) => `${right} ${kind}`)
  expect(rights).toEqual(
    name === 'release.yml' ? ['contents read', 'contents read', 'id-token write'] : ['contents read'],
  )
})

it('all that use the same action use the same commit', () => {
  const commits = new Map<string, Set<string>>()
  for (const { text } of workflows) {
    for (const [, action = '', commit = ''] of text.matchAll(/uses: ([\w-]+\/[\w-]+)@(\S+)/g)) {
      commits.set(action, (commits.get(action) ?? new Set()).add(commit))
    }
  }
  expect([...commits].filter(([, used]) => used.size > 1)).toEqual([])
})
