import type { Spec } from './charts'
import { escape } from './format'

/** Draws a specification of Vega-Lite as the text of an `<svg>` element. */
export type Draw = (spec: Spec) => Promise<string>

/** Makes a drawing fit for a page: with a title and a description, and without the names of its format, which HTML knows. */
export function described(svg: string, id: string, title: string, description: string): string {
  const start = svg.indexOf('<svg')
  const end = svg.indexOf('>', start)
  if (start < 0 || end < 0) throw new Error('what was drawn is no SVG')
  const attributes = svg.slice(start + 4, end).replace(/\s(?:xmlns(?::\w+)?|version|class)="[^"]*"/g, '')
  const open = `<svg${attributes} role="img" aria-labelledby="${id}-title ${id}-desc">`
  const texts = `<title id="${id}-title">${escape(title)}</title><desc id="${id}-desc">${escape(description)}</desc>`
  return open + texts + svg.slice(end + 1).trimEnd()
}
