/**
 * One colour for each method, the same in every chart. They are dark enough for text on white, differ in lightness as well as in
 * hue, and cold ones are for forks, warm ones for what stops everything; labels stand beside them, so that nothing depends on them.
 */
const COLOURS: Readonly<Record<string, string>> = {
  heap: '#0061a8',
  packed: '#00714f',
  arena: '#2b83a6',
  redis: '#a03c7c',
  floor: '#5c6370',
  stringify: '#b93d00',
  serialize: '#8f5d00',
  'post-message': '#6e2c00',
  sliced: '#726700',
  sqlite: '#3b2e8c',
}

export function colourOf(method: string): string {
  return COLOURS[method] ?? '#333333'
}
