import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import ts from 'typescript'
import { parseAllDocuments } from 'yaml'
import { type CodeBlock, codeBlocksOf } from '../helpers/code-blocks'
import { look, removeMachines } from '../helpers/doctor'
import { Cluster, reasonAgainstPostgres } from '../helpers/postgres'
import { shellProblems } from '../helpers/shell-blocks'

const root = join(__dirname, '../..')
/** No example takes a tenth of it; one that never ends is ended. */
const MS_MAX = 30_000
const SCRIPTS = ['js', 'javascript', 'cjs', 'mjs']
const TYPED = ['ts', 'typescript', 'mts']
const DATA = ['yaml', 'yml']
const UNITS = ['ini']
const SHELLS = ['sh', 'bash', 'shell', 'console']
/** What is looked at by nobody but the reader. */
const TEXTS = ['', 'text', 'txt', 'toml', 'csv', 'diff', 'http', 'promql', 'proto', 'dockerfile', 'sql', 'c']

const pages = ['README.md', 'CONTRIBUTING.md', ...readdirSync(join(root, 'docs')).map((name) => join('docs', name))]
const blocks = pages
  .filter((page) => page.endsWith('.md'))
  .flatMap((page) => codeBlocksOf(page, readFileSync(join(root, page), 'utf8')))
const skipped = blocks.filter(({ skip }) => skip !== undefined)
const run = blocks.filter(({ skip }) => skip === undefined)
const of = (languages: readonly string[]): CodeBlock[] => run.filter(({ language }) => languages.includes(language))

let folder: string
let cluster: Cluster | undefined

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'forksnap-docs-'))
  // As in a project that has installed forksnap and what the examples use beside it.
  mkdirSync(join(folder, 'node_modules'))
  for (const name of readdirSync(join(root, 'node_modules'))) {
    symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name))
  }
  symlinkSync(root, join(folder, 'node_modules/forksnap'))
  if (run.some(({ postgres }) => postgres) && reasonAgainstPostgres === null) cluster = await Cluster.start()
})

afterAll(async () => {
  await cluster?.dispose()
  rmSync(folder, { recursive: true, force: true })
})

/** Runs a program in an empty folder beside the installed packages; what it wrote and how it ended. */
async function runProgram(name: string, code: string, postgres: boolean): Promise<object> {
  const home = mkdtempSync(join(folder, 'run-'))
  writeFileSync(join(home, name), code)
  const env: NodeJS.ProcessEnv = { ...process.env }
  if (postgres && cluster !== undefined) {
    Object.assign(env, { PGHOST: cluster.folder, PGPORT: String(cluster.port), PGUSER: 'postgres' })
    env.PGDATABASE = 'postgres'
  }
  const child = spawn(process.execPath, [name], { cwd: home, env, timeout: MS_MAX, killSignal: 'SIGKILL' })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (said += data.toString()))
  const [code_, signal] = (await once(child, 'close')) as [number | null, string | null]
  return { code: code_, signal, ...(code_ === 0 ? {} : { said }) }
}

function isModule(code: string): boolean {
  return /^\s*(import|export)\b|^(const .*= )?await /m.test(code)
}

/** A table that is empty is an error to Jest. */
function eachOf(list: readonly CodeBlock[], test: (block: CodeBlock) => void | Promise<void>): void {
  for (const block of list) it(`${block.place} ${block.language}`, async () => test(block))
}

