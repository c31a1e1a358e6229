// Checks the workflows as GitHub's own parser reads them (keys, types, contexts and functions in expressions, the jobs that
// `needs` names, the inputs of workflows that call each other), without any network: node scripts/lint-workflows.mjs [FOLDER]
import { readdirSync, readFileSync } from 'node:fs'
import { register } from 'node:module'
import { join, resolve } from 'node:path'

// The parser is written for bundlers: it imports JSON without the attribute by which Node does.
const load = `export const load = (url, context, next) =>
  next(url, url.endsWith('.json') ? { ...context, importAttributes: { type: 'json' } } : context)`
register(`data:text/javascript,${encodeURIComponent(load)}`)
const { convertWorkflowTemplate, NoOperationTraceWriter, parseWorkflow } = await import('@actions/workflow-parser')

const root = resolve(process.argv[2] ?? join(import.meta.dirname, '..'))
const folder = '.github/workflows'
const read = (name) => ({ name, content: readFileSync(join(root, name), 'utf8') })

/** What is wrong with a workflow, with its place. */
async function problemsOf(file) {
  const { context, value } = parseWorkflow(file, new NoOperationTraceWriter())
  if (value === undefined) return context.errors.getErrors().map(({ message }) => message)
  const files = { getFileContent: async ({ path }) => read(path) }
  await convertWorkflowTemplate(context, value, files, { fetchReusableWorkflowDepth: 3 })
  return context.errors.getErrors().map(({ message }) => message)
}

const names = readdirSync(join(root, folder)).filter((name) => /\.ya?ml$/.test(name))
for (const name of names) {
  for (const problem of await problemsOf(read(`${folder}/${name}`))) {
    console.error(problem)
    process.exitCode = 1
  }
}
if (process.exitCode !== 1) console.log(`${names.length} workflows are as GitHub reads them`)
