import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * The workflows run other people's code with rights on this repository: each is named by its commit, and has few rights.
 * None of them runs here, so what they call is looked up, and the shell of a release is tried.
 */

const root = join(__dirname, '../..')
const folder = join(root, '.github/workflows')
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> }
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

/** Inputs of the actions, at the commits that are pinned. An unknown one would only be warned of, and ignored. */
const INPUTS: { readonly [action: string]: readonly string[] } = {
  'actions/checkout': ['persist-credentials'],
  'actions/setup-node': ['node-version'],
  'actions/upload-artifact': ['name', 'path', 'if-no-files-found'],
  'actions/download-artifact': ['name', 'pattern', 'path', 'merge-multiple'],
}

it.each(workflows)('$name gives actions inputs that they have', ({ text }) => {
  const uses = [...text.matchAll(/^ +- uses: ([\w-]+\/[\w-]+)@.*\n(?: +with:\n((?: {10}.*\n)+))?/gm)]
  const given = uses.flatMap(([, action = '', inputs = '']) =>
    [...inputs.matchAll(/^ {10}([\w-]+):/gm)].map(([, input = '']) => ({ action, input })),
  )
  expect(uses).toHaveLength([...text.matchAll(/uses: actions\//g)].length)
  expect(given.filter(({ action, input }) => !INPUTS[action]?.includes(input))).toEqual([])
})

it('they run scripts that there are', () => {
  const text = workflows.map((workflow) => workflow.text).join('\n')
  const asked = [...text.matchAll(/npm run ([\w:-]+)/g)].map(([, script = '']) => script)
  expect(asked.filter((script) => !(script in scripts))).toEqual([])
  const files = [...text.matchAll(/(?:run: |node )((?:\.ci|scripts)\/[\w./-]+)/g)].map(([, file = '']) => file)
  expect(asked.length).toBeGreaterThan(0)
  expect(files).toEqual(['.ci/run'])
  for (const file of files) expect(statSync(join(root, file)).mode & 0o111).toBeGreaterThan(0)
})

it('the lint finds what GitHub would refuse', () => {
  const lint = (at: string) =>
    spawnSync(process.execPath, [join(root, 'scripts/lint-workflows.mjs'), at], { encoding: 'utf8' })
  const copy = mkdtempSync(join(tmpdir(), 'forksnap-workflows-'))
  try {
    cpSync(folder, join(copy, '.github/workflows'), { recursive: true })
    expect(lint(copy)).toMatchObject({ status: 0, stderr: '' })
    const ci = join(copy, '.github/workflows/ci.yml')
    writeFileSync(
      ci,
      readFileSync(ci, 'utf8').replace('timeout-minutes', 'time-out').replace('github.ref }', 'git.ref }'),
    )
    const { status, stderr } = lint(copy)
    expect({ status, stderr }).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/ci\.yml.*'time-out'/) as string,
    })
    expect(stderr).toContain("Unrecognized named-value: 'git'")
  } finally {
    rmSync(copy, { recursive: true })
  }
})

describe('a release', () => {
  /** Commands of a step, as they stand in the file. */
  const step = (file: string, begin: RegExp): string => {
    const { text = '' } = workflows.find((workflow) => workflow.name === file) ?? {}
    const from = text.slice(text.search(begin))
    const [, block, line = ''] = /^ +(?:- )?run: (?:\|\n((?: {10}.*\n)+)|(.*)\n)/m.exec(from) ?? []
    return block ?? line
  }
  const place = mkdtempSync(join(tmpdir(), 'forksnap-release-'))
  afterAll(() => rmSync(place, { recursive: true }))

  const run = (script: string, env: NodeJS.ProcessEnv = {}): number | null => {
    rmSync(join(place, 'packed'), { recursive: true, force: true })
    const github = {
      GITHUB_SERVER_URL: 'https://github.example',
      GITHUB_REPOSITORY: 'somebody/forksnap',
      TAG: 'v1.2.3',
    }
    // As GitHub starts the shell of a step.
    return spawnSync('bash', ['-e', '-c', script], { cwd: place, env: { ...process.env, ...github, ...env } }).status
  }

  it('has a tarball that names its repository, and is refused if that, or a version, is another one', () => {
    writeFileSync(join(place, 'package.json'), JSON.stringify({ name: 'forksnap', version: '1.2.3' }))
    writeFileSync(join(place, 'CHANGELOG.md'), '## [1.2.3]\n')
    const check = step('release.yml', /- name: the tag/)
    expect(run('npm pack')).toBe(0)
    expect(run(check)).toBe(1)
    expect(run(`${step('prebuild.yml', /names the same one\.\n/)}\nnpm pack`)).toBe(0)
    expect(run(check)).toBe(0)
    expect(run(check, { GITHUB_REPOSITORY: 'somebody/else' })).toBe(1)
    expect(run(check, { TAG: 'v1.2.4' })).toBe(1)
    writeFileSync(join(place, 'CHANGELOG.md'), '## [1.2.2]\n')
    expect(run(check)).toBe(1)
  })
})