describe('a block of code in README, CONTRIBUTING and docs', () => {
  it('is found, and there are some', () => {
    expect(of(SCRIPTS).length).toBeGreaterThan(0)
    expect(of(SHELLS).length).toBeGreaterThan(0)
  })

  it('is in a language of which it is known how to check it', () => {
    const known = [...SCRIPTS, ...TYPED, ...SHELLS, ...DATA, ...UNITS, ...TEXTS, 'json', 'mermaid']
    expect(run.filter(({ language }) => !known.includes(language)).map(({ place }) => place)).toEqual([])
  })

  describe('of JavaScript runs as it stands', () => {
    eachOf(of(SCRIPTS), async ({ language, code, postgres }) => {
      if (postgres) expect(reasonAgainstPostgres).toBeNull()
      const module = language === 'mjs' || (language !== 'cjs' && isModule(code))
      expect(await runProgram(module ? 'example.mjs' : 'example.cjs', code, postgres)).toEqual({
        code: 0,
        signal: null,
      })
    })
  })

  describe('of TypeScript has right types and runs', () => {
    eachOf(of(TYPED), async ({ code, postgres }) => {
      const file = join(folder, 'example.mts')
      writeFileSync(file, code)
      const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => readFileSync(path, 'utf8')) as {
        config: { compilerOptions: object }
      }
      const own = { rootDir: undefined, outDir: undefined, declaration: false, noUnusedLocals: false, types: ['node'] }
      const { options } = ts.convertCompilerOptionsFromJson({ ...config.compilerOptions, ...own }, folder)
      const diagnostics = ts.getPreEmitDiagnostics(ts.createProgram([file], { ...options, noEmit: true }))
      expect(diagnostics.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))).toEqual([])
      const compilerOptions = { module: ts.ModuleKind.ES2022, target: ts.ScriptTarget.ES2023 }
      const { outputText } = ts.transpileModule(code, { compilerOptions })
      expect(await runProgram('example.mjs', outputText, postgres)).toEqual({ code: 0, signal: null })
    })
  })

  describe('of YAML is read without an error or a doubt', () => {
    eachOf(of(DATA), ({ code }) => {
      const documents = [parseAllDocuments(code)].flat()
      expect(documents.flatMap(({ errors, warnings }) => [...errors, ...warnings])).toEqual([])
      expect(documents.map((document) => typeof document.toJS())).toEqual(documents.map(() => 'object'))
    })
  })

  describe('of a unit of systemd is one with which doctor finds nothing wrong', () => {
    afterAll(removeMachines)
    eachOf(of(UNITS), async ({ code }) => {
      const odd = code.split('\n').filter((line) => !/^(\[\w+\]|\w+=\S.*|)$/.test(line))
      expect(odd).toEqual([])
      const files = {
        '/proc/self/cgroup': '0::/system.slice/exchange.service\n',
        '/etc/systemd/system/exchange.service': code,
      }
      expect(await look('systemd', files)).toMatchObject({
        status: 'ok',
        found: expect.stringMatching(/^exchange/) as string,
      })
    })
  })

  describe('for the shell has commands that there are', () => {
    eachOf(of(SHELLS), ({ language, code }) => expect(shellProblems(code, language)).toEqual([]))
  })

  describe('or a session with what it printed has commands that there are', () => {
    const sessions = of(['', 'text', 'txt']).filter(({ code }) => /^\$ /m.test(code))
    eachOf(sessions, ({ code }) => expect(shellProblems(code, 'console')).toEqual([]))
  })

  // In the text: `npm run stress -- --forks 3000`.
  it('or a command within a line has commands and options that there are', () => {
    const problems = pages.flatMap((page) => {
      const text = readFileSync(join(root, page), 'utf8').replace(/^ {0,8}```[^]*?^ {0,8}```$/gm, '')
      const commands = [...text.matchAll(/`((?:npx )?forksnap [a-z][^`]*|npm run [^`]*)`/g)].map(
        ([, code = '']) => code,
      )
      return commands.flatMap((code) =>
        shellProblems(code.replaceAll('\n', ' ').replaceAll('\\|', '|'), 'sh').map((problem) => [page, code, problem]),
      )
    })
    expect(problems).toEqual([])
  })

  describe('of JSON can be parsed', () => {
    eachOf(of(['json']), ({ code }) => expect(() => JSON.parse(code) as unknown).not.toThrow())
  })

  // The names of these tests are the list of what is not run, with the reasons.
  describe('that is not run says why', () => {
    for (const { place, skip } of skipped) it(`${place}: ${skip}`, () => expect(skip).toMatch(/\w \w/))
  })
})

describe('the reading of blocks', () => {
  it('finds them with what is said about them', () => {
    const page = [
      'Text\n\n<!-- code: postgres -->\n\n```js\none()\n```',
      '<!-- code: continues -->\n<!-- code after:\nend()\n-->\n```js\ntwo()\n```',
      '<!-- code: skip, it needs a machine of its own -->\nText between\n\n```sh\nls\n```',
      '<!-- code: skip, it needs a machine of its own -->\n\n~~~\nx\n~~~',
    ].join('\n\n')
    expect(codeBlocksOf('a.md', page)).toEqual([
      { place: 'a.md:5', language: 'js', code: 'one()\n', skip: undefined, postgres: true },
      { place: 'a.md:13', language: 'js', code: 'one()\n\ntwo()\nend()\n', skip: undefined, postgres: false },
      { place: 'a.md:20', language: 'sh', code: 'ls\n', skip: undefined, postgres: false },
      { place: 'a.md:26', language: '', code: 'x\n', skip: 'it needs a machine of its own', postgres: false },
    ])
  })

  it.each(['<!-- code: skip -->', '<!-- code: skip, no -->', '<!-- code: postgress -->', '<!-- code -->'])(
    'refuses %s',
    (comment) => expect(() => codeBlocksOf('a.md', `${comment}\n\n\`\`\`js\n\`\`\``)).toThrow('a.md:1'),
  )

  it('refuses a block without an end', () => {
    expect(() => codeBlocksOf('a.md', '```js\nx\n')).toThrow('a.md:1')
  })
})

describe('the check of commands', () => {
  it('knows what there is', () => {
    const good =
      'npm ci && npm start # for ever\nPGHOST=/tmp npm run build:ts \\\n  -- --x\nnpx forksnap exec -- node a.js'
    expect(shellProblems(good, 'sh')).toEqual([])
    expect(shellProblems('$ npm test\n12 passed', 'console')).toEqual([])
    const options = [
      'zstd -dc x.zst | forksnap verify - --json --no-progress',
      'forksnap log verify ./log --repair --backup=/b; npx forksnap --version',
      'forksnap exec --inherit -- forksnap bench --objects 5',
      'npm run bench:pause -- --orders 5 && npm test -- --ci',
      'npm run bench:engine -- --state arena',
    ]
    expect(shellProblems(options.join('\n'), 'sh')).toEqual([])
  })

  it.each([
    'npm run no-such',
    'forksnap no-such',
    'node dist/bench/no-such.js',
    'kubectl get pods',
    'npx no-such-program',
    'forksnap verify . --repair',
    'forksnap log verify . --no-such=5',
    'npx forksnap exec --require -- forksnap bench --no-such',
    'npm run bench:pause -- --no-such 5',
    'npm run bench:pause --orders 5',
    'npm run bench:engine -- --no-such',
    'npm run prebuilds -- current --no-such 2.28',
  ])('refuses %s', (command) => expect(shellProblems(`npm ci\n${command}`, 'sh')).toHaveLength(1))
})
