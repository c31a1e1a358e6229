import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The compiler leaves the page's own files where they are: from `dist/` they are found in the sources. */
const FOLDERS = [join(__dirname, 'page'), join(__dirname, '../../../../examples/exchange/status/page')]

export interface Page {
  readonly html: string
  /** Allows this page's script and style, and requests to where it came from: nothing else, whatever gets into it. */
  readonly policy: string
}

/** Makes one page out of its parts. */
export function loadPage(): Page {
  const folder = FOLDERS.find(existsSync)
  if (folder === undefined) throw new Error('the files of the status page are missing: examples/exchange/status/page')
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8')
  const style = read('style.css')
  const script = read('script.js')
  const html = read('index.html')
    .replace(/<style>.*?<\/style>/s, () => `<style>${style}</style>`)
    .replace(/<script>.*?<\/script>/s, () => `<script>${script}</script>`)
  const policy = [
    "default-src 'none'",
    `script-src ${hashOf(script)}`,
    `style-src ${hashOf(style)}`,
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
  return { html, policy }
}

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
}
