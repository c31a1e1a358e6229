// Runs the tests that fork under other versions of Node: node scripts/test-node.mjs 22 24 26 [-- jest arguments]
import { main } from './run.mjs'
import { withNode } from './with-node.mjs'

main(() => {
  const end = process.argv.indexOf('--')
  const versions = process.argv.slice(2, end < 0 ? undefined : end)
  const jestArguments = end < 0 ? [] : process.argv.slice(end + 1)
  if (versions.length === 0) throw new Error('usage: node scripts/test-node.mjs VERSION... [-- JEST-ARGUMENTS]')
  for (const version of versions) {
    console.log(`fork tests on Node ${version}`)
    const code = withNode(version, 'node', [
      'node_modules/jest/bin/jest.js',
      'test/fork',
      'test/arena',
      ...jestArguments,
    ])
    if (code !== 0) throw new Error(`The fork tests failed on Node ${version} (code ${code})`)
  }
})
