import { execFile } from 'node:child_process'
import { join } from 'node:path'

/** Runs a scenario of a fixture program in a process of its own and returns what it printed, parsed. */
export async function runScenario(program: string, scenario: string): Promise<unknown> {
  const path = join(__dirname, '../../dist/test/fixtures', `${program}.js`)
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [path, scenario], { timeout: 50_000 }, (error, stdout, stderr) => {
      if (error !== null) {
        const how = `${error.message} (code ${error.code}, signal ${error.signal})`
        reject(new Error(`${scenario}: ${how}\n${stdout}\n${stderr}`))
        return
      }
      resolve(JSON.parse(stdout.trim().split('\n').at(-1) ?? ''))
    })
  })
}
