import { existsSync } from 'node:fs'
import { chromium, type Browser } from 'playwright-core'

const PATHS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

const executablePath = PATHS.find(existsSync)

/** Why there is no browser to test with, or null if there is one. Where everything must be tested there has to be one. */
export const reasonAgainstChromium =
  executablePath !== undefined || process.env.CI === 'true' ? null : 'needs chromium, see .ci/run'

/** Starts a headless browser that talks to nobody but the page. */
export function startChromium(): Promise<Browser> {
  if (executablePath === undefined) throw new Error('chromium is missing: install the package of that name')
  const quiet = [
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ]
  return chromium.launch({ executablePath, headless: true, args: ['--no-sandbox', ...quiet] })
}
